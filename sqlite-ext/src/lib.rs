//! nearlite as a loadable SQLite extension: the entry points SQLite looks for, and the shim that lets the library
//! load into hosts older than the SQLite rusqlite was made for.
//!
//! rusqlite's loadable bindings know the routine table of SQLite 3.45.3 and refuse older hosts. The table only ever
//! grows at its end, so [`Routines::of_host`] copies the part the host has, leaves the rest empty and tells rusqlite the
//! version it wants to hear. What an old host lacks is never called: `sql/module/` asks the real version first.

mod pin;

use engine::rusqlite::ffi::{self, sqlite3_api_routines};
use engine::rusqlite::{Connection, Error};
use std::ffi::{c_char, c_int};
use std::mem::{offset_of, size_of};
use std::panic::catch_unwind;
use std::sync::Mutex;

/// `sqlite3_vtab_in`, without which `IN` lists and LIMIT cannot be pushed into a search.
const OLDEST: i32 = 3_038_000;

/// Found by SQLite from the file name (`libnearlite.so`, `nearlite.dll`).
///
/// # Safety
/// To be called by SQLite only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_nearlite_init(
    db: *mut ffi::sqlite3,
    message: *mut *mut c_char,
    api: *mut sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite's own arguments.
    unsafe { load(db, message, api) }
}

/// Found by SQLite whatever the file is called.
///
/// # Safety
/// To be called by SQLite only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_extension_init(
    db: *mut ffi::sqlite3,
    message: *mut *mut c_char,
    api: *mut sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite's own arguments.
    unsafe { load(db, message, api) }
}

unsafe fn load(db: *mut ffi::sqlite3, message: *mut *mut c_char, api: *mut sqlite3_api_routines) -> c_int {
    if api.is_null() {
        return ffi::SQLITE_ERROR;
    }
    let outcome = catch_unwind(|| {
        // SAFETY: SQLite's own arguments, valid during the call.
        let mut routines = unsafe { Routines::of_host(api) }?;
        // SAFETY: `init2` copies what it needs out of the table.
        Ok(unsafe { Connection::extension_init2(db, message, &raw mut routines.table, register) })
    });
    let why = match outcome {
        Ok(Ok(code)) => return code,
        Ok(Err(why)) => why,
        Err(_) => "nearlite: internal error while loading; please report it".to_owned(),
    };
    // SAFETY: the host's own allocator; SQLite frees the message.
    unsafe { say(message, api, &why) };
    ffi::SQLITE_ERROR
}

/// `Ok(false)` is plain SQLITE_OK. SQLite's own code for a library that stays, SQLITE_OK_LOAD_PERMANENTLY, counts as a
/// failure where the entry point runs by `sqlite3_auto_extension`, so the library pins itself.
fn register(connection: Connection) -> Result<bool, Error> {
    pin::pin();
    engine::register(&connection).map(|()| false).map_err(|error| match error {
        engine::Error::Sqlite(error) => error,
        error => Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(error.to_string())),
    })
}

/// The host's routine table as rusqlite's bindings lay it out.
struct Routines {
    table: sqlite3_api_routines,
}

impl Routines {
    /// # Safety
    /// `api` must be the table that SQLite passed to an entry point.
    unsafe fn of_host(api: *mut sqlite3_api_routines) -> Result<Self, String> {
        // SAFETY: this field has its place in every SQLite 3.
        let libversion = unsafe { (&raw const (*api).libversion_number).read() };
        let libversion = libversion.ok_or("nearlite: this SQLite does not tell its version")?;
        // SAFETY: a function without preconditions.
        let version = unsafe { libversion() };
        if version < OLDEST {
            return Err(format!(
                "nearlite needs SQLite 3.38 or newer, this is {}.{}.{}; for Python install pysqlite3-binary or apsw",
                version / 1_000_000,
                version / 1_000 % 1_000,
                version % 1_000
            ));
        }
        only_one_sqlite(libversion as usize)?;

        // SAFETY: every field is an `Option` of a function pointer, for which zero means `None`.
        let mut table: sqlite3_api_routines = unsafe { std::mem::zeroed() };
        // SAFETY: a host of this version has at least this many bytes, and our struct has all of them.
        unsafe {
            std::ptr::copy_nonoverlapping(
                api.cast::<u8>(),
                (&raw mut table).cast::<u8>(),
                known_bytes(version),
            );
        }
        let config = table.vtab_config.ok_or("nearlite: this SQLite was built without virtual tables")?;
        engine::set_host_routines(version, config);
        table.libversion_number = Some(version_of_the_bindings);
        Ok(Self { table })
    }
}

/// How much of our struct the routine table of a host of this version fills.
fn known_bytes(version: i32) -> usize {
    match version {
        3_044_000.. => size_of::<sqlite3_api_routines>(),
        3_043_000.. => offset_of!(sqlite3_api_routines, get_clientdata),
        3_041_000.. => offset_of!(sqlite3_api_routines, stmt_explain),
        3_040_000.. => offset_of!(sqlite3_api_routines, is_interrupted),
        3_039_000.. => offset_of!(sqlite3_api_routines, value_encoding),
        _ => offset_of!(sqlite3_api_routines, deserialize),
    }
}

unsafe extern "C" fn version_of_the_bindings() -> c_int {
    ffi::SQLITE_VERSION_NUMBER
}

/// The bindings keep one routine table for the whole process. A second SQLite in the same process (say Python's
/// own and apsw's) would have its connections handed to the functions of the other one, so it is refused.
fn only_one_sqlite(identity: usize) -> Result<(), String> {
    static FIRST: Mutex<Option<usize>> = Mutex::new(None);
    let mut first = FIRST.lock().map_err(|_| "nearlite: internal error while loading")?;
    if *first.get_or_insert(identity) == identity {
        return Ok(());
    }
    Err("nearlite is loaded into another copy of SQLite in this process already; \
         load a copy of the library file under another name here"
        .to_owned())
}

/// Stores `text` as the load error.
///
/// # Safety
/// `message` must be null or a place for a string, `api` the host's table.
unsafe fn say(message: *mut *mut c_char, api: *mut sqlite3_api_routines, text: &str) {
    // SAFETY: `malloc` has its place in every SQLite 3; the block holds the text and its end.
    unsafe {
        let Some(malloc) = (&raw const (*api).malloc).read() else { return };
        let Ok(size) = c_int::try_from(text.len() + 1) else { return };
        if message.is_null() {
            return;
        }
        let copy = malloc(size).cast::<u8>();
        if !copy.is_null() {
            std::ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
            *copy.add(text.len()) = 0;
            *message = copy.cast();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    unsafe extern "C" fn version_3_37() -> c_int {
        3_037_002
    }

    unsafe extern "C" fn allocate(size: c_int) -> *mut std::ffi::c_void {
        vec![0_u8; size as usize].leak().as_mut_ptr().cast()
    }

    #[test]
    fn a_host_that_is_too_old_is_told_so() {
        // SAFETY: zero is `None` for every field.
        let mut api: sqlite3_api_routines = unsafe { std::mem::zeroed() };
        api.libversion_number = Some(version_3_37);
        api.malloc = Some(allocate);
        let mut message = std::ptr::null_mut();
        // SAFETY: the handle is not touched before the version is checked.
        let code = unsafe { sqlite3_nearlite_init(std::ptr::null_mut(), &raw mut message, &raw mut api) };
        assert_eq!(code, ffi::SQLITE_ERROR);
        // SAFETY: set by the call.
        let message = unsafe { CStr::from_ptr(message) }.to_str().unwrap();
        assert!(message.starts_with("nearlite needs SQLite 3.38 or newer, this is 3.37.2"), "{message}");
    }

    #[test]
    fn an_older_host_is_read_only_as_far_as_its_table_goes() {
        let sizes =
            [3_038_000, 3_039_000, 3_040_001, 3_041_000, 3_043_000, 3_044_000, 3_054_001].map(known_bytes);
        assert!(sizes.is_sorted());
        let fields = |from: usize, to: usize| (sizes[to] - sizes[from]) / size_of::<usize>();
        // What sqlite3ext.h lists under 3.39, 3.40, 3.41, 3.43, 3.44 and later.
        assert_eq!(
            [fields(0, 1), fields(1, 2), fields(2, 3), fields(3, 4), fields(4, 5), fields(5, 6)],
            [3, 1, 1, 1, 2, 0]
        );
    }
}

//! What a table may ask of the connection it lives in.
#![expect(unsafe_code)]

use crate::error::{Error, Result};
use rusqlite::{Connection, ffi};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int};
use std::rc::Rc;

#[cfg(feature = "__loadable_extension")]
mod routines {
    use std::sync::atomic::{AtomicI32, AtomicPtr};
    pub(super) static VERSION: AtomicI32 = AtomicI32::new(0);
    pub(super) static VTAB_CONFIG: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
}

/// Type of `sqlite3_vtab_config`, which is variadic: rusqlite's loadable bindings lose its last argument.
#[cfg(feature = "__loadable_extension")]
type VtabConfig = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, ...) -> c_int;

/// Tells the library what the host that loads it is: its real version (rusqlite may have been shown another one) and
/// its `sqlite3_vtab_config`. Called by the entry points in `sqlite-ext/`, before any registration.
#[cfg(feature = "__loadable_extension")]
#[doc(hidden)]
pub fn set_host_routines(
    version: i32,
    vtab_config: unsafe extern "C" fn(*mut ffi::sqlite3, i32, ...) -> i32,
) {
    use std::sync::atomic::Ordering;
    routines::VERSION.store(version, Ordering::Release);
    routines::VTAB_CONFIG.store(vtab_config as *mut (), Ordering::Release);
}

/// Version number of the SQLite that runs us, for example 3_040_001.
pub(crate) fn sqlite_version() -> i32 {
    #[cfg(feature = "__loadable_extension")]
    return routines::VERSION.load(std::sync::atomic::Ordering::Acquire);
    #[cfg(not(feature = "__loadable_extension"))]
    rusqlite::version_number()
}

/// Per-connection state of one registered module, by type.
pub(super) type Shared = RefCell<HashMap<TypeId, Rc<dyn Any>>>;

struct Inner {
    /// Not owned: dropping it leaves SQLite's handle open.
    connection: Connection,
    schema: String,
    table: String,
    shared: Rc<Shared>,
}

/// The connection, schema and name of one table. Cheap to clone; valid while the table lives.
#[derive(Clone)]
pub(crate) struct Host(Rc<Inner>);

impl Host {
    /// # Safety
    /// `db` must stay open for as long as a clone of the result lives.
    pub(super) unsafe fn new(
        db: *mut ffi::sqlite3,
        schema: &str,
        table: &str,
        shared: Rc<Shared>,
    ) -> Result<Self> {
        // SAFETY: by the contract above; a connection made this way never closes its handle.
        let connection = unsafe { Connection::from_handle(db) }?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self(Rc::new(Inner { connection, schema: schema.into(), table: table.into(), shared })))
    }

    /// The connection. Statements cached on it are finalized when the table disconnects.
    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// Name of the schema that holds the table: `main`, `temp` or the name of an attached file.
    pub(crate) fn schema(&self) -> &str {
        &self.0.schema
    }

    /// Name of the table when it was connected; after ALTER TABLE RENAME SQLite connects it again.
    pub(crate) fn table(&self) -> &str {
        &self.0.table
    }

    /// State of type `T` that all tables of this module on this connection share; made on first use.
    pub(crate) fn shared<T: Default + 'static>(&self) -> Rc<T> {
        let mut map = self.0.shared.borrow_mut();
        let entry = map.entry(TypeId::of::<T>()).or_insert_with(|| Rc::new(T::default()));
        // The entry was stored under the type's own id.
        Rc::clone(entry).downcast().unwrap_or_default()
    }

    /// Whether `sqlite3_interrupt` was called. Always `false` before SQLite 3.41, which cannot say, and in a build
    /// that links a system SQLite, where naming the function would demand 3.41.
    pub(crate) fn interrupted(&self) -> bool {
        #[cfg(any(feature = "bundled", feature = "__loadable_extension"))]
        if sqlite_version() >= 3_041_000 {
            // SAFETY: the handle is open while a Host lives.
            return unsafe { ffi::sqlite3_is_interrupted(self.0.connection.handle()) != 0 };
        }
        false
    }

    /// Name of the file that a schema is in; empty where it is in none.
    pub(crate) fn file(&self, schema: &str) -> String {
        let Ok(schema) = CString::new(schema) else { return String::new() };
        // SAFETY: the handle is open while a Host lives, and this is its thread.
        unsafe { file(self.0.connection.handle(), &schema) }
    }

    /// A name that no other open connection of this process has.
    pub(crate) fn private_name(&self, schema: &str) -> String {
        // SAFETY: the handle is open while a Host lives.
        format!("{:p} {schema}", unsafe { self.0.connection.handle() })
    }

    /// Runs `work`, whose writes to shadow tables must not show in the user's `last_insert_rowid()`.
    pub(crate) fn keeping_last_insert_rowid<T>(&self, work: impl FnOnce() -> T) -> T {
        let kept = self.0.connection.last_insert_rowid();
        let done = work();
        // SAFETY: the handle is open while a Host lives.
        unsafe { ffi::sqlite3_set_last_insert_rowid(self.0.connection.handle(), kept) };
        done
    }

    /// Declares, inside `connect`, that the table handles ON CONFLICT itself.
    pub(crate) fn config_constraint_support(&self) -> Result<()> {
        self.config(ffi::SQLITE_VTAB_CONSTRAINT_SUPPORT)
    }

    /// Declares, inside `connect`, that the table is harmless in triggers and views of an untrusted schema.
    pub(crate) fn config_innocuous(&self) -> Result<()> {
        self.config(ffi::SQLITE_VTAB_INNOCUOUS)
    }

    fn config(&self, option: c_int) -> Result<()> {
        #[cfg(not(feature = "__loadable_extension"))]
        let config = ffi::sqlite3_vtab_config;
        #[cfg(feature = "__loadable_extension")]
        let config = {
            let raw = routines::VTAB_CONFIG.load(std::sync::atomic::Ordering::Acquire);
            if raw.is_null() {
                return Err(Error::Unknown("sqlite3_vtab_config is missing in the host".into()));
            }
            // SAFETY: `set_host_routines` stored a function of exactly this type.
            unsafe { std::mem::transmute::<*mut (), VtabConfig>(raw) }
        };
        // SAFETY: the handle is open; CONSTRAINT_SUPPORT reads one int, INNOCUOUS ignores it.
        check(unsafe { config(self.0.connection.handle(), option, 1 as c_int) })
    }
}

/// Name of the file that a schema of a connection is in; empty where it is in none, or there is no such schema.
///
/// # Safety
/// `db` must be open, and in use by nobody else during the call.
pub(super) unsafe fn file(db: *mut ffi::sqlite3, schema: &CStr) -> String {
    // SAFETY: by the contract; SQLite keeps the name, which ends with a NUL, at least as long as the file is attached.
    unsafe {
        let name = ffi::sqlite3_db_filename(db, schema.as_ptr());
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// While it lives, statements may have as many variables as SQLite can count: the limit of a connection is for the SQL of
/// its users. (The limit on lengths holds for the library, too.)
pub(super) struct ManyVariables(*mut ffi::sqlite3, c_int);

impl ManyVariables {
    /// # Safety
    /// `db` must stay open for as long as the result lives.
    pub(super) unsafe fn allow(db: *mut ffi::sqlite3) -> Self {
        // SAFETY: an open handle; SQLite cuts the number to what it was compiled for.
        Self(db, unsafe { ffi::sqlite3_limit(db, ffi::SQLITE_LIMIT_VARIABLE_NUMBER, c_int::MAX) })
    }
}

impl Drop for ManyVariables {
    fn drop(&mut self) {
        // SAFETY: by the contract of `allow`.
        unsafe { ffi::sqlite3_limit(self.0, ffi::SQLITE_LIMIT_VARIABLE_NUMBER, self.1) };
    }
}

/// Turns a bare result code into an error.
pub(super) fn check(code: c_int) -> Result<()> {
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(Error::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)))
}

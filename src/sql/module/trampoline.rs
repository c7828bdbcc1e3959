//! The C callbacks of a [`VirtualTable`]: each runs one trait method under a guard and reports the outcome.
#![expect(unsafe_code)]

use super::function::{as_data, c_name, call};
use super::guard::{Caught, failure_of, guard};
use super::host::{Host, ManyVariables, Shared, check};
use super::index_info::{FUNCTION_CODES, alloc_text};
use super::value::Args;
use super::{Change, Conflict, IndexInfo, Verdict, VirtualTable};
use crate::error::{Error, Result};
use rusqlite::{Connection, ffi};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Registers the table type `T` on `connection` as the module `name`. Doing it again replaces the module for tables
/// connected from then on.
pub(crate) fn register_module<T: VirtualTable>(connection: &Connection, name: &str) -> Result<()> {
    let name = c_name(name)?;
    let shared: Rc<Shared> = Rc::default();
    // SAFETY: an open handle and a module that lives for ever. SQLite owns the client data from here and frees it
    // once through `drop_shared`, also when the call fails.
    check(unsafe {
        ffi::sqlite3_create_module_v2(
            connection.handle(),
            name.as_ptr(),
            Callbacks::<T>::MODULE,
            Rc::into_raw(shared).cast_mut().cast(),
            Some(drop_shared),
        )
    })
}

unsafe extern "C" fn drop_shared(data: *mut c_void) {
    // SAFETY: the pointer of one `Rc::into_raw` above, given back once. Clones are used under the same
    // connection's mutex, so the count is never touched by two threads at a time.
    let _ =
        catch_unwind(AssertUnwindSafe(|| drop(unsafe { Rc::from_raw(data.cast_const().cast::<Shared>()) })));
}

/// SQLite's table object followed by ours. `base` changes under our feet (SQLite counts references in it), so no
/// Rust reference to the whole is ever made.
#[repr(C)]
struct Table<T> {
    base: ffi::sqlite3_vtab,
    host: Host,
    table: T,
}

/// Reports `outcome` on the table at `vtab`.
///
/// # Safety
/// `vtab` must be null or valid.
pub(super) unsafe fn report<R>(vtab: *mut ffi::sqlite3_vtab, outcome: Result<R, Caught>) -> Result<R, c_int> {
    outcome.map_err(|caught| {
        let failure = failure_of(caught);
        if !vtab.is_null() {
            // SAFETY: the message field is ours to set, with memory of SQLite's; it frees it.
            unsafe {
                let field = &raw mut (*vtab).zErrMsg;
                ffi::sqlite3_free((*field).cast());
                *field = alloc_text(&failure.message);
            }
        }
        failure.code
    })
}

pub(super) fn code<R>(outcome: Result<R, c_int>) -> c_int {
    outcome.err().unwrap_or(ffi::SQLITE_OK)
}

/// # Safety
/// `text` must be null or NUL-terminated and live for `'a`.
pub(super) unsafe fn utf8<'a>(text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Ok("");
    }
    // SAFETY: by the contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Error::Value(format!("{} is not UTF-8", text.to_string_lossy())))
}

pub(super) struct Callbacks<T>(PhantomData<T>);

impl<T: VirtualTable> Callbacks<T> {
    const MODULE: &'static ffi::sqlite3_module = &ffi::sqlite3_module {
        iVersion: 4,
        xCreate: if T::EPONYMOUS { None } else { Some(Self::create) },
        xConnect: Some(Self::connect),
        xBestIndex: Some(Self::best_index),
        xDisconnect: Some(Self::disconnect),
        xDestroy: Some(if T::EPONYMOUS { Self::disconnect } else { Self::destroy }),
        xOpen: Some(Self::open),
        xClose: Some(Self::close),
        xFilter: Some(Self::filter),
        xNext: Some(Self::next),
        xEof: Some(Self::eof),
        xColumn: Some(Self::column),
        xRowid: Some(Self::rowid),
        xUpdate: if T::EPONYMOUS { None } else { Some(Self::update) },
        xBegin: if T::EPONYMOUS { None } else { Some(Self::begin) },
        xSync: if T::EPONYMOUS { None } else { Some(Self::sync) },
        xCommit: if T::EPONYMOUS { None } else { Some(Self::commit) },
        xRollback: if T::EPONYMOUS { None } else { Some(Self::rollback) },
        xFindFunction: Some(Self::find_function),
        xRename: if T::EPONYMOUS { None } else { Some(Self::rename) },
        xSavepoint: if T::EPONYMOUS { None } else { Some(Self::savepoint) },
        xRelease: if T::EPONYMOUS { None } else { Some(Self::release) },
        xRollbackTo: if T::EPONYMOUS { None } else { Some(Self::rollback_to) },
        xShadowName: if T::SHADOWS.is_empty() { None } else { Some(Self::shadow_name) },
        xIntegrity: if T::EPONYMOUS { None } else { Some(Self::integrity) },
    };

    /// # Safety
    /// `vtab` must be a live table of this module.
    unsafe fn table<'a>(vtab: *mut ffi::sqlite3_vtab) -> &'a T {
        // SAFETY: `start` made it; SQLite destroys it only when no callback of it runs. The reference covers our
        // part alone.
        unsafe { &(*vtab.cast::<Table<T>>()).table }
    }

    /// Runs `work` on a table and reports.
    ///
    /// # Safety
    /// As for `table`.
    pub(super) unsafe fn on_table<R>(
        vtab: *mut ffi::sqlite3_vtab,
        place: &'static str,
        work: impl FnOnce(&T) -> Result<R>,
    ) -> Result<R, c_int> {
        // SAFETY: by the contract.
        unsafe { report(vtab, guard(place, || work(Self::table(vtab)))) }
    }

    /// As `on_table`, for work that writes: its statements may have many variables.
    ///
    /// # Safety
    /// As for `table`.
    pub(super) unsafe fn writing<R>(
        vtab: *mut ffi::sqlite3_vtab,
        place: &'static str,
        work: impl FnOnce(&T) -> Result<R>,
    ) -> Result<R, c_int> {
        // SAFETY: a live table, whose handle is open.
        unsafe {
            let _many = ManyVariables::allow((*vtab.cast::<Table<T>>()).host.connection().handle());
            Self::on_table(vtab, place, work)
        }
    }

    unsafe extern "C" fn create(
        db: *mut ffi::sqlite3,
        data: *mut c_void,
        argc: c_int,
        argv: *const *const c_char,
        vtab: *mut *mut ffi::sqlite3_vtab,
        message: *mut *mut c_char,
    ) -> c_int {
        // SAFETY: SQLite's own arguments.
        unsafe { Self::start(db, data, argc, argv, vtab, message, true) }
    }

    unsafe extern "C" fn connect(
        db: *mut ffi::sqlite3,
        data: *mut c_void,
        argc: c_int,
        argv: *const *const c_char,
        vtab: *mut *mut ffi::sqlite3_vtab,
        message: *mut *mut c_char,
    ) -> c_int {
        // SAFETY: SQLite's own arguments.
        unsafe { Self::start(db, data, argc, argv, vtab, message, false) }
    }

    unsafe fn start(
        db: *mut ffi::sqlite3,
        data: *mut c_void,
        argc: c_int,
        argv: *const *const c_char,
        vtab: *mut *mut ffi::sqlite3_vtab,
        message: *mut *mut c_char,
        create: bool,
    ) -> c_int {
        // SAFETY: the handle is open during the call.
        let _many = unsafe { ManyVariables::allow(db) };
        let outcome = guard(if create { "xCreate" } else { "xConnect" }, || {
            let mut args = Vec::with_capacity(argc.max(0) as usize);
            for at in 0..argc.max(0) as usize {
                // SAFETY: `argc` NUL-terminated strings, valid during the call.
                args.push(unsafe { utf8(*argv.add(at)) }?);
            }
            let [_, schema, table, ..] = args.as_slice() else {
                return Err(Error::Schema("a virtual table needs a name".into()));
            };
            let shared = data.cast_const().cast::<Shared>();
            // SAFETY: the client data of `register_module` lives while the module does; the table's clone is counted.
            let shared = unsafe {
                Rc::increment_strong_count(shared);
                Rc::from_raw(shared)
            };
            // SAFETY: SQLite disconnects every table before it closes the handle.
            let host = unsafe { Host::new(db, schema, table, shared) }?;
            let (object, declaration) = T::connect(host.clone(), &args, create)?;
            let declaration = c_name(&declaration)?;
            // SAFETY: inside xCreate/xConnect, as the call demands.
            let code = unsafe { ffi::sqlite3_declare_vtab(db, declaration.as_ptr()) };
            if code != ffi::SQLITE_OK {
                // SAFETY: an open handle; the message is copied at once.
                let why = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(db)) }.to_string_lossy().into_owned();
                if code & 0xff != ffi::SQLITE_ERROR {
                    let cause = ffi::Error::new(code);
                    return Err(Error::Sqlite(rusqlite::Error::SqliteFailure(cause, Some(why))));
                }
                return Err(Error::Schema(format!("{table}: SQLite refuses the declaration: {why}")));
            }
            let base =
                ffi::sqlite3_vtab { pModule: std::ptr::null(), nRef: 0, zErrMsg: std::ptr::null_mut() };
            Ok(Box::into_raw(Box::new(Table { base, host, table: object })))
        });
        match outcome.map_err(failure_of) {
            Ok(table) => {
                // SAFETY: the place SQLite gave for the result.
                unsafe { *vtab = table.cast() };
                ffi::SQLITE_OK
            }
            Err(failure) => {
                if !message.is_null() {
                    // SAFETY: the place SQLite gave for a message; it frees it.
                    unsafe { *message = alloc_text(&failure.message) };
                }
                failure.code
            }
        }
    }

    /// Frees a table.
    ///
    /// # Safety
    /// `vtab` must be a live table that SQLite will not use again.
    unsafe fn free(vtab: *mut ffi::sqlite3_vtab) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: made by `start`, freed once. SQLite frees the message when it takes it over; one that is left
            // here was never taken.
            let table = unsafe { Box::from_raw(vtab.cast::<Table<T>>()) };
            let Table { base, host, table } = *table;
            // SAFETY: null or allocated by `alloc_text`.
            unsafe { ffi::sqlite3_free(base.zErrMsg.cast()) };
            drop(table);
            // Whoever still holds a Host must not keep statements alive that would block closing and VACUUM.
            host.connection().flush_prepared_statement_cache();
        }));
    }

    unsafe extern "C" fn disconnect(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: SQLite is done with the table.
        unsafe { Self::free(vtab) };
        ffi::SQLITE_OK
    }

    unsafe extern "C" fn destroy(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: a live table; after success SQLite is done with it, after a failure it keeps it.
        unsafe {
            let outcome = Self::writing(vtab, "xDestroy", T::destroy);
            if outcome.is_ok() {
                Self::free(vtab);
            }
            code(outcome)
        }
    }

    unsafe extern "C" fn best_index(
        vtab: *mut ffi::sqlite3_vtab,
        info: *mut ffi::sqlite3_index_info,
    ) -> c_int {
        // SAFETY: SQLite's own arguments.
        let verdict = unsafe {
            Self::on_table(vtab, "xBestIndex", |table| table.best_index(&mut IndexInfo::new(info)))
        };
        match verdict {
            Ok(Verdict::Plan) => ffi::SQLITE_OK,
            Ok(Verdict::Unusable) => ffi::SQLITE_CONSTRAINT,
            Err(code) => code,
        }
    }

    unsafe extern "C" fn update(
        vtab: *mut ffi::sqlite3_vtab,
        argc: c_int,
        argv: *mut *mut ffi::sqlite3_value,
        place: *mut ffi::sqlite3_int64,
    ) -> c_int {
        // SAFETY: a live table; inside xUpdate, as the conflict call demands.
        let conflict = match unsafe {
            ffi::sqlite3_vtab_on_conflict((*vtab.cast::<Table<T>>()).host.connection().handle())
        } {
            ffi::SQLITE_ROLLBACK => Conflict::Rollback,
            ffi::SQLITE_IGNORE => Conflict::Ignore,
            ffi::SQLITE_FAIL => Conflict::Fail,
            ffi::SQLITE_REPLACE => Conflict::Replace,
            _ => Conflict::Abort,
        };
        // SAFETY: a live table, SQLite's own values.
        let outcome = unsafe {
            Self::writing(vtab, "xUpdate", |table| {
                let args = Args::new(argc, argv);
                let values = args.skip(2);
                let is_null = |index| matches!(args.value(index), rusqlite::types::ValueRef::Null);
                table.update(match args.len() {
                    0 | 1 => Change::Delete { rowid: args.rowid(0)? },
                    _ if is_null(0) => {
                        let rowid = if is_null(1) { None } else { Some(args.rowid(1)?) };
                        Change::Insert { rowid, values, conflict }
                    }
                    _ => Change::Update {
                        old_rowid: args.rowid(0)?,
                        new_rowid: args.rowid(1)?,
                        values,
                        conflict,
                    },
                })
            })
        };
        match outcome {
            Ok(rowid) => {
                // SAFETY: the place SQLite gave for the rowid; it reads it after an insert only.
                unsafe { *place = rowid };
                ffi::SQLITE_OK
            }
            // Older SQLite compares with the bare code when it decides about OR IGNORE, FAIL and ROLLBACK.
            Err(code)
                if code & 0xff == ffi::SQLITE_CONSTRAINT
                    && matches!(conflict, Conflict::Ignore | Conflict::Fail | Conflict::Rollback) =>
            {
                ffi::SQLITE_CONSTRAINT
            }
            Err(code) => code,
        }
    }

    unsafe extern "C" fn rename(vtab: *mut ffi::sqlite3_vtab, new: *const c_char) -> c_int {
        // SAFETY: see `begin`; a NUL-terminated name.
        code(unsafe { Self::writing(vtab, "xRename", |table| table.rename(utf8(new)?)) })
    }

    unsafe extern "C" fn find_function(
        vtab: *mut ffi::sqlite3_vtab,
        nargs: c_int,
        name: *const c_char,
        function: *mut Option<
            unsafe extern "C" fn(*mut ffi::sqlite3_context, c_int, *mut *mut ffi::sqlite3_value),
        >,
        data: *mut *mut c_void,
    ) -> c_int {
        // SAFETY: see `begin`; SQLite has no way to report an error here, so one means "no such function".
        unsafe {
            let found =
                Self::on_table(vtab, "xFindFunction", |table| Ok(table.find_function(utf8(name)?, nargs)));
            let Ok(Some((found, code))) = found else { return 0 };
            *function = Some(call);
            *data = as_data(found);
            code.filter(|code| FUNCTION_CODES.contains(code)).map_or(1, c_int::from)
        }
    }

    unsafe extern "C" fn shadow_name(suffix: *const c_char) -> c_int {
        // SAFETY: a NUL-terminated name.
        let suffix = unsafe { CStr::from_ptr(suffix) }.to_bytes();
        c_int::from(T::SHADOWS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(suffix)))
    }

    unsafe extern "C" fn integrity(
        vtab: *mut ffi::sqlite3_vtab,
        _schema: *const c_char,
        _table: *const c_char,
        flags: c_int,
        message: *mut *mut c_char,
    ) -> c_int {
        let outcome = guard("xIntegrity", || {
            // SAFETY: see `begin`.
            unsafe { Self::table(vtab) }.integrity(flags & 1 != 0)
        });
        // Damage is a finding, not a failure: the check goes on with the other tables.
        let finding = match outcome {
            Ok(finding) => finding,
            Err(Caught::Error(error @ Error::Corrupt { .. })) => Some(error.to_string()),
            Err(caught) => {
                // SAFETY: see `begin`.
                return code(unsafe { report::<()>(vtab, Err(caught)) });
            }
        };
        if let Some(finding) = finding {
            // SAFETY: the place SQLite gave for the finding; it frees it.
            unsafe { *message = alloc_text(&finding) };
        }
        ffi::SQLITE_OK
    }
}

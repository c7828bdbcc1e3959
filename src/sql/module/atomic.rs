//! Work that leaves nothing behind when it fails, however many statements it is made of.
//!
//! SQLite undoes a failed statement by a journal of its own that it keeps for statements which may write several rows and
//! then fail. A one-row INSERT, UPDATE or DELETE of a virtual table has none, and a SAVEPOINT cannot be opened while it
//! runs. So the work is done *by* a statement that has one: an `INSERT ... SELECT` of no rows whose WHERE is a function, and
//! the function does the work. When it fails, SQLite takes back all that was written since that statement began.
#![expect(unsafe_code)]

use super::function::register_inner_function;
use super::{Args, FunctionContext, Host, code_of};
use crate::error::{Error, Result};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, ffi};
use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The SQL function that does the work.
const NAME: &str = "nearlite_atomic";
const POINTER: &CStr = c"nearlite_atomic";

/// What the function finds behind its argument. A second build of this library may have registered the function on the
/// same connection, so the layout is one of C and the code to run is part of it.
#[repr(C)]
struct Task {
    run: unsafe extern "C" fn(*mut c_void) -> c_int,
    work: *mut c_void,
}

/// How the work ended.
type Ended<T> = std::thread::Result<Result<T>>;

struct Work<F, T> {
    todo: Option<F>,
    ended: Option<Ended<T>>,
}

/// A statement of [`atomically`] that does its work while it "inserts" into the column `column`, an `INTEGER PRIMARY KEY`,
/// of `table`.
pub(crate) fn opening(table: &str, column: &str) -> String {
    format!("INSERT INTO {table}({column}) SELECT NULL WHERE {NAME}(?1)")
}

/// Registers the function.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    register_inner_function(connection, NAME, 1, function)
}

fn function(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    // SAFETY: only C code in this process makes pointers of this name, from a `Task` that waits for the statement.
    let code = unsafe {
        let task = args.raw_pointer(0, POINTER).cast::<Task>();
        if task.is_null() {
            return Err(Error::Value(format!("{NAME} is not for use in statements of yours")));
        }
        ((*task).run)((*task).work)
    };
    if code != ffi::SQLITE_OK {
        out.set_error(code, "a change was taken back");
        return Ok(());
    }
    out.set_integer(0);
    Ok(())
}

/// Does the work behind a [`Task`].
///
/// # Safety
/// `work` must point to a `Work<F, T>` that nobody else uses meanwhile.
unsafe extern "C" fn run<F: FnOnce() -> Result<T>, T>(work: *mut c_void) -> c_int {
    // SAFETY: by the contract.
    let work = unsafe { &mut *work.cast::<Work<F, T>>() };
    let Some(todo) = work.todo.take() else { return ffi::SQLITE_MISUSE };
    let ended = catch_unwind(AssertUnwindSafe(todo));
    let code = match &ended {
        Ok(Ok(_)) => ffi::SQLITE_OK,
        Ok(Err(error)) => code_of(error),
        Err(_) => ffi::SQLITE_INTERNAL,
    };
    work.ended = Some(ended);
    match code & 0xff {
        // SQLite would begin the statement again.
        ffi::SQLITE_SCHEMA => ffi::SQLITE_ERROR,
        // SQLite would note it for the whole connection: the statement around this one would fail, too, which may go on without
        // the work.
        ffi::SQLITE_NOMEM => ffi::SQLITE_ERROR,
        _ => code,
    }
}

struct Pointer(*const Task);

impl ToSql for Pointer {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Pointer((self.0.cast(), POINTER, None)))
    }
}

impl Host {
    /// Runs `work` inside the statement `opening`, see [`opening`]: if it fails, nothing of what it wrote to the database
    /// of that table is left.
    pub(crate) fn atomically<T, F: FnOnce() -> Result<T>>(&self, opening: &str, work: F) -> Result<T> {
        let mut work = Work { todo: Some(work), ended: None };
        let task = Task { run: run::<F, T>, work: (&raw mut work).cast() };
        let finished = self.connection().prepare_cached(opening).and_then(|mut statement| {
            let mut rows = statement.query([Pointer(&raw const task)])?;
            while rows.next()?.is_some() {}
            Ok(())
        });
        match work.ended {
            Some(Ok(Err(error))) => Err(error),
            Some(Err(panic)) => resume_unwind(panic),
            Some(Ok(Ok(done))) => finished.map(|()| done).map_err(Error::from),
            None => {
                finished?;
                Err(Error::Unknown(format!("{NAME} was not called")))
            }
        }
    }
}

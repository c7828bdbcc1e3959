//! SQL functions written as plain Rust functions, registered through one guarded trampoline.
#![expect(unsafe_code)]

use super::guard::{failure_of, guard};
use super::host::check;
use super::value::{Args, Output};
use crate::error::{Error, Result};
use rusqlite::{Connection, ffi};
use std::ffi::{CString, c_int, c_void};

/// Where a function puts its result.
pub(crate) type FunctionContext<'a> = Output<'a>;

/// A SQL function.
pub(crate) type AuxFunction = fn(&mut FunctionContext<'_>, &Args<'_>) -> Result<()>;

/// Registers the deterministic, innocuous scalar function `name` of `nargs` arguments (-1: any number).
///
/// Where it exists and a statement is running (`SELECT load_extension(...)`, a second time), it stays as it is.
pub(crate) fn register_function(
    connection: &Connection,
    name: &str,
    nargs: i32,
    function: AuxFunction,
) -> Result<()> {
    register(connection, name, nargs, function, ffi::SQLITE_DETERMINISTIC)
}

/// As [`register_function`], for a function that reads tables: equal arguments can have different results.
pub(crate) fn register_reading_function(
    connection: &Connection,
    name: &str,
    nargs: i32,
    function: AuxFunction,
) -> Result<()> {
    register(connection, name, nargs, function, 0)
}

/// As [`register_function`], for a function that does something: views and triggers cannot call it.
pub(crate) fn register_inner_function(
    connection: &Connection,
    name: &str,
    nargs: i32,
    function: AuxFunction,
) -> Result<()> {
    register(connection, name, nargs, function, ffi::SQLITE_DIRECTONLY)
}

fn register(
    connection: &Connection,
    name: &str,
    nargs: i32,
    function: AuxFunction,
    kind: c_int,
) -> Result<()> {
    let name = c_name(name)?;
    let flags = ffi::SQLITE_UTF8
        | kind
        | if kind == ffi::SQLITE_DIRECTONLY { 0 } else { ffi::SQLITE_INNOCUOUS }
        | ffi::SQLITE_SUBTYPE
        | ffi::SQLITE_RESULT_SUBTYPE;
    // SAFETY: an open handle; the client data is a function pointer, which lives for ever and needs no destructor.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            nargs,
            flags,
            as_data(function),
            Some(call),
            None,
            None,
            None,
        )
    };
    if code == ffi::SQLITE_BUSY { Ok(()) } else { check(code) }
}

/// Declares `name` so that a table can give it a meaning ([`super::VirtualTable::find_function`]).
pub(crate) fn overload_function(connection: &Connection, name: &str, nargs: i32) -> Result<()> {
    let name = c_name(name)?;
    // SAFETY: an open handle and a NUL-terminated name, which SQLite copies.
    check(unsafe { ffi::sqlite3_overload_function(connection.handle(), name.as_ptr(), nargs) })
}

pub(super) fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::Value(format!("the name {name:?} holds a NUL")))
}

/// The client data that makes [`call`] run `function`.
pub(super) fn as_data(function: AuxFunction) -> *mut c_void {
    function as *mut c_void
}

/// Runs the function that `as_data` put into the client data.
pub(super) unsafe extern "C" fn call(
    context: *mut ffi::sqlite3_context,
    argc: c_int,
    argv: *mut *mut ffi::sqlite3_value,
) {
    let outcome = guard("a function", || {
        // SAFETY: this trampoline is only ever registered together with `as_data`.
        let function =
            unsafe { std::mem::transmute::<*mut c_void, AuxFunction>(ffi::sqlite3_user_data(context)) };
        // SAFETY: SQLite's own arguments, valid during the call.
        let (mut output, args) = unsafe { (Output::new(context), Args::new(argc, argv)) };
        function(&mut output, &args)
    });
    if let Err(failure) = outcome.map_err(failure_of) {
        // SAFETY: as above.
        unsafe { Output::new(context) }.set_error(failure.code, &failure.message);
    }
}

//! The C callbacks of a table's part in a transaction: its begin and end, and savepoints.
#![expect(unsafe_code)]

use super::VirtualTable;
use super::trampoline::{Callbacks, code};
use rusqlite::ffi;
use std::ffi::c_int;

impl<T: VirtualTable> Callbacks<T> {
    pub(super) unsafe extern "C" fn begin(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: a live table, here and below.
        code(unsafe { Self::on_table(vtab, "xBegin", T::begin) })
    }

    pub(super) unsafe extern "C" fn sync(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::writing(vtab, "xSync", T::sync) })
    }

    pub(super) unsafe extern "C" fn commit(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::on_table(vtab, "xCommit", T::commit) })
    }

    pub(super) unsafe extern "C" fn rollback(vtab: *mut ffi::sqlite3_vtab) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::on_table(vtab, "xRollback", T::rollback) })
    }

    pub(super) unsafe extern "C" fn savepoint(vtab: *mut ffi::sqlite3_vtab, level: c_int) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::on_table(vtab, "xSavepoint", |table| table.savepoint(level)) })
    }

    pub(super) unsafe extern "C" fn release(vtab: *mut ffi::sqlite3_vtab, level: c_int) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::on_table(vtab, "xRelease", |table| table.release(level)) })
    }

    pub(super) unsafe extern "C" fn rollback_to(vtab: *mut ffi::sqlite3_vtab, level: c_int) -> c_int {
        // SAFETY: see `begin`.
        code(unsafe { Self::on_table(vtab, "xRollbackTo", |table| table.rollback_to(level)) })
    }
}

//! The C callbacks of a cursor: each runs one trait method under the guard and reports the outcome.
#![expect(unsafe_code)]

use super::guard::guard;
use super::trampoline::{Callbacks, code, report, utf8};
use super::value::{Args, Output};
use super::{VirtualCursor, VirtualTable};
use crate::error::Result;
use rusqlite::ffi;
use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// SQLite's cursor object followed by ours.
#[repr(C)]
struct Cursor<C> {
    base: ffi::sqlite3_vtab_cursor,
    eof: bool,
    cursor: C,
}

impl<T: VirtualTable> Callbacks<T> {
    /// Runs `work` on a cursor and reports on its table.
    ///
    /// # Safety
    /// `cursor` must be a live cursor of this module that no other callback is using.
    unsafe fn on_cursor<R>(
        cursor: *mut ffi::sqlite3_vtab_cursor,
        place: &'static str,
        work: impl FnOnce(&mut Cursor<T::Cursor>) -> Result<R>,
    ) -> Result<R, c_int> {
        // SAFETY: by the contract; SQLite writes to `base` only between callbacks of this cursor.
        unsafe {
            let vtab = (*cursor).pVtab;
            report(vtab, guard(place, || work(&mut *cursor.cast::<Cursor<T::Cursor>>())))
        }
    }

    pub(super) unsafe extern "C" fn open(
        vtab: *mut ffi::sqlite3_vtab,
        place: *mut *mut ffi::sqlite3_vtab_cursor,
    ) -> c_int {
        // SAFETY: a live table.
        let cursor = unsafe { Self::on_table(vtab, "xOpen", T::open) };
        code(cursor.map(|cursor| {
            let base = ffi::sqlite3_vtab_cursor { pVtab: vtab };
            // SAFETY: the place SQLite gave for the result.
            unsafe { *place = Box::into_raw(Box::new(Cursor { base, eof: true, cursor })).cast() };
        }))
    }

    pub(super) unsafe extern "C" fn close(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: made by `open`, closed once.
            drop(unsafe { Box::from_raw(cursor.cast::<Cursor<T::Cursor>>()) });
        }));
        ffi::SQLITE_OK
    }

    pub(super) unsafe extern "C" fn filter(
        cursor: *mut ffi::sqlite3_vtab_cursor,
        idx_num: c_int,
        idx_str: *const c_char,
        argc: c_int,
        argv: *mut *mut ffi::sqlite3_value,
    ) -> c_int {
        // SAFETY: SQLite's own arguments; `idx_str` is what best_index set.
        code(unsafe {
            Self::on_cursor(cursor, "xFilter", |cursor| {
                cursor.eof = true;
                cursor.cursor.filter(idx_num, utf8(idx_str)?, &Args::new(argc, argv))?;
                cursor.eof = cursor.cursor.eof();
                Ok(())
            })
        })
    }

    pub(super) unsafe extern "C" fn next(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
        // SAFETY: a live cursor.
        code(unsafe {
            Self::on_cursor(cursor, "xNext", |cursor| {
                cursor.cursor.next()?;
                cursor.eof = cursor.cursor.eof();
                Ok(())
            })
        })
    }

    pub(super) unsafe extern "C" fn eof(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
        // SAFETY: a live cursor.
        c_int::from(unsafe { (*cursor.cast::<Cursor<T::Cursor>>()).eof })
    }

    pub(super) unsafe extern "C" fn column(
        cursor: *mut ffi::sqlite3_vtab_cursor,
        context: *mut ffi::sqlite3_context,
        index: c_int,
    ) -> c_int {
        // SAFETY: a live cursor and context.
        unsafe {
            code(Self::on_cursor(cursor, "xColumn", |cursor| {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                cursor.cursor.column(&mut Output::new(context), index)
            }))
        }
    }

    pub(super) unsafe extern "C" fn rowid(
        cursor: *mut ffi::sqlite3_vtab_cursor,
        place: *mut ffi::sqlite3_int64,
    ) -> c_int {
        // SAFETY: a live cursor and the place SQLite gave for the result.
        unsafe {
            code(
                Self::on_cursor(cursor, "xRowid", |cursor| cursor.cursor.rowid()).map(|rowid| *place = rowid),
            )
        }
    }
}

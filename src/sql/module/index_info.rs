//! What SQLite asks, and what it learns, while it plans a scan (`sqlite3_index_info`).
#![expect(unsafe_code)]

use super::host::sqlite_version;
use super::value::value_ref;
use crate::error::{Error, Result};
use crate::value::Value;
use rusqlite::ffi;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

/// Operator of a constraint, `column OP value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstraintOp {
    Eq,
    Gt,
    Le,
    Lt,
    Ge,
    Match,
    Like,
    Glob,
    Regexp,
    Ne,
    IsNot,
    IsNotNull,
    IsNull,
    Is,
    /// LIMIT; the column means nothing.
    Limit,
    /// OFFSET; the column means nothing.
    Offset,
    /// A function of the table's own ([`super::VirtualTable::find_function`]), by its code.
    Function(u8),
    /// Something newer than this code.
    Other(u8),
}

/// The codes that a table may give to functions of its own.
pub(crate) const FUNCTION_CODES: std::ops::RangeInclusive<u8> = 150..=255;

impl ConstraintOp {
    fn from_code(code: u8) -> Self {
        match i32::from(code) {
            ffi::SQLITE_INDEX_CONSTRAINT_EQ => Self::Eq,
            ffi::SQLITE_INDEX_CONSTRAINT_GT => Self::Gt,
            ffi::SQLITE_INDEX_CONSTRAINT_LE => Self::Le,
            ffi::SQLITE_INDEX_CONSTRAINT_LT => Self::Lt,
            ffi::SQLITE_INDEX_CONSTRAINT_GE => Self::Ge,
            ffi::SQLITE_INDEX_CONSTRAINT_MATCH => Self::Match,
            ffi::SQLITE_INDEX_CONSTRAINT_LIKE => Self::Like,
            ffi::SQLITE_INDEX_CONSTRAINT_GLOB => Self::Glob,
            ffi::SQLITE_INDEX_CONSTRAINT_REGEXP => Self::Regexp,
            ffi::SQLITE_INDEX_CONSTRAINT_NE => Self::Ne,
            ffi::SQLITE_INDEX_CONSTRAINT_ISNOT => Self::IsNot,
            ffi::SQLITE_INDEX_CONSTRAINT_ISNOTNULL => Self::IsNotNull,
            ffi::SQLITE_INDEX_CONSTRAINT_ISNULL => Self::IsNull,
            ffi::SQLITE_INDEX_CONSTRAINT_IS => Self::Is,
            ffi::SQLITE_INDEX_CONSTRAINT_LIMIT => Self::Limit,
            ffi::SQLITE_INDEX_CONSTRAINT_OFFSET => Self::Offset,
            ffi::SQLITE_INDEX_CONSTRAINT_FUNCTION.. => Self::Function(code),
            _ => Self::Other(code),
        }
    }
}

/// One term of the WHERE clause that concerns the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Constraint {
    /// Declared column; -1 is the rowid.
    pub(crate) column: i32,
    /// The operator.
    pub(crate) op: ConstraintOp,
    /// Whether the right side is known at the time of the scan. Only usable terms may be asked for.
    pub(crate) usable: bool,
}

/// One term of the ORDER BY clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderBy {
    /// Declared column; -1 is the rowid.
    pub(crate) column: i32,
    /// Descending.
    pub(crate) desc: bool,
}

/// One question of SQLite's planner and the answer under construction.
pub(crate) struct IndexInfo<'a> {
    raw: *mut ffi::sqlite3_index_info,
    callback: PhantomData<&'a mut ()>,
}

impl IndexInfo<'_> {
    /// # Safety
    /// `raw` must be the argument of a running xBestIndex.
    pub(super) unsafe fn new(raw: *mut ffi::sqlite3_index_info) -> Self {
        Self { raw, callback: PhantomData }
    }

    fn get(&self) -> &ffi::sqlite3_index_info {
        // SAFETY: valid by `new`; nothing else touches it during the call.
        unsafe { &*self.raw }
    }

    fn get_mut(&mut self) -> &mut ffi::sqlite3_index_info {
        // SAFETY: as in `get`.
        unsafe { &mut *self.raw }
    }

    fn raw_constraints(&self) -> &[ffi::sqlite3_index_constraint] {
        let info = self.get();
        // SAFETY: SQLite gives an array of this length.
        unsafe { slice(info.aConstraint, info.nConstraint) }
    }

    fn usage(&mut self, index: usize) -> Option<&mut ffi::sqlite3_index_constraint_usage> {
        let info = self.get_mut();
        if index >= usize::try_from(info.nConstraint).unwrap_or(0) {
            return None;
        }
        // SAFETY: the usage array is as long as the constraint array.
        Some(unsafe { &mut *info.aConstraintUsage.add(index) })
    }

    /// Number of constraints; they are named by their index.
    pub(crate) fn len(&self) -> usize {
        self.raw_constraints().len()
    }

    /// Constraint `index`.
    pub(crate) fn constraint(&self, index: usize) -> Option<Constraint> {
        self.raw_constraints().get(index).map(|raw| Constraint {
            column: raw.iColumn,
            op: ConstraintOp::from_code(raw.op),
            usable: raw.usable != 0,
        })
    }

    /// All constraints, in order.
    pub(crate) fn constraints(&self) -> impl Iterator<Item = Constraint> + '_ {
        (0..self.len()).filter_map(|index| self.constraint(index))
    }

    /// The ORDER BY terms (or GROUP BY / DISTINCT ones, see [`Self::distinct`]).
    pub(crate) fn order_by(&self) -> impl Iterator<Item = OrderBy> + '_ {
        let info = self.get();
        // SAFETY: SQLite gives an array of this length.
        let raw = unsafe { slice(info.aOrderBy, info.nOrderBy) };
        raw.iter().map(|term| OrderBy { column: term.iColumn, desc: term.desc != 0 })
    }

    /// Whether the statement reads column `column` of this table.
    pub(crate) fn reads(&self, column: usize) -> bool {
        // The last bit stands for all columns from there on.
        self.get().colUsed >> column.min(63) & 1 != 0
    }

    /// Name of the collation that constraint `index` compares with.
    pub(crate) fn collation(&self, index: usize) -> &str {
        if index >= self.len() {
            return "BINARY";
        }
        // SAFETY: a valid info and index; the string is SQLite's own and outlives the callback.
        unsafe {
            let name = ffi::sqlite3_vtab_collation(self.raw, index as c_int);
            if name.is_null() { "BINARY" } else { CStr::from_ptr(name).to_str().unwrap_or("") }
        }
    }

    /// The right side of constraint `index`, if it is a literal or a bound value SQLite wants to show. A hint only:
    /// the plan must be right for other values too.
    pub(crate) fn rhs_value(&self, index: usize) -> Option<Value> {
        if index >= self.len() || sqlite_version() < 3_038_000 {
            return None;
        }
        let mut value = std::ptr::null_mut();
        // SAFETY: a valid info and index; the value belongs to SQLite until xBestIndex returns and is copied here.
        unsafe {
            let code = ffi::sqlite3_vtab_rhs_value(self.raw, index as c_int, &raw mut value);
            (code == ffi::SQLITE_OK && !value.is_null()).then(|| Value::from(value_ref(value)))
        }
    }

    /// Whether constraint `index` is an `IN` list that can be taken whole ([`Self::take_in`]).
    pub(crate) fn is_in(&self, index: usize) -> bool {
        self.vtab_in(index, -1)
    }

    /// Asks for the whole `IN` list of constraint `index` in one `filter` call; without this SQLite runs one scan per
    /// value. `false`: it is no such list.
    pub(crate) fn take_in(&mut self, index: usize) -> bool {
        self.vtab_in(index, 1)
    }

    fn vtab_in(&self, index: usize, handle: c_int) -> bool {
        if index >= self.len() || sqlite_version() < 3_038_000 {
            return false;
        }
        // SAFETY: a valid info and index.
        unsafe { ffi::sqlite3_vtab_in(self.raw, index as c_int, handle) != 0 }
    }

    /// What the order is for: 0 ORDER BY, 1 GROUP BY (any order, groups together), 2 DISTINCT (duplicates may go),
    /// 3 DISTINCT with ORDER BY. 0 before SQLite 3.38.
    pub(crate) fn distinct(&self) -> i32 {
        if sqlite_version() < 3_038_000 {
            return 0;
        }
        // SAFETY: a valid info.
        unsafe { ffi::sqlite3_vtab_distinct(self.raw) }
    }

    /// Passes the right side of constraint `index` to `filter` as argument `position` (0-based, without gaps).
    pub(crate) fn set_arg(&mut self, index: usize, position: usize) {
        if let Some(usage) = self.usage(index) {
            usage.argvIndex = c_int::try_from(position + 1).unwrap_or(0);
        }
    }

    /// Promises that constraint `index` is fully applied by the scan, so SQLite need not check it again.
    pub(crate) fn set_omit(&mut self, index: usize) {
        if let Some(usage) = self.usage(index) {
            usage.omit = 1;
        }
    }

    /// A number for `filter`.
    pub(crate) fn set_idx_num(&mut self, number: i32) {
        self.get_mut().idxNum = number;
    }

    /// A text for `filter`; EXPLAIN QUERY PLAN shows it. Must not hold a NUL.
    pub(crate) fn set_idx_str(&mut self, text: &str) -> Result<()> {
        if text.contains('\0') {
            return Err(Error::Value("a plan's text holds a NUL".into()));
        }
        let copy = alloc_text(text);
        if copy.is_null() {
            return super::host::check(ffi::SQLITE_NOMEM);
        }
        let info = self.get_mut();
        if info.needToFreeIdxStr != 0 {
            // SAFETY: set by this method before, with sqlite3_malloc.
            unsafe { ffi::sqlite3_free(info.idxStr.cast()) };
        }
        info.idxStr = copy;
        info.needToFreeIdxStr = 1;
        Ok(())
    }

    /// Promises that rows come in the order asked for.
    pub(crate) fn set_order_by_consumed(&mut self) {
        self.get_mut().orderByConsumed = 1;
    }

    /// Estimated cost of one scan, in about row reads.
    pub(crate) fn set_cost(&mut self, cost: f64) {
        self.get_mut().estimatedCost = cost;
    }

    /// Estimated number of rows of one scan.
    pub(crate) fn set_rows(&mut self, rows: i64) {
        self.get_mut().estimatedRows = rows;
    }

    /// Promises that the scan yields at most one row.
    pub(crate) fn set_unique(&mut self) {
        self.get_mut().idxFlags |= ffi::SQLITE_INDEX_SCAN_UNIQUE;
    }
}

/// # Safety
/// `start` must be null or point to `len` items that live for `'a`.
unsafe fn slice<'a, T>(start: *const T, len: c_int) -> &'a [T] {
    if start.is_null() || len <= 0 {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(start, len as usize) }
}

/// A NUL-terminated copy in SQLite's heap, cut at the first NUL inside; null when memory is short.
pub(super) fn alloc_text(text: &str) -> *mut std::ffi::c_char {
    let bytes = text.as_bytes();
    let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    // SAFETY: the block holds len + 1 bytes, all written before it is returned.
    unsafe {
        let copy = ffi::sqlite3_malloc64(len as u64 + 1).cast::<u8>();
        if !copy.is_null() {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy, len);
            *copy.add(len) = 0;
        }
        copy.cast()
    }
}

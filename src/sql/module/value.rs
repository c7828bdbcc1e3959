//! Values that come from SQLite ([`Args`]) and go to it ([`Output`]).
#![expect(unsafe_code)]

use super::host::{check, sqlite_version};
use super::peer::Peer;
use crate::error::{Error, Result};
use crate::value::Value;
use rusqlite::ffi;
use rusqlite::types::ValueRef;
use std::any::TypeId;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Arguments of `filter`, of a function, or the values of a row to write. Valid during the callback only.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(&'a [*mut ffi::sqlite3_value]);

impl<'a> Args<'a> {
    /// # Safety
    /// `argv` must hold `argc` valid protected values that stay valid for `'a`.
    pub(super) unsafe fn new(argc: c_int, argv: *mut *mut ffi::sqlite3_value) -> Self {
        if argc <= 0 || argv.is_null() {
            return Self(&[]);
        }
        // SAFETY: by the contract above.
        Self(unsafe { std::slice::from_raw_parts(argv, argc as usize) })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All but the first `n` values.
    pub(crate) fn skip(&self, n: usize) -> Self {
        Self(self.0.get(n..).unwrap_or_default())
    }

    fn raw(&self, index: usize) -> Option<*mut ffi::sqlite3_value> {
        self.0.get(index).copied()
    }

    /// Value `index`; NULL when there is none.
    pub(crate) fn value(&self, index: usize) -> ValueRef<'a> {
        // SAFETY: the values are valid for 'a.
        self.raw(index).map_or(ValueRef::Null, |raw| unsafe { value_ref(raw) })
    }

    /// In an UPDATE: whether column `index` was left alone and its value was not read
    /// (see [`Output::nochange`]).
    pub(crate) fn nochange(&self, index: usize) -> bool {
        // SAFETY: a valid value.
        self.raw(index).is_some_and(|raw| unsafe { ffi::sqlite3_value_nochange(raw) != 0 })
    }

    /// Subtype set by the function that made the value, 0 for none.
    pub(crate) fn subtype(&self, index: usize) -> u32 {
        // SAFETY: a valid value.
        self.raw(index).map_or(0, |raw| unsafe { ffi::sqlite3_value_subtype(raw) })
    }

    /// The `T` that [`Output::set_pointer`] put into the value under `name`.
    pub(crate) fn pointer<T: 'static>(&self, index: usize, name: &'static CStr) -> Option<&'a T> {
        let raw = self.raw(index)?;
        // SAFETY: only C code in this process can make a pointer value of this name, and by its contract
        // it is a `Tagged`. The first field tells whether it holds a `T`. It lives as long as the value.
        unsafe {
            let pointer = ffi::sqlite3_value_pointer(raw, name.as_ptr()).cast::<Tagged<T>>();
            if pointer.is_null() || (*pointer).kind != TypeId::of::<T>() {
                return None;
            }
            Some(&(*pointer).value)
        }
    }

    /// The pointer that was bound to the value under `name`; null where there is none.
    pub(super) fn raw_pointer(&self, index: usize, name: &'static CStr) -> *mut c_void {
        // SAFETY: a valid value.
        self.raw(index)
            .map_or(std::ptr::null_mut(), |raw| unsafe { ffi::sqlite3_value_pointer(raw, name.as_ptr()) })
    }

    /// All values of an `IN` list that [`super::IndexInfo::take_in`] took, during `filter` only.
    pub(crate) fn in_values(&self, index: usize) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        let Some(list) = self.raw(index) else { return Ok(values) };
        if sqlite_version() < 3_038_000 {
            return Err(Error::Unknown("IN lists need SQLite 3.38 or newer".into()));
        }
        let mut item = std::ptr::null_mut();
        // SAFETY: a value argument of xFilter; SQLite reports SQLITE_ERROR if it is not a list.
        let mut code = unsafe { ffi::sqlite3_vtab_in_first(list, &raw mut item) };
        while code == ffi::SQLITE_OK && !item.is_null() {
            // SAFETY: valid until the next call for this list; copied before that.
            values.push(Value::from(unsafe { value_ref(item) }));
            // SAFETY: as above.
            code = unsafe { ffi::sqlite3_vtab_in_next(list, &raw mut item) };
        }
        if code == ffi::SQLITE_DONE {
            return Ok(values);
        }
        check(code)?;
        Ok(values)
    }

    /// Value `index` as a rowid: an integer, or what SQLite would convert to one without loss.
    pub(super) fn rowid(&self, index: usize) -> Result<i64> {
        let Some(raw) = self.raw(index) else { return mismatch() };
        // SAFETY: a valid value; the call may turn numeric text into a number, as INTEGER affinity does.
        match unsafe { ffi::sqlite3_value_numeric_type(raw) } {
            // SAFETY: as above.
            ffi::SQLITE_INTEGER => Ok(unsafe { ffi::sqlite3_value_int64(raw) }),
            ffi::SQLITE_FLOAT => {
                // SAFETY: as above.
                let real = unsafe { ffi::sqlite3_value_double(raw) };
                Value::whole(real).map_or_else(mismatch, Ok)
            }
            _ => mismatch(),
        }
    }
}

fn mismatch<T>() -> Result<T> {
    let message = Some("datatype mismatch: a rowid is an integer".into());
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_MISMATCH), message).into())
}

/// # Safety
/// `raw` must be a valid protected value that is not changed or freed during `'a`.
pub(super) unsafe fn value_ref<'a>(raw: *mut ffi::sqlite3_value) -> ValueRef<'a> {
    // SAFETY: by the contract; sqlite3_value_bytes is asked after _text/_blob, as SQLite demands, and a
    // null pointer (empty value, or out of memory) is never made into a slice.
    unsafe {
        match ffi::sqlite3_value_type(raw) {
            ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(raw)),
            ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(raw)),
            ffi::SQLITE_TEXT => {
                let start = ffi::sqlite3_value_text(raw);
                ValueRef::Text(bytes(start, ffi::sqlite3_value_bytes(raw)))
            }
            ffi::SQLITE_BLOB => {
                let start = ffi::sqlite3_value_blob(raw).cast::<u8>();
                ValueRef::Blob(bytes(start, ffi::sqlite3_value_bytes(raw)))
            }
            _ => ValueRef::Null,
        }
    }
}

/// # Safety
/// `start` must be null or point to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const u8, len: c_int) -> &'a [u8] {
    if start.is_null() || len <= 0 {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(start, len as usize) }
}

/// A pointer value's content, with its type, so that equal names never confuse types.
#[repr(C)]
struct Tagged<T> {
    kind: TypeId,
    value: T,
}

/// Where one result goes: a column of the current row, or a function's value. The last setter wins; none means NULL.
pub(crate) struct Output<'a> {
    context: *mut ffi::sqlite3_context,
    callback: PhantomData<&'a mut ()>,
}

impl Output<'_> {
    /// # Safety
    /// `context` must be valid while the result lives.
    pub(super) unsafe fn new(context: *mut ffi::sqlite3_context) -> Self {
        Self { context, callback: PhantomData }
    }

    /// In `column`: whether an UPDATE reads this column only to hand it back unchanged. Set nothing then, and
    /// [`Args::nochange`] will say so.
    pub(crate) fn nochange(&self) -> bool {
        // SAFETY: a valid context.
        unsafe { ffi::sqlite3_vtab_nochange(self.context) != 0 }
    }

    /// The connection that runs the function. Not owned: dropping it leaves SQLite's handle open.
    pub(crate) fn connection(&self) -> Result<rusqlite::Connection> {
        // SAFETY: a valid context has an open handle, which outlives this call of the function.
        Ok(unsafe { rusqlite::Connection::from_handle(ffi::sqlite3_context_db_handle(self.context)) }?)
    }

    /// Which connection that is.
    pub(crate) fn caller(&self) -> Peer {
        // SAFETY: a valid context.
        Peer::at(unsafe { ffi::sqlite3_context_db_handle(self.context) })
    }

    /// NULL.
    pub(crate) fn set_null(&mut self) {
        // SAFETY: a valid context, here and in the other setters.
        unsafe { ffi::sqlite3_result_null(self.context) }
    }

    /// An integer.
    pub(crate) fn set_integer(&mut self, value: i64) {
        // SAFETY: see `set_null`.
        unsafe { ffi::sqlite3_result_int64(self.context, value) }
    }

    /// A float; NaN becomes NULL, as SQLite has it.
    pub(crate) fn set_real(&mut self, value: f64) {
        // SAFETY: see `set_null`.
        unsafe { ffi::sqlite3_result_double(self.context, value) }
    }

    /// Text, copied.
    pub(crate) fn set_text(&mut self, value: &str) {
        self.set_text_bytes(value.as_bytes());
    }

    fn set_text_bytes(&mut self, value: &[u8]) {
        // SAFETY: see `set_null`; SQLITE_TRANSIENT makes SQLite copy the bytes at once.
        unsafe {
            ffi::sqlite3_result_text64(
                self.context,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
                ffi::SQLITE_UTF8 as u8,
            );
        }
    }

    /// A blob, copied.
    pub(crate) fn set_blob(&mut self, value: &[u8]) {
        // An empty slice may dangle, never be null: SQLite would take null for NULL.
        // SAFETY: see `set_text_bytes`.
        unsafe {
            ffi::sqlite3_result_blob64(
                self.context,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
            );
        }
    }

    /// Any owned value, copied.
    pub(crate) fn set_value(&mut self, value: &Value) {
        match value {
            Value::Null => self.set_null(),
            Value::Integer(value) => self.set_integer(*value),
            Value::Real(value) => self.set_real(*value),
            Value::Text(value) => self.set_text(value),
            Value::Blob(value) => self.set_blob(value),
        }
    }

    /// Marks the result set before with a subtype (the low 8 bits count).
    pub(crate) fn set_subtype(&mut self, subtype: u32) {
        // SAFETY: see `set_null`.
        unsafe { ffi::sqlite3_result_subtype(self.context, subtype) }
    }

    /// A NULL that carries `value` to whoever asks for it by name and type ([`Args::pointer`]).
    pub(crate) fn set_pointer<T: 'static>(&mut self, value: T, name: &'static CStr) {
        let tagged = Box::into_raw(Box::new(Tagged { kind: TypeId::of::<T>(), value }));
        // SAFETY: SQLite owns the box from here and frees it once, through `drop_tagged`, also on failure.
        unsafe {
            ffi::sqlite3_result_pointer(self.context, tagged.cast(), name.as_ptr(), Some(drop_tagged::<T>));
        }
    }

    /// Makes the statement fail with `message` and `code`.
    pub(super) fn set_error(&mut self, code: c_int, message: &str) {
        // SAFETY: see `set_null`; the message is copied. The code is set last, or the message would reset it.
        unsafe {
            match code & 0xff {
                ffi::SQLITE_NOMEM => ffi::sqlite3_result_error_nomem(self.context),
                _ => {
                    let len = c_int::try_from(message.len()).unwrap_or(c_int::MAX);
                    ffi::sqlite3_result_error(self.context, message.as_ptr().cast(), len);
                    ffi::sqlite3_result_error_code(self.context, code);
                }
            }
        }
    }
}

unsafe extern "C" fn drop_tagged<T>(pointer: *mut c_void) {
    // SAFETY: SQLite passes back what `set_pointer` gave it, once.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(pointer.cast::<Tagged<T>>()) })));
}

/// The `f32`s in `bytes` in place; `None` where they are not aligned, or not in this machine's byte order.
pub(crate) fn f32_slice(bytes: &[u8]) -> Option<&[f32]> {
    if cfg!(target_endian = "big") {
        return None;
    }
    // SAFETY: any four bytes are an f32.
    let (before, middle, after) = unsafe { bytes.align_to::<f32>() };
    (before.is_empty() && after.is_empty()).then_some(middle)
}

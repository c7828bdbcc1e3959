//! What a thread of the library may know of the connections of its process, and where it may open one of its own.
#![expect(unsafe_code)]

use super::host::{Host, file};
use rusqlite::ffi;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int};

/// File systems that SQLite brings along, whose locks hold between two connections of a process.
const KNOWN_FILE_SYSTEMS: [&CStr; 3] = [c"unix", c"win32", c"win32-longpath"];

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has let the file go: its tables there end with its next statement.
    Gone,
    /// It is in no transaction.
    Nothing,
    /// It is in use at this moment.
    Something,
    /// It is in a transaction that has only read.
    Reading,
    /// It is in a transaction that has written.
    Writing,
    /// It was opened for the use of one thread, so nobody else may ask.
    Unknown,
}

/// A connection, seen from another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(*mut ffi::sqlite3);

// SAFETY: the pointer is only followed by `Peers::doing`.
unsafe impl Send for Peer {}

impl Peer {
    /// The connection at this address.
    pub(super) fn at(db: *mut ffi::sqlite3) -> Self {
        Self(db)
    }

    /// The connection of a table.
    pub(crate) fn of(host: &Host) -> Self {
        // SAFETY: the handle is open while a Host lives.
        Self(unsafe { host.connection().handle() })
    }

    /// What the connection, which had this file in these schemas, is doing. Never waits.
    ///
    /// # Safety
    /// The connection must be open, and stay open during the call.
    unsafe fn doing<'s>(self, name: &str, mut schemas: impl Iterator<Item = &'s CString>) -> Doing {
        // SAFETY: an open connection. Its mutex is null where it has none, and is held while its state is read.
        unsafe {
            let mutex = ffi::sqlite3_db_mutex(self.0);
            if mutex.is_null() {
                return Doing::Unknown;
            }
            if ffi::sqlite3_mutex_try(mutex) != ffi::SQLITE_OK {
                return Doing::Something;
            }
            let has_file = schemas.any(|schema| file(self.0, schema) == name);
            let state = ffi::sqlite3_txn_state(self.0, std::ptr::null());
            ffi::sqlite3_mutex_leave(mutex);
            match state {
                _ if !has_file => Doing::Gone,
                ffi::SQLITE_TXN_NONE => Doing::Nothing,
                ffi::SQLITE_TXN_READ => Doing::Reading,
                _ => Doing::Writing,
            }
        }
    }
}

/// Connections that are open, with how many tables of each schema, and what else is known of each. A table is taken off the list
/// before its connection is closed.
pub(crate) struct Peers<T>(HashMap<Peer, (HashMap<CString, usize>, T)>);

impl<T> Default for Peers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Default> Peers<T> {
    /// A table was opened. What is known of its connection.
    pub(crate) fn opened(&mut self, peer: Peer, schema: &CStr) -> &mut T {
        let (tables, known) = self.0.entry(peer).or_default();
        *tables.entry(schema.to_owned()).or_default() += 1;
        known
    }

    /// A table was closed. A connection leaves the list with its last one.
    pub(crate) fn closed(&mut self, peer: Peer, schema: &CStr) {
        let Some((tables, _)) = self.0.get_mut(&peer) else { return };
        if let Some(count) = tables.get_mut(schema) {
            *count -= 1;
            tables.retain(|_, count| *count > 0);
        }
        if tables.is_empty() {
            self.0.remove(&peer);
        }
    }

    /// Whether none is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each is doing, and whether it has this file.
    pub(crate) fn doing(&self, file: &str) -> impl Iterator<Item = (Doing, &T)> {
        self.0.iter().map(move |(peer, (tables, known))| {
            // SAFETY: what is listed is open; and it is not closed meanwhile, since the list is borrowed.
            (unsafe { peer.doing(file, tables.keys()) }, known)
        })
    }
}

/// Why no other thread may open the file of a schema through a connection of its own.
pub(crate) fn obstacle(host: &Host, schema: &str) -> Option<&'static str> {
    const NO_THREADS: &str = "this SQLite is not made, or not set, for use by several threads";
    // SAFETY: a function without preconditions.
    if unsafe { ffi::sqlite3_threadsafe() } == 0 || mutexes_are_empty() {
        return Some(NO_THREADS);
    }
    if host.file(schema).is_empty() {
        return Some("the table is not in a file");
    }
    let name = CString::new(schema).ok()?;
    // SAFETY: the handle is open while a Host lives; the name of its file lives as long as the file is attached, and is one
    // that URI parameters can be asked of. The file system is asked for by a pointer to a pointer, as the opcode demands.
    unsafe {
        let db = host.connection().handle();
        if ffi::sqlite3_db_readonly(db, name.as_ptr()) != 0 {
            return Some("the connection only reads the file");
        }
        let file = ffi::sqlite3_db_filename(db, name.as_ptr());
        if ffi::sqlite3_uri_boolean(file, c"immutable".as_ptr(), 0) != 0
            || ffi::sqlite3_uri_boolean(file, c"nolock".as_ptr(), 0) != 0
        {
            return Some("the file was opened without locks");
        }
        let mut vfs: *mut ffi::sqlite3_vfs = std::ptr::null_mut();
        let code = ffi::sqlite3_file_control(
            db,
            name.as_ptr(),
            ffi::SQLITE_FCNTL_VFS_POINTER,
            (&raw mut vfs).cast(),
        );
        let usual = ffi::sqlite3_vfs_find(std::ptr::null());
        let is_known = code == ffi::SQLITE_OK
            && !vfs.is_null()
            && vfs == usual
            && KNOWN_FILE_SYSTEMS.contains(&CStr::from_ptr((*vfs).zName));
        if !is_known {
            return Some("the file is behind a VFS that is not SQLite's own");
        }
    }
    None
}

/// Whether SQLite was set for a single thread (`SQLITE_CONFIG_SINGLETHREAD`): all its mutexes are then one place, number 8.
fn mutexes_are_empty() -> bool {
    const NO_MUTEX: usize = 8;
    const FAST: c_int = 0;
    // SAFETY: a mutex of our own, freed once; `free` of none does nothing.
    unsafe {
        let mutex = ffi::sqlite3_mutex_alloc(FAST);
        let is_empty = mutex as usize == NO_MUTEX;
        ffi::sqlite3_mutex_free(mutex);
        is_empty
    }
}

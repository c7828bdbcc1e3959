//! A tantivy `Directory` in memory that stops between two writes when it is asked to: tantivy writes a segment in one go,
//! but every few kilobytes of it come by here.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use tantivy::Directory;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, FileHandle, RamDirectory, TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};

/// Asked between two pieces of work, and may wait before it answers; false stops the work.
pub type GoOn = Arc<dyn Fn() -> bool + Send + Sync>;

/// Bytes of a piece: about 200 documents of 100 words, which tantivy merges in some 4 ms.
const PIECE: usize = 64 << 10;

/// A directory whose writers ask [`GoOn`].
#[derive(Clone)]
pub(super) struct PacedDirectory {
    files: RamDirectory,
    go_on: GoOn,
}

impl PacedDirectory {
    /// Writes to `files`.
    pub(super) fn new(files: RamDirectory, go_on: &GoOn) -> Self {
        Self { files, go_on: Arc::clone(go_on) }
    }
}

impl std::fmt::Debug for PacedDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PacedDirectory({:?})", self.files)
    }
}

struct PacedWriter {
    file: WritePtr,
    go_on: GoOn,
    /// Bytes since it was asked last.
    written: usize,
}

impl Write for PacedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written >= PIECE {
            self.written = 0;
            if !(self.go_on)() {
                // Not of the kind `Interrupted`, after which a writer tries again.
                return Err(io::Error::other("it was stopped"));
            }
        }
        let written = self.file.write(bytes)?;
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TerminatingWrite for PacedWriter {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.file.terminate_ref(token)
    }
}

impl Directory for PacedDirectory {
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let (file, go_on) = (self.files.open_write(path)?, Arc::clone(&self.go_on));
        Ok(BufWriter::new(Box::new(PacedWriter { file, go_on, written: 0 })))
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.files.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.files.atomic_write(path, bytes)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

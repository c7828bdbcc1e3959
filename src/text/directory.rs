//! A read-only tantivy `Directory` over payload bytes: what tantivy would find on disk, made up from a view.
//!
//! `meta.json` lists the segments in order, named by their position, and each segment's deleted ords become the alive
//! bitset file that tantivy expects. Nothing is ever written: locks, watching, deleting and syncing do nothing.

use super::payload::{FILES, TextPayload};
use super::{TextConfig, engine};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::footer::Footer;
use tantivy::directory::{DirectoryLock, FileHandle, Lock, OwnedBytes, WatchCallback, WatchHandle, WritePtr};
use tantivy::fastfield::write_alive_bitset;
use tantivy::{BitSet, Directory, IndexSettings};

/// Settings every index of ours shares: nothing is stored, so the document store needs no thread of its own.
pub(super) fn settings() -> IndexSettings {
    IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() }
}

#[derive(Clone)]
pub(super) struct ViewDirectory {
    files: Arc<HashMap<PathBuf, OwnedBytes>>,
}

impl std::fmt::Debug for ViewDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ViewDirectory({} files)", self.files.len())
    }
}

/// A segment as the directory shows it.
pub(super) struct Part<'a> {
    pub payload: &'a TextPayload,
    pub deleted: Option<&'a Bitmap>,
}

impl ViewDirectory {
    pub(super) fn new(config: &TextConfig, parts: &[Part<'_>]) -> Result<Self> {
        Self::with_first(config, parts, 0)
    }

    /// The same with segments named by consecutive numbers from `first` on.
    pub(super) fn with_first(config: &TextConfig, parts: &[Part<'_>], first: u128) -> Result<Self> {
        let mut files = HashMap::with_capacity(parts.len() * (FILES.len() + 1) + 1);
        let mut metas = Vec::with_capacity(parts.len());
        for (number, part) in parts.iter().enumerate() {
            if part.payload.fields() != config.fields.len() {
                return Err(Error::Text(format!(
                    "a segment has {} text columns where the table declares {}",
                    part.payload.fields(),
                    config.fields.len()
                )));
            }
            let id = format!("{:032x}", first + number as u128);
            for (at, extension) in FILES.iter().enumerate() {
                files.insert(PathBuf::from(format!("{id}.{extension}")), part.payload.file(at));
            }
            let docs = part.payload.docs();
            let dead =
                part.deleted.map_or(0, |set| set.iter().take_while(|ord| (*ord as usize) < docs).count());
            let deletes = match part.deleted {
                Some(deleted) if dead > 0 => {
                    let bytes = alive_file(docs as u32, deleted).map_err(engine)?;
                    files.insert(PathBuf::from(format!("{id}.1.del")), OwnedBytes::new(bytes));
                    serde_json::json!({ "num_deleted_docs": dead, "opstamp": 1 })
                }
                _ => serde_json::Value::Null,
            };
            metas.push(serde_json::json!({ "segment_id": id, "max_doc": docs, "deletes": deletes }));
        }
        let meta = serde_json::json!({
            "index_settings": settings(),
            "segments": metas,
            "schema": config.tantivy_schema(),
            "opstamp": 1,
        });
        let meta = serde_json::to_vec(&meta).map_err(engine)?;
        files.insert(PathBuf::from("meta.json"), OwnedBytes::new(meta));
        Ok(Self { files: Arc::new(files) })
    }
}

/// tantivy's `.del` file: the bits of the ords that are alive, and a footer.
fn alive_file(docs: u32, deleted: &Bitmap) -> io::Result<Vec<u8>> {
    let mut alive = BitSet::with_max_value_and_full(docs);
    for ord in deleted.iter().take_while(|ord| *ord < docs) {
        alive.remove(ord);
    }
    let mut body = Vec::with_capacity(docs as usize / 8 + 128);
    write_alive_bitset(&alive, &mut body)?;
    append_footer(&mut body)?;
    Ok(body)
}

/// Footer grammar of tantivy: JSON, its length as u32, the magic number 1337 as u32.
pub(super) fn append_footer(body: &mut Vec<u8>) -> io::Result<()> {
    let footer = Footer { version: tantivy::version().clone(), crc: crc32fast::hash(body) };
    let json = serde_json::to_vec(&footer)?;
    body.write_all(&json)?;
    body.write_all(&(json.len() as u32).to_le_bytes())?;
    body.write_all(&1337_u32.to_le_bytes())
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this directory is read-only")
}

impl Directory for ViewDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.files.get(path) {
            Some(bytes) => Ok(Arc::new(bytes.clone())),
            None => Err(OpenReadError::FileDoesNotExist(path.to_path_buf())),
        }
    }

    fn delete(&self, _: &Path) -> Result<(), DeleteError> {
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.files.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_path_buf()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(OpenReadError::FileDoesNotExist(path.to_path_buf())),
        }
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

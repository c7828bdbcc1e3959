//! An index as one file: written whole or not at all, and proved before it is used.
//!
//! ```text
//! file    := magic header spec zeros index vectors checksum
//! magic   := "nearlite ann 1\n\0"                                         16 bytes
//! header  := spec_bytes:u64 rows:u64 index_bytes:u64 vector_bytes:u64     vector_bytes is 0 where the vectors are elsewhere
//! spec    := JSON, padded with zeros so that `index` begins at a multiple of 64
//! index   := the payload of a vector index, see docs/format.md
//! vectors := f32, row by row
//! checksum := CRC-32 of all before, as u64
//! ```
//! All numbers are little-endian. Nothing is read before the lengths add up to that of the file, so a file takes no more memory
//! than it has bytes.

use super::{Index, Slim};
use crate::error::{Error, Result};
use crate::hnsw::VectorIndex;
use crate::memory;
use crate::schema::VectorSpec;
use crate::vector::aligned::{self, Block};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 16] = b"nearlite ann 1\n\0";
/// Bytes of magic and header.
const HEAD: usize = 16 + 4 * 8;
const LINE: usize = 64;
/// Most bytes of a spec.
const LONGEST_SPEC: u64 = 1 << 16;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

impl Index {
    /// Writes the index with its vectors into a file, in place of one that is there. Where it fails, nothing has changed.
    ///
    /// ```
    /// # use nearlite::{Metric, VectorSpec, ann::Index};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("points.ann");
    /// let index = Index::build(&VectorSpec::new(2, Metric::L2), vec![0.0, 0.0, 3.0, 4.0], 1)?;
    /// index.save(&path)?;
    /// assert_eq!(Index::load(&path)?.search(&[3.0, 3.0], 1, 64)?, index.search(&[3.0, 3.0], 1, 64)?);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), &self.spec, &self.index, &self.vectors)
    }

    /// Reads what [`save`](Self::save) wrote. It is read into memory as a whole.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read; [`Error::Value`] when it is none of an index, was written by
    /// [`Slim::save`], or is damaged: build the index again then. [`Error::OutOfMemory`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (Slim { spec, index }, vectors) = load(path, true)?;
        if vectors.len() != index.rows() * spec.dim {
            return Err(bad(path, "it holds no vectors; load it by Slim::load"));
        }
        aligned::gather_pages(&vectors);
        Ok(Self { spec, index, vectors })
    }
}

impl Slim {
    /// As [`Index::save`], without the vectors, which the caller keeps.
    ///
    /// # Errors
    /// Those of [`Index::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), &self.spec, &self.index, &[])
    }

    /// Reads what [`Slim::save`] or [`Index::save`] wrote; the vectors of the latter are checked and left out.
    ///
    /// # Errors
    /// Those of [`Index::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(load(path.as_ref(), false)?.0)
    }
}

fn bad(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Value(format!("{}: this is no sound index: {why}", path.display()))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File { path: path.clone(), source }
}

/// Where the index begins.
fn start_of_index(spec: usize) -> usize {
    (HEAD + spec).next_multiple_of(LINE)
}

fn save(path: &Path, spec: &VectorSpec, index: &VectorIndex, vectors: &[f32]) -> Result<()> {
    let described = serde_json::to_vec(spec).map_err(|error| bad(path, error))?;
    let numbers = [described.len(), index.rows(), index.encode().len(), size_of_val(vectors)];
    let mut head = MAGIC.to_vec();
    numbers.iter().for_each(|number| head.extend_from_slice(&(*number as u64).to_le_bytes()));
    head.extend_from_slice(&described);
    head.resize(start_of_index(described.len()), 0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = BufWriter::with_capacity(CHUNK, File::create(&beside)?);
        let mut checksum = crc32fast::Hasher::new();
        for bytes in [&head, index.encode(), aligned::as_bytes(vectors)] {
            checksum.update(bytes);
            file.write_all(bytes)?;
        }
        file.write_all(&u64::from(checksum.finalize()).to_le_bytes())?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Best effort: the error that is reported is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(failed(path))
}

/// A file that is read from its start to its end.
struct Source<'a> {
    file: BufReader<File>,
    path: &'a Path,
    checksum: crc32fast::Hasher,
}

impl Source<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        for chunk in bytes.chunks_mut(CHUNK) {
            self.file.read_exact(chunk).map_err(failed(self.path))?;
            self.checksum.update(chunk);
        }
        Ok(())
    }
}

/// The index in a file, and its vectors if they are wanted.
fn load(path: &Path, wanted: bool) -> Result<(Slim, Vec<f32>)> {
    let file = File::open(path).map_err(failed(path))?;
    let length = file.metadata().map_err(failed(path))?.len();
    let mut source =
        Source { file: BufReader::with_capacity(CHUNK, file), path, checksum: Default::default() };
    if length < (HEAD + 8) as u64 {
        return Err(bad(path, format_args!("it has {length} bytes")));
    }
    let mut head = [0; HEAD];
    source.fill(&mut head)?;
    if !head.starts_with(MAGIC) {
        return Err(bad(path, "it does not begin as one of this version"));
    }
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[16 + at * 8..][..8]);
        u64::from_le_bytes(bytes)
    };
    let (spec_bytes, rows, index_bytes, vector_bytes) = (number(0), number(1), number(2), number(3));
    if spec_bytes > LONGEST_SPEC {
        return Err(bad(path, "it is damaged in its header"));
    }
    let begin = start_of_index(spec_bytes as usize);
    let total = [begin as u64, index_bytes, vector_bytes, 8].into_iter().try_fold(0_u64, u64::checked_add);
    if total != Some(length) {
        return Err(bad(
            path,
            format_args!("it has {length} bytes, its header asks for others; it is cut or damaged"),
        ));
    }
    let mut described = vec![0; begin - HEAD];
    source.fill(&mut described)?;
    let spec: VectorSpec = serde_json::from_slice(&described[..spec_bytes as usize])
        .map_err(|error| bad(path, format_args!("it is damaged in its description: {error}")))?;
    spec.check().map_err(|why| bad(path, why))?;
    let full = rows.checked_mul(spec.dim as u64 * 4);
    if vector_bytes != 0 && Some(vector_bytes) != full || rows > u64::from(u32::MAX) {
        return Err(bad(
            path,
            format_args!("it is damaged in its header: {rows} rows have {vector_bytes} bytes of vectors"),
        ));
    }
    // Both lengths are parts of that of the file.
    let mut block = Block::try_zeroed(index_bytes as usize)?;
    source.fill(&mut block.bytes_mut()[..index_bytes as usize])?;
    let vectors = read_vectors(&mut source, vector_bytes as usize, wanted)?;
    let own = source.checksum.clone().finalize();
    let mut checksum = [0; 8];
    source.file.read_exact(&mut checksum).map_err(failed(path))?;
    if u64::from_le_bytes(checksum) != u64::from(own) {
        return Err(bad(path, "its checksum does not fit; it is damaged"));
    }
    let index = VectorIndex::decode_block(block, index_bytes as usize, &spec, rows as usize);
    let index = Arc::new(index.map_err(|why| bad(path, why))?);
    if index.len() != index.rows() || vectors.iter().any(|x| !x.is_finite()) {
        return Err(bad(path, "a vector of it is missing or not finite"));
    }
    Ok((Slim { spec, index }, vectors))
}

fn read_vectors(source: &mut Source<'_>, bytes: usize, wanted: bool) -> Result<Vec<f32>> {
    let mut vectors = Vec::new();
    if wanted {
        memory::grow(&mut vectors, bytes / 4)?;
    }
    let mut chunk = vec![0; CHUNK.min(bytes)];
    let mut left = bytes;
    while left > 0 {
        let part = &mut chunk[..CHUNK.min(left)];
        left -= part.len();
        source.fill(part)?;
        if wanted {
            vectors.extend(part.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
    }
    Ok(vectors)
}

//! The bytes of one segment's text index.
//!
//! ```text
//! payload = magic:"NLTX" edition:u8 zero:u8 fields:u16 docs:u32 length:u64 x 6 file x 6        (little-endian)
//! file    = one file of a tantivy segment with tantivy's own footer, in the order of FILES
//! edition = the rules that made the tokens, 1 to 3 (see `analyzer`)
//! ```
//! The lengths add up to the payload exactly. Without docs or without fields every length is 0. Checksums belong to the
//! storage layer; the decoder proves the lengths, so that slicing the files cannot go out of bounds.

use super::TextConfig;
use super::analyzer::Edition;
use std::ops::Range;
use tantivy::directory::OwnedBytes;

/// Extensions of a tantivy segment's files, in payload order.
pub(super) const FILES: [&str; 6] = ["term", "idx", "pos", "fieldnorm", "store", "fast"];

const MAGIC: &[u8; 4] = b"NLTX";
const HEADER: usize = 12 + 8 * FILES.len();

/// The text index of one segment, decoded: slices of one buffer.
pub struct TextPayload {
    bytes: OwnedBytes,
    files: [Range<usize>; FILES.len()],
    docs: u32,
    fields: u16,
    edition: Edition,
}

impl std::fmt::Debug for TextPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextPayload({} docs, {} fields, {} bytes)", self.docs, self.fields, self.bytes.len())
    }
}

pub(super) fn encode(edition: Edition, docs: u32, fields: u16, files: &[OwnedBytes; FILES.len()]) -> Vec<u8> {
    let total: usize = files.iter().map(|file| file.len()).sum();
    let mut out = Vec::with_capacity(HEADER + total);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[edition.number(), 0]);
    out.extend_from_slice(&fields.to_le_bytes());
    out.extend_from_slice(&docs.to_le_bytes());
    for file in files {
        out.extend_from_slice(&(file.len() as u64).to_le_bytes());
    }
    for file in files {
        out.extend_from_slice(file);
    }
    out
}

impl TextPayload {
    /// Checks the frame of `bytes` and takes them over.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the bytes.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, String> {
        let Some((header, body)) = bytes.split_at_checked(HEADER) else {
            return Err(format!("a text index has at least {HEADER} bytes, got {}", bytes.len()));
        };
        if &header[..4] != MAGIC {
            return Err("it does not begin like a text index".into());
        }
        let Some(edition) = Edition::from_number(header[4]).filter(|_| header[5] == 0) else {
            return Err(format!("text index version {} is none of 1, 2 and 3", header[4]));
        };
        let fields = u16::from_le_bytes([header[6], header[7]]);
        let docs = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let has_files = docs > 0 && fields > 0;
        let mut files = [const { 0..0 }; FILES.len()];
        let mut end = 0_usize;
        for (at, length) in header[12..].chunks_exact(8).enumerate() {
            let length = length.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
            let next = usize::try_from(length).ok().and_then(|length| end.checked_add(length));
            let Some(next) = next.filter(|next| *next <= body.len()) else {
                return Err(format!("file {} reaches past the end", FILES[at]));
            };
            if (next > end) != has_files {
                return Err(format!("file {} has {length} bytes for {docs} documents", FILES[at]));
            }
            files[at] = HEADER + end..HEADER + next;
            end = next;
        }
        if end != body.len() {
            return Err(format!("{} bytes follow the last file", body.len() - end));
        }
        if docs >= i32::MAX as u32 {
            return Err(format!("{docs} documents are more than a segment can hold"));
        }
        Ok(Self { bytes: OwnedBytes::new(bytes), files, docs, fields, edition })
    }

    /// Bytes at the start of a payload that [`Self::edition_in`] reads.
    pub const HEAD: usize = 6;

    /// The number of the rules that made a payload, from its first bytes; `None` where they are no text index.
    pub fn edition_in(head: &[u8]) -> Option<u8> {
        let (magic, rest) = head.split_at_checked(MAGIC.len())?;
        (magic == MAGIC).then(|| rest.first().copied())?
    }

    /// Whether today's rules made the index.
    pub fn is_current(&self, config: &TextConfig) -> bool {
        self.edition == config.edition()
    }

    pub(super) fn edition(&self) -> Edition {
        self.edition
    }

    /// Number of documents; their ords are `0..docs`.
    pub fn docs(&self) -> usize {
        self.docs as usize
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    pub(super) fn fields(&self) -> usize {
        usize::from(self.fields)
    }

    /// Whether there is a tantivy segment inside.
    pub(super) fn has_files(&self) -> bool {
        self.docs > 0 && self.fields > 0
    }

    pub(super) fn file(&self, at: usize) -> OwnedBytes {
        self.bytes.slice(self.files[at].clone())
    }
}

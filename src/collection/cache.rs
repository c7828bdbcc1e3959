//! Process-wide cache of decoded payloads and of stored vectors, keyed by the segment's random name, with a byte budget.
//!
//! Invariant: equal key means equal bytes, so an entry can be useless but never wrong, whatever was rolled back,
//! copied or attached meanwhile. Columns say by which layout they were read; by another one they are read again. Entries in
//! use live on through their `Arc` when they are evicted.

use super::layers::Layer;
use super::resident::Resident;
use crate::hnsw::VectorIndex;
use crate::storage::{PayloadKind, SegmentId};
use crate::text::TextPayload;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which part of a segment an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// A payload.
    Payload(PayloadKind),
    /// The stored vectors of the n-th vector column.
    Vectors(u32),
}

impl From<PayloadKind> for Part {
    fn from(kind: PayloadKind) -> Self {
        Self::Payload(kind)
    }
}

/// What is cached.
#[derive(Clone)]
pub enum Payload {
    /// Rowids and metadata.
    Columns(Arc<Layer>),
    /// Full-text index.
    Text(Arc<TextPayload>),
    /// Codes and graph.
    Vector(Arc<VectorIndex>),
    /// Stored vectors.
    Stored(Arc<Resident>),
}

impl Payload {
    fn bytes(&self) -> usize {
        match self {
            Self::Columns(layer) => layer.memory_bytes(),
            Self::Text(text) => text.memory_bytes(),
            Self::Vector(index) => index.memory_bytes(),
            Self::Stored(vectors) => vectors.memory_bytes(),
        }
    }
}

struct Entry {
    payload: Payload,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<(SegmentId, Part), Entry>,
    bytes: usize,
    clock: u64,
}

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// The cached payload, if it is there.
pub fn get(id: SegmentId, part: impl Into<Part>) -> Option<Payload> {
    let part = part.into();
    let mut cache = CACHE.lock();
    cache.clock += 1;
    let now = cache.clock;
    let entry = cache.entries.get_mut(&(id, part))?;
    entry.used = now;
    Some(entry.payload.clone())
}

/// Adds a payload and evicts the longest unused ones beyond `budget` bytes.
pub fn put(id: SegmentId, part: impl Into<Part>, payload: Payload, budget: usize) {
    let part = part.into();
    let mut cache = CACHE.lock();
    cache.clock += 1;
    let (bytes, used) = (payload.bytes(), cache.clock);
    if let Some(old) = cache.entries.insert((id, part), Entry { payload, bytes, used }) {
        cache.bytes -= old.bytes;
    }
    cache.bytes += bytes;
    while cache.bytes > budget && cache.entries.len() > 1 {
        let oldest = cache.entries.iter().filter(|(key, _)| **key != (id, part)).min_by_key(|(_, e)| e.used);
        let Some(key) = oldest.map(|(key, _)| *key) else { break };
        if let Some(entry) = cache.entries.remove(&key) {
            cache.bytes -= entry.bytes;
        }
    }
}

/// Bytes a cached payload takes, 0 when it is not there.
pub fn bytes(id: SegmentId, part: impl Into<Part>) -> usize {
    CACHE.lock().entries.get(&(id, part.into())).map_or(0, |entry| entry.bytes)
}

/// Whether there is room for `bytes` more without evicting anything.
pub fn has_room(bytes: usize, budget: usize) -> bool {
    CACHE.lock().bytes.saturating_add(bytes) <= budget
}

/// Forgets the stored vectors of a segment.
pub fn forget_vectors(id: SegmentId) {
    let mut cache = CACHE.lock();
    let cache = &mut *cache;
    cache.entries.retain(|(of, part), entry| {
        let gone = *of == id && matches!(part, Part::Vectors(_));
        if gone {
            cache.bytes -= entry.bytes;
        }
        !gone
    });
}

/// How often memory was released on demand: whoever holds payloads since before lets go of them.
static RELEASES: AtomicU64 = AtomicU64::new(0);

/// How often memory was released on demand.
pub fn releases() -> u64 {
    RELEASES.load(Ordering::Relaxed)
}

/// Forgets these segments, or everything. Returns the bytes that the cache held of them.
pub fn release(segments: Option<&HashSet<SegmentId>>) -> usize {
    let mut cache = CACHE.lock();
    let before = cache.bytes;
    let mut gone = Vec::new();
    let keys: Vec<_> = cache.entries.keys().copied().collect();
    for key in keys.into_iter().filter(|(of, _)| segments.is_none_or(|segments| segments.contains(of))) {
        if let Some(entry) = cache.entries.remove(&key) {
            cache.bytes -= entry.bytes;
            gone.push(entry);
        }
    }
    let released = before - cache.bytes;
    drop(cache);
    RELEASES.fetch_add(1, Ordering::Relaxed);
    // Large memory is given back without the lock.
    drop(gone);
    released
}

/// Forgets a segment that was dropped.
pub fn forget(id: SegmentId) {
    let mut cache = CACHE.lock();
    let gone: Vec<_> = cache.entries.keys().filter(|(of, _)| *of == id).copied().collect();
    for key in gone {
        if let Some(entry) = cache.entries.remove(&key) {
            cache.bytes -= entry.bytes;
        }
    }
}

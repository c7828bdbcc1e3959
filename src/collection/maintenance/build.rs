//! Builds the payloads of a segment on a thread that knows neither SQLite nor the table: everything it needs was read
//! before, and what it makes is written later by others.

use super::super::graphs::Graphs;
use super::super::layers::{Layer, SegmentColumns};
use super::super::permits::{self, Permits};
use super::gate::Gate;
use crate::bitmap::Bitmap;
use crate::columns::Columns;
use crate::crew::Crew;
use crate::error::{Error, Result};
use crate::hnsw::{Part, Rows, VectorIndex};
use crate::memory;
use crate::schema::{Schema, VectorSpec};
use crate::storage::PayloadKind;
use crate::text::{self, GoOn, TextConfig, TextPayload};
use crate::value::Value;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Texts that are tokenized in a batch.
const TEXTS_A_BATCH: usize = 128;

/// Below this share of living rows the old graph is not worth healing.
const HEAL_SHARE: f32 = 0.6;

/// Vectors of one column, row after row; some rows may have none.
pub struct Vectors {
    spec: VectorSpec,
    data: Vec<f32>,
    present: Vec<bool>,
}

impl Vectors {
    /// Room for as many rows.
    pub fn room(spec: &VectorSpec, rows: usize) -> Result<Self> {
        let data = memory::room(rows.saturating_mul(spec.dim))?;
        Ok(Self { spec: spec.clone(), data, present: Vec::with_capacity(rows) })
    }

    /// Adds a row.
    pub fn push(&mut self, vector: Option<&[f32]>) {
        match vector {
            Some(vector) => self.data.extend_from_slice(vector),
            None => self.data.resize(self.data.len() + self.spec.dim, 0.0),
        }
        self.present.push(vector.is_some());
    }

    /// Forgets all rows but the first ones.
    pub fn truncate(&mut self, rows: usize) {
        self.data.truncate(rows * self.spec.dim);
        self.present.truncate(rows);
    }
}

/// Texts of a row, one for each FULLTEXT column.
pub type Texts = Vec<Option<Cow<'static, str>>>;

/// Where columns and texts come from.
pub enum Source {
    /// Rows of the log.
    Rows {
        /// Metadata.
        metadata: Vec<Vec<Value>>,
        /// Texts.
        texts: Vec<Texts>,
    },
    /// Segments, the largest first.
    Segments {
        /// Columns and which rows go on.
        columns: Vec<(Arc<SegmentColumns>, Option<Bitmap>)>,
        /// The metadata of their living rows, where the columns alone cannot be merged.
        metadata: Option<Vec<Vec<Value>>>,
        /// Their text indexes, unless the texts are to be tokenized again.
        indexes: Option<Vec<Arc<TextPayload>>>,
        /// Otherwise the texts.
        texts: Vec<Texts>,
        /// Their vector indexes by column, then by input; `None` where the graph of the largest is not worth keeping.
        graphs: Option<Vec<Vec<Arc<VectorIndex>>>>,
    },
}

/// Everything that a segment is made of.
pub struct Ingredients {
    /// Declaration.
    pub schema: Schema,
    /// Rowids by ord.
    pub rowids: Vec<i64>,
    /// Each vector column.
    pub vectors: Vec<Vectors>,
    /// The rest.
    pub source: Source,
    /// The graphs that its vectors get.
    pub graphs: Graphs,
    /// How many threads the table allows; 0: no bound of its own.
    pub threads: usize,
}

/// A payload that was made.
pub enum Bytes {
    /// Bytes.
    Plain(Vec<u8>),
    /// A vector index, whose stored form is its form in memory.
    Index(Arc<VectorIndex>),
}

impl Bytes {
    /// The stored form.
    pub fn get(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Index(index) => index.encode(),
        }
    }
}

/// The payloads of a segment.
pub struct Built {
    /// Kind, content and CRC-32 of each, in the order of the directory.
    pub payloads: Vec<(PayloadKind, Bytes, u32)>,
    /// The columns once more, for the installation.
    pub columns: Arc<Layer>,
}

/// `waits` passes the gate; `pass` does the same, and reports how many rows are done and how many there are.
fn make(
    from: Ingredients,
    threads: usize,
    waits: &GoOn,
    pass: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Built> {
    let Ingredients { schema, rowids, vectors, source, graphs: new, threads: _ } = from;
    let layout = schema.layout();
    let types = layout.types();
    let config = TextConfig::of(&schema);
    let has_text = schema.full_texts().next().is_some();
    memory::check(rowids.len().saturating_mul((1 + types.len()) * 48))?;
    let mut go_on = || if pass(0, rowids.len()) { Ok(()) } else { Err(Error::Interrupted) };
    go_on()?;
    let (columns, text, graphs, maps) = match source {
        Source::Rows { metadata, texts } => {
            let columns = Columns::build(&types, &mut rowids.iter().copied().zip(metadata));
            let text = has_text.then(|| text::build(&config, &mut in_batches(texts, waits))).transpose()?;
            (columns, text, None, Vec::new())
        }
        Source::Segments { columns, metadata, indexes, texts, graphs } => {
            let pairs: Vec<_> = columns.iter().map(|(c, alive)| (c.as_ref(), alive.as_ref())).collect();
            let merged = match metadata {
                Some(metadata) => Columns::build(&types, &mut rowids.iter().copied().zip(metadata)),
                None => SegmentColumns::merge(&pairs, &types),
            };
            go_on()?;
            let text = match indexes {
                Some(indexes) if has_text => {
                    let sizes = indexes.iter().map(|text| text.memory_bytes());
                    // The engine writes the files in memory, then they are put together.
                    memory::check(sizes.fold(0, usize::saturating_add).saturating_mul(3))?;
                    let alive = columns.iter().map(|(_, alive)| alive.as_ref());
                    let pairs: Vec<_> = indexes.iter().map(Arc::as_ref).zip(alive).collect();
                    Some(text::merge_while(&config, &pairs, waits)?)
                }
                _ if has_text => Some(text::build(&config, &mut in_batches(texts, waits))?),
                _ => None,
            };
            let inputs = columns.iter().map(|(columns, alive)| (columns.whole().len(), alive.as_ref()));
            (merged, text, graphs, maps_of(inputs))
        }
    };
    let mut payloads = vec![(PayloadKind::Columns, Bytes::Plain(columns.encode(&layout)))];
    payloads.extend(text.map(|text| (PayloadKind::Text, Bytes::Plain(text))));
    for (at, vectors) in vectors.into_iter().enumerate() {
        let present = Bitmap::from_fn(vectors.present.len(), |ord| vectors.present[ord]);
        let missing = present.count() < present.len();
        let spec = new.of(&vectors.spec, rowids.len());
        let rows = Rows { dim: spec.dim, data: &vectors.data, present: missing.then_some(&present) };
        let mut progress = |done, total| pass(done, total);
        let graphs = graphs.as_ref().and_then(|columns| columns.get(at)).into_iter().flatten();
        let parts: Vec<Part<'_>> = graphs.zip(&maps).map(|(index, map)| Part { index, map }).collect();
        let index = VectorIndex::merge(&spec, &rows, (&parts, new.stay), threads, &mut progress)?;
        let kind = PayloadKind::Vector(u32::try_from(at).unwrap_or(u32::MAX));
        payloads.push((kind, Bytes::Index(Arc::new(index))));
    }
    let checked = payloads.into_iter().map(|(kind, bytes)| {
        let checksum = crc32fast::hash(bytes.get());
        (kind, bytes, checksum)
    });
    Ok(Built { payloads: checked.collect(), columns: Arc::new(Layer::whole(columns, layout)) })
}

/// The texts, up to where it is to stop.
fn in_batches(texts: Vec<Texts>, waits: &GoOn) -> impl Iterator<Item = Texts> {
    texts.into_iter().enumerate().map_while(|(at, texts)| {
        let goes_on = at % TEXTS_A_BATCH != TEXTS_A_BATCH - 1 || waits();
        goes_on.then_some(texts)
    })
}

/// Whether the graph of a segment is kept when this many of its rows live.
pub fn keeps_graph(live: usize, rows: usize) -> bool {
    live as f32 >= HEAL_SHARE * rows as f32
}

/// The new ord of each row of each input, where those of one follow those of the one before. An input is given by its rows and
/// which of them live.
pub fn maps_of<'a>(inputs: impl Iterator<Item = (usize, Option<&'a Bitmap>)>) -> Vec<Vec<Option<u32>>> {
    let mut next = 0_u32;
    let mut number = |lives: bool| {
        lives.then(|| {
            next += 1;
            next - 1
        })
    };
    inputs
        .map(|(rows, alive)| {
            let lives = |ord| alive.is_none_or(|alive| alive.contains(ord));
            (0..rows as u32).map(|ord| number(lives(ord))).collect()
        })
        .collect()
}

/// Builds of this process that run by themselves at this moment. Those that do a batch for each commit do not count: they may
/// stand for as long as nobody writes.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The process that they run in.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The builds that run in this process: a fork has those of its parent in its memory, and none of their threads.
fn running() -> &'static AtomicUsize {
    let process = std::process::id();
    let before = PROCESS.swap(process, Ordering::Relaxed);
    if before != 0 && before != process {
        RUNNING.store(0, Ordering::Relaxed);
        permits::forget();
    }
    &RUNNING
}

/// How many run at once; what the log becomes is made beyond that.
const AT_ONCE: usize = 2;

/// A build under way. It stops when this is dropped.
pub struct Build {
    gate: Arc<Gate<Result<Built>>>,
    /// Rows that are in the graph of the column at hand, and all.
    counts: Arc<(AtomicUsize, AtomicUsize)>,
    crew: Arc<Crew>,
    /// The most threads that it uses.
    most: usize,
    process: u32,
}

impl Build {
    /// Whether another one may be started now.
    pub fn has_room() -> bool {
        running().load(Ordering::Relaxed) < AT_ONCE
    }

    /// Starts a build, which runs by itself if `free`, otherwise when [`help`](Self::help) lets it.
    ///
    /// # Errors
    /// [`Error::Value`] when the system has no more threads.
    pub fn start(ingredients: Ingredients, free: bool) -> Result<Self> {
        let gate = Arc::new(Gate::new(free));
        let builder = Arc::clone(&gate);
        let allowed = if ingredients.threads == 0 { usize::MAX } else { ingredients.threads };
        let most = allowed.min(permits::total());
        // Before threads are taken: in the child of a fork it forgets those of the parent.
        let running = running();
        // One that runs beside the application leaves it half of the machine, but for threads that wait for it. One that does a
        // batch for each commit works while that commit waits, and keeps nobody from work while it stands.
        let permits = free.then(|| Permits::up_to(most.min(permits::total().div_ceil(2))));
        let crew = Arc::new(Crew::new(permits.as_ref().map_or(most, Permits::count)));
        let led = Arc::clone(&crew);
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(ingredients.rowids.len())));
        let shown = Arc::clone(&counts);
        let run = move || {
            let mut pass = |done, total| {
                shown.1.store(total, Ordering::Relaxed);
                shown.0.store(done, Ordering::Relaxed);
                builder.pass()
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let _held = (permits, led.lead());
                let gate = Arc::clone(&builder);
                let waits: GoOn = Arc::new(move || gate.pass());
                make(ingredients, most, &waits, &mut pass)
            }));
            if free {
                RUNNING.fetch_sub(1, Ordering::Relaxed);
            }
            builder.end(outcome.unwrap_or_else(|_| Err(Error::Value("a build panicked".into()))));
        };
        if free {
            running.fetch_add(1, Ordering::Relaxed);
        }
        let started = std::thread::Builder::new().name("nearlite".into()).spawn(run);
        if let Err(error) = started {
            if free {
                running.fetch_sub(1, Ordering::Relaxed);
            }
            return Err(Error::Value(format!("no thread for maintenance: {error}")));
        }
        Ok(Self { gate, counts, crew, most, process: std::process::id() })
    }

    /// Rows that are done, and all.
    pub fn progress(&self) -> (usize, usize) {
        let (done, total) = (&self.counts.0, &self.counts.1);
        let total = total.load(Ordering::Relaxed);
        (done.load(Ordering::Relaxed).min(total), total)
    }

    /// Lets the builder do one batch, unless it runs freely, and waits until it is done with it.
    pub fn help(&self) {
        if self.is_ours() {
            self.gate.let_through();
        }
    }

    /// Waits until it has ended, but no longer than this. Meanwhile it may use what this thread leaves idle.
    pub fn wait(&self, patience: Duration) {
        if self.is_ours() {
            let spare = self.most.saturating_sub(self.crew.size());
            let more = (spare > 0).then(|| Permits::up_to(spare));
            let _joined = more.as_ref().map(|more| self.crew.join(more.count()));
            self.gate.wait_for_end(patience);
        }
    }

    /// What was built; `None` while it is being built.
    pub fn take(&self) -> Option<Result<Built>> {
        self.gate.take()
    }

    /// Whether the thread that builds is one of this process: a fork does not have it.
    pub fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        self.gate.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn whoever_waits_for_a_build_lends_it_threads() {
        let (gate, counts) = (Arc::new(Gate::new(true)), Arc::default());
        let build =
            Build { gate, counts, crew: Arc::new(Crew::new(1)), most: 4, process: std::process::id() };
        let seen = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !seen.load(Ordering::Relaxed) {
                    build.wait(Duration::from_millis(1));
                }
            });
            while build.crew.size() == 1 {
                std::thread::yield_now();
            }
            seen.store(true, Ordering::Relaxed);
        });
        assert_eq!(build.crew.size(), 1);
    }
}

//! What is measured: the command line, the files of a data set, and the memory and time of this process.

use nearlite::{Metric, ann};
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The options that stand alone; every other one has a value.
const FLAGS: [&str; 1] = ["with-hnsw-rs"];
const VALUES: [&str; 14] = [
    "data",
    "set",
    "dim",
    "vectors",
    "codes",
    "metric",
    "threads-build",
    "m",
    "efc",
    "k",
    "efs",
    "queries",
    "passes",
    "ids",
];

/// `--name value` and `--flag`; the last one of a name counts.
pub struct Options(Vec<(String, String)>);

impl Options {
    pub fn from_args() -> Outcome<Self> {
        let mut found = Vec::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word} is no option"))?.to_string();
            if !FLAGS.contains(&name.as_str()) && !VALUES.contains(&name.as_str()) {
                return Err(format!("no option is called {word}").into());
            }
            let value = if FLAGS.contains(&name.as_str()) { Some(String::new()) } else { words.next() };
            found.push((name, value.ok_or_else(|| format!("{word} needs a value"))?));
        }
        Ok(Self(found))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|option| option.0 == name).map(|option| option.1.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    pub fn number(&self, name: &str, otherwise: usize) -> Outcome<usize> {
        self.text(name)
            .map_or(Ok(otherwise), |word| word.parse().map_err(|e| format!("--{name}: {e}").into()))
    }
}

/// The metric asked for.
pub fn metric(options: &Options) -> Outcome<Metric> {
    match options.text("metric").unwrap_or("cosine") {
        "cosine" => Ok(Metric::Cosine),
        "l2" => Ok(Metric::L2),
        "ip" => Ok(Metric::Ip),
        other => Err(format!("--metric is cosine, l2 or ip, not {other}").into()),
    }
}

/// A data set: rows in a file, queries and their true neighbours in memory, by the metric asked for. Where all have unit
/// length, every metric puts the rows in the same order.
pub struct Set {
    metric: Metric,
    pub name: String,
    pub dim: usize,
    pub queries: Vec<f32>,
    /// The true neighbours of each query, nearest first, equally many for each.
    truth: Vec<Vec<u32>>,
    base: PathBuf,
}

impl Set {
    pub fn open(options: &Options) -> Outcome<Self> {
        let folder = PathBuf::from(options.text("data").ok_or("--data is missing")?);
        let name = options.text("set").ok_or("--set is missing")?.to_string();
        let dim = options.number("dim", 0)?;
        if dim == 0 {
            return Err("--dim is missing".into());
        }
        let mut queries = floats(&folder.join(format!("{name}.query.f32")))?;
        let truth = bytes(&folder.join(format!("{name}.gt.i32")))?;
        let per_query = truth.len() / 4 / (queries.len() / dim).max(1);
        let truth =
            truth.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect::<Vec<u32>>();
        queries.truncate(options.number("queries", usize::MAX / dim)? * dim);
        let truth =
            truth.chunks_exact(per_query.max(1)).take(queries.len() / dim).map(<[u32]>::to_vec).collect();
        Ok(Self {
            metric: metric(options)?,
            base: folder.join(format!("{name}.base.f32")),
            name,
            dim,
            queries,
            truth,
        })
    }

    pub fn base(&self) -> Outcome<Vec<f32>> {
        floats(&self.base)
    }

    pub fn rows_file(&self) -> Outcome<RowsFile> {
        Ok(RowsFile { file: File::open(&self.base)? })
    }

    /// The share of `found`, `k` a query, that are as near as the `k`-th true neighbour: real data has many rows at one
    /// distance. A row counts once.
    pub fn recall(&self, found: &[u32], k: usize) -> Outcome<f64> {
        let file = self.rows_file()?;
        let mut row = vec![0.0; self.dim];
        let mut far = |query: &[f32], ord: u32| -> Outcome<f32> {
            file.read(ord, &mut row)?;
            Ok(ann::distance(self.metric, query, &row)?)
        };
        let mut right = 0;
        for ((query, truth), found) in
            self.queries.chunks_exact(self.dim).zip(&self.truth).zip(found.chunks(k))
        {
            let last = far(query, *truth.get(k - 1).ok_or("fewer true neighbours than k")?)?;
            let limit = last + 1e-6 * last.abs().max(1.0);
            for (at, ord) in found.iter().enumerate() {
                if *ord != u32::MAX && !found[..at].contains(ord) && far(query, *ord)? <= limit {
                    right += 1;
                }
            }
        }
        Ok(f64::from(right) / (self.truth.len() * k) as f64)
    }
}

/// The rows of a data set, read one at a time.
pub struct RowsFile {
    file: File,
}

impl RowsFile {
    pub fn read(&self, row: u32, to: &mut [f32]) -> std::io::Result<()> {
        thread_local!(static BYTES: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
        BYTES.with_borrow_mut(|bytes| {
            bytes.resize(to.len() * 4, 0);
            self.read_at(bytes, u64::from(row) * (to.len() * 4) as u64)?;
            for (to, from) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*from);
            }
            Ok(())
        })
    }

    #[cfg(unix)]
    fn read_at(&self, to: &mut [u8], at: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, to, at)
    }

    #[cfg(not(unix))]
    fn read_at(&self, to: &mut [u8], at: u64) -> std::io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        (&self.file).seek(SeekFrom::Start(at))?;
        (&self.file).read_exact(to)
    }
}

fn bytes(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn floats(path: &Path) -> Outcome<Vec<f32>> {
    Ok(bytes(path)?.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}

/// Memory and processor time as the kernel counts them; 0 where there is no `/proc`.
pub mod memory {
    fn status_mb(field: &str) -> f64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    pub fn resident_mb() -> f64 {
        status_mb("VmRSS:")
    }

    /// The most since the start or the last [`reset_peak`].
    pub fn peak_mb() -> f64 {
        status_mb("VmHWM:")
    }

    pub fn reset_peak() {
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }

    /// Seconds of processor time all threads of this process have used, to a hundredth.
    pub fn process_seconds() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name before the last bracket may hold spaces; user and system time are the 14th and 15th field of the line.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }

    /// Seconds of processor time this thread has used.
    pub fn thread_seconds() -> f64 {
        let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        spent.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
    }
}

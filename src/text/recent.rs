//! Texts of rows that are in no segment yet.
//!
//! To make a tantivy index of a few rows takes much longer than to tokenize them, and searches that come between commits want
//! one of new rows each time. So the words of rows are kept here as they are tokenized, in blocks, and a search whose
//! words are all known gets an index of these words alone, over all rows ([`RecentTexts::index_of`]). It has the postings that
//! tantivy would have written, or where no phrase needs places, lists of documents, and the lengths of all rows: scores do not
//! tell the difference. Searches for words that stand for others (prefixes, typing errors) get indexes of all words
//! ([`RecentTexts::indexes`]), of each complete block once.

use super::analyzer::Edition;
use super::directory::append_footer;
use super::found::{Found, Times};
use super::opened::{Lists, OpenedText, Small};
use super::payload::{TextPayload, encode};
use super::query_text::Words;
use super::writer::{build_by, without_files};
use super::{TextConfig, engine, guarded};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::memory;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tantivy::directory::{CompositeWrite, FileSlice, OwnedBytes};
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::FieldSerializer;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;

/// Rows of a block: the index of the last one is made again after every write.
const BLOCK: usize = 256;

/// What a term takes beside its text, and each of its occurrences.
const TERM_BYTES: usize = 64;
const TOKEN_BYTES: usize = 16;

/// Words of some rows, by ord. Clones share complete blocks.
#[derive(Clone, Default)]
pub struct RecentTexts {
    blocks: Vec<Arc<Block>>,
}

#[derive(Clone, Default)]
struct Block {
    rows: u32,
    fields: Vec<Lengths>,
    terms: HashMap<Box<str>, Postings>,
    /// Bytes that they take, roughly.
    bytes: usize,
    /// The index of all words, once the block is complete.
    whole: OnceLock<Arc<TextPayload>>,
}

/// Where a term stands: row after row, and in a row field after field, the row, the field, how many occurrences, and their
/// positions.
#[derive(Clone, Default)]
struct Postings {
    entries: Vec<u32>,
    /// Where the last entry begins.
    last: usize,
}

impl Postings {
    fn add(&mut self, row: u32, field: u32, position: u32) {
        if self.entries.get(self.last..self.last + 2) != Some(&[row, field]) {
            self.last = self.entries.len();
            self.entries.extend([row, field, 0]);
        }
        self.entries[self.last + 2] += 1;
        self.entries.push(position);
    }

    /// The rows that have the term in a field, and where.
    fn of(&self, field: u32) -> impl Iterator<Item = (u32, &[u32])> {
        let mut rest = self.entries.as_slice();
        let all = std::iter::from_fn(move || {
            let [row, field, count, more @ ..] = rest else { return None };
            let (positions, more) = more.split_at_checked(*count as usize)?;
            rest = more;
            Some((*row, *field, positions))
        });
        all.filter(move |(_, of, _)| *of == field).map(|(row, _, positions)| (row, positions))
    }
}

/// How many tokens the rows have in a field: all of them together, and each, also as tantivy rounds it.
#[derive(Clone, Default)]
struct Lengths {
    tokens: u64,
    counts: Vec<u32>,
    norms: Vec<u8>,
}

/// Turns texts into words.
pub struct TextReader {
    /// Of each field.
    analyzers: Vec<TextAnalyzer>,
}

impl TextReader {
    /// Reads by the rules of today.
    ///
    /// # Errors
    /// [`Error::Schema`] for a tokenizer that is none.
    pub fn new(config: &TextConfig) -> Result<Self> {
        let edition = config.edition();
        let of = |field| Ok(config.analysis(field, edition)?.analyzer());
        Ok(Self { analyzers: (0..config.fields.len()).map(of).collect::<Result<_>>()? })
    }
}

impl Block {
    fn push(&mut self, reader: &mut TextReader, texts: &[Option<Cow<'_, str>>]) {
        let row = self.rows;
        self.fields.resize_with(reader.analyzers.len(), Lengths::default);
        for (field, analyzer) in reader.analyzers.iter_mut().enumerate() {
            let mut count = 0_u32;
            if let Some(Some(text)) = texts.get(field) {
                let mut stream = analyzer.token_stream(text);
                while stream.advance() {
                    let token = stream.token();
                    count += 1;
                    let postings = match self.terms.get_mut(token.text.as_str()) {
                        Some(postings) => postings,
                        None => {
                            self.bytes += TERM_BYTES + token.text.len();
                            self.terms.entry(token.text.as_str().into()).or_default()
                        }
                    };
                    postings.add(row, field as u32, token.position as u32);
                }
            }
            let lengths = &mut self.fields[field];
            lengths.tokens += u64::from(count);
            self.bytes += count as usize * TOKEN_BYTES;
            lengths.counts.push(count);
            lengths.norms.push(FieldNormReader::fieldnorm_to_id(count));
        }
        self.rows += 1;
    }
}

impl RecentTexts {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.blocks.iter().map(|block| block.rows as usize).sum()
    }

    /// Bytes held in memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes).sum()
    }

    /// Adds a row, with one text for each field; a dead one has none.
    pub fn push(&mut self, reader: &mut TextReader, texts: &[Option<Cow<'_, str>>]) {
        if self.blocks.last().is_none_or(|block| block.rows as usize == BLOCK) {
            self.blocks.push(Arc::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            Arc::make_mut(block).push(reader, texts);
        }
    }

    /// The rows of a block of [`indexes`](Self::indexes).
    pub const BLOCK: usize = BLOCK;

    /// Drops the first rows, which are those of whole blocks.
    pub fn drop_front(&mut self, rows: usize) {
        self.blocks.drain(..(rows / BLOCK).min(self.blocks.len()));
    }

    /// An index of all rows for a query that asks for these words, in whatever field, and for no others.
    ///
    /// # Errors
    /// [`Error::Text`] when the engine fails, [`Error::OutOfMemory`] when there is no memory for it.
    pub fn index_of(&self, config: &TextConfig, words: &Words<'_>, dead: &[bool]) -> Result<OpenedText> {
        let blocks: Vec<&Block> = self.blocks.iter().map(Arc::as_ref).collect();
        let lists = if words.phrases { None } else { lists(config, &blocks, &words.words) };
        let payload = write(config, &blocks, if lists.is_some() { &[] } else { &words.words })?;
        let tokens = live_tokens(config.fields.len(), &blocks, dead);
        OpenedText::open_small(config, &payload, &dead_of(dead, 0, payload.docs()), Small { tokens, lists })
    }

    /// Indexes of all words, one for each [`BLOCK`](Self::BLOCK) rows.
    ///
    /// # Errors
    /// As [`index_of`](Self::index_of).
    pub fn indexes(&self, config: &TextConfig, dead: &[bool]) -> Result<Vec<Arc<OpenedText>>> {
        let mut all = Vec::with_capacity(self.blocks.len());
        for (at, block) in self.blocks.iter().enumerate() {
            let payload = match block.whole.get() {
                Some(known) => Arc::clone(known),
                None => {
                    let mut words: Vec<&str> = block.terms.keys().map(AsRef::as_ref).collect();
                    words.sort_unstable();
                    let payload = Arc::new(write(config, &[block], &words)?);
                    if block.rows as usize == BLOCK {
                        Arc::clone(block.whole.get_or_init(|| payload))
                    } else {
                        payload
                    }
                }
            };
            let dead = dead.get(at * BLOCK..).unwrap_or_default();
            let small = Small { tokens: live_tokens(config.fields.len(), &[block], dead), lists: None };
            let dead = dead_of(dead, 0, payload.docs());
            all.push(Arc::new(OpenedText::open_small(config, &payload, &dead, small)?));
        }
        Ok(all)
    }
}

fn dead_of(dead: &[bool], base: usize, rows: usize) -> Bitmap {
    Bitmap::from_fn(rows, |row| dead.get(base + row).copied().unwrap_or(true))
}

/// Tokens of the living rows of each field.
fn live_tokens(fields: usize, blocks: &[&Block], dead: &[bool]) -> Vec<u64> {
    let mut tokens = vec![0; fields];
    for (at, sum) in tokens.iter_mut().enumerate() {
        let lengths = || blocks.iter().filter_map(|block| block.fields.get(at));
        let counts = lengths().flat_map(|lengths| &lengths.counts).zip(dead);
        let gone: u64 = counts.filter(|(_, dead)| **dead).map(|(count, _)| u64::from(*count)).sum();
        *sum = lengths().map(|lengths| lengths.tokens).sum::<u64>() - gone;
    }
    tokens
}

/// The words of a query, without a dictionary: a dictionary of one word costs as much as the rest of a search. `None` where
/// a row has a word more often than a list can say.
fn lists(config: &TextConfig, blocks: &[&Block], words: &[&str]) -> Option<Lists> {
    let fields = config.fields.len();
    let mut lists = Lists { words: HashMap::with_capacity(words.len()) };
    for word in words {
        let mut of = Vec::with_capacity(fields);
        for field in 0..fields as u32 {
            let (mut rows, mut times, mut base) = (Vec::new(), Vec::new(), 0);
            for block in blocks {
                let postings = block.terms.get(*word);
                for (row, positions) in postings.iter().flat_map(|postings| postings.of(field)) {
                    rows.push(base + row);
                    times.push(Times { all: u16::try_from(positions.len()).ok()?, exact: 0 });
                }
                base += block.rows;
            }
            of.push(Arc::new(Found::Ranked(rows, times)));
        }
        lists.words.insert((*word).to_owned(), of);
    }
    Some(lists)
}

/// The index of the rows of `blocks`, one after the other, with the terms `terms`, which ascend.
fn write(config: &TextConfig, blocks: &[&Block], terms: &[&str]) -> Result<TextPayload> {
    let rows: usize = blocks.iter().map(|block| block.rows as usize).sum();
    let fields = config.fields.len();
    if rows == 0 || fields == 0 {
        let bytes = without_files(config, config.edition(), rows as u32);
        return TextPayload::decode(bytes).map_err(Error::Text);
    }
    // Larger than what is written in most cases; a bound would have to count the postings.
    memory::check_large(rows.saturating_mul(fields).saturating_add(terms.len().saturating_mul(64)))?;
    let bytes = guarded("indexing", || {
        let [dictionary, postings, positions] =
            if terms.is_empty() { no_terms(fields)? } else { inverted(fields, blocks, terms)? };
        let mut norms = Vec::new();
        let mut writer = CompositeWrite::wrap(&mut norms);
        for at in 0..fields {
            let of = norms_of(blocks, at);
            let out = writer.for_field(Field::from_field_id(at as u32));
            std::io::Write::write_all(out, &of).map_err(engine)?;
        }
        writer.close().map_err(engine)?;
        let [store, fast] = empty_files()?;
        // In the order of FILES.
        let files = [dictionary, postings, positions, finished(norms)?, store, fast];
        Ok(encode(config.edition(), rows as u32, fields as u16, &files))
    })?;
    TextPayload::decode(bytes).map_err(Error::Text)
}

/// The lengths of the rows in a field.
fn norms_of(blocks: &[&Block], field: usize) -> Vec<u8> {
    let lengths = blocks.iter().filter_map(|block| block.fields.get(field));
    lengths.flat_map(|lengths| lengths.norms.iter().copied()).collect()
}

/// A file with tantivy's footer.
fn finished(mut bytes: Vec<u8>) -> Result<OwnedBytes> {
    append_footer(&mut bytes).map_err(engine)?;
    Ok(OwnedBytes::new(bytes))
}

/// The dictionary of the terms `terms`, their postings and positions.
fn inverted(fields: usize, blocks: &[&Block], terms: &[&str]) -> Result<[OwnedBytes; 3]> {
    let (mut dictionary, mut postings, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    let mut dictionaries = CompositeWrite::wrap(&mut dictionary);
    let mut all_postings = CompositeWrite::wrap(&mut postings);
    let mut all_positions = CompositeWrite::wrap(&mut positions);
    let mut found: Vec<(u32, &[u32])> = Vec::new();
    let mut deltas = Vec::new();
    for at in 0..fields {
        let field = Field::from_field_id(at as u32);
        let lengths = blocks.iter().filter_map(|block| block.fields.get(at));
        let norms = FieldNormReader::open(FileSlice::from(norms_of(blocks, at))).map_err(engine)?;
        let mut serializer = FieldSerializer::create(
            IndexRecordOption::WithFreqsAndPositions,
            lengths.map(|lengths| lengths.tokens).sum(),
            dictionaries.for_field(field),
            all_postings.for_field(field),
            all_positions.for_field(field),
            Some(norms),
        )
        .map_err(engine)?;
        for term in terms {
            found.clear();
            let mut base = 0;
            for block in blocks {
                let postings = block.terms.get(*term);
                let of = postings.iter().flat_map(|postings| postings.of(at as u32));
                found.extend(of.map(|(row, positions)| (base + row, positions)));
                base += block.rows;
            }
            if found.is_empty() {
                continue;
            }
            serializer.new_term(term.as_bytes(), found.len() as u32, true).map_err(engine)?;
            for (row, positions) in &found {
                deltas.clear();
                let mut before = 0;
                for position in *positions {
                    deltas.push(position - before);
                    before = *position;
                }
                serializer.write_doc(*row, deltas.len() as u32, &deltas);
            }
            serializer.close_term().map_err(engine)?;
        }
        serializer.close().map_err(engine)?;
    }
    dictionaries.close().map_err(engine)?;
    all_postings.close().map_err(engine)?;
    all_positions.close().map_err(engine)?;
    Ok([finished(dictionary)?, finished(postings)?, finished(positions)?])
}

/// The same without terms: what a dictionary costs beside its terms is paid once.
fn no_terms(fields: usize) -> Result<[OwnedBytes; 3]> {
    static KNOWN: Mutex<Vec<(usize, [OwnedBytes; 3])>> = Mutex::new(Vec::new());
    if let Some((_, known)) = KNOWN.lock().iter().find(|(of, _)| *of == fields) {
        return Ok(known.clone());
    }
    let made = inverted(fields, &[], &[])?;
    let mut known = KNOWN.lock();
    if known.len() < 16 {
        known.push((fields, made.clone()));
    }
    Ok(made)
}

/// The files of tantivy that hold nothing of ours, `store` and `fast`.
fn empty_files() -> Result<[OwnedBytes; 2]> {
    static KNOWN: OnceLock<[OwnedBytes; 2]> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(known.clone());
    }
    let fields = vec![super::Field { name: String::new(), weight: 1.0, tokenizer: None }];
    let config = TextConfig { fields, tokenizer: None };
    let bytes = build_by(&config, Edition::Second, &mut std::iter::once(vec![None]))?;
    let payload = TextPayload::decode(bytes).map_err(Error::Text)?;
    Ok(KNOWN.get_or_init(|| [payload.file(4), payload.file(5)]).clone())
}

//! Writing a segment's text index: from documents, or from the indexes of older segments.
//!
//! Both run on the calling thread, wholly in memory, and end as payload bytes (see `payload`).

use super::analyzer::Edition;
use super::directory::{Part, ViewDirectory, settings};
use super::paced::{GoOn, PacedDirectory};
use super::payload::{FILES, TextPayload, encode};
use super::{TextConfig, engine, guarded, guarded_read, tokenizer_name};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::memory;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use tantivy::directory::{OwnedBytes, RamDirectory};
use tantivy::fastfield::{AliveBitSet, write_alive_bitset};
use tantivy::indexer::merge_filtered_segments;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{BitSet, Directory, Index, TantivyDocument};

/// Sizes tantivy's term table at the start; it grows. Small, because most segments are small.
const START_BUDGET: usize = 1 << 16;

/// What a writer takes for a few documents, in blocks of a MiB that it cannot do without.
const START_MEMORY: usize = 8 << 20;

/// Indexes documents, one `Option<&str>` per field; the ord of each is its position.
///
/// # Errors
/// [`Error::Value`] when a document has another number of fields, [`Error::Text`] when the engine fails.
pub fn build<'a>(
    config: &TextConfig,
    docs: &mut dyn Iterator<Item = Vec<Option<Cow<'a, str>>>>,
) -> Result<Vec<u8>> {
    build_by(config, config.edition(), docs)
}

/// The same by the rules that made `other`.
///
/// # Errors
/// As [`build`].
pub fn build_like<'a>(
    other: &TextPayload,
    config: &TextConfig,
    docs: &mut dyn Iterator<Item = Vec<Option<Cow<'a, str>>>>,
) -> Result<Vec<u8>> {
    build_by(config, other.edition(), docs)
}

/// The same by the rules of an edition.
pub(super) fn build_by<'a>(
    config: &TextConfig,
    edition: Edition,
    docs: &mut dyn Iterator<Item = Vec<Option<Cow<'a, str>>>>,
) -> Result<Vec<u8>> {
    let mut analyzers = Vec::new();
    for reading in config.readings() {
        analyzers.push((tokenizer_name(reading), config.analysis(reading, edition)?.analyzer()));
    }
    let mut docs = docs.peekable();
    guarded("indexing", || {
        if docs.peek().is_none() {
            return Ok(without_files(config, edition, 0));
        }
        memory::check(START_MEMORY)?;
        let tokenizers = TokenizerManager::new();
        for (name, analyzer) in analyzers {
            tokenizers.register(&name, analyzer);
        }
        let schema = config.tantivy_schema();
        let fields: Vec<_> = schema.fields().map(|(field, _)| field).collect();
        let directory = RamDirectory::create();
        let mut writer = Index::builder()
            .schema(schema)
            .settings(settings())
            .tokenizers(tokenizers)
            .single_segment_index_writer::<TantivyDocument>(directory.clone(), START_BUDGET)
            .map_err(engine)?;
        let mut count = 0_u32;
        for texts in docs {
            if texts.len() != fields.len() {
                return Err(Error::Value(format!("expected {} texts, got {}", fields.len(), texts.len())));
            }
            let mut document = TantivyDocument::default();
            for (field, text) in fields.iter().zip(&texts) {
                if let Some(text) = text {
                    document.add_text(*field, text);
                }
            }
            // Empty documents too: ords must stay dense.
            writer.add_document(document).map_err(engine)?;
            count += 1;
        }
        if fields.is_empty() {
            return Ok(without_files(config, edition, count));
        }
        let index = writer.finalize().map_err(engine)?;
        collect(config, edition, &index, &directory, count)
    })
}

/// Concatenates the live documents of `inputs`, all made by the same rules, in order, without tokenizing again: the new ord of a document is the
/// running number of live ones. A mask says which ords are alive; `None` means all.
/// Where documents fall out, tantivy estimates the tokens that are left from rounded field lengths: scores move by about
/// one in ten thousand against an index built from the live documents.
///
/// # Errors
/// [`Error::Corrupt`] when an input does not fit the table or the engine fails on its bytes, [`Error::Value`] when the
/// inputs have more documents than a segment can hold.
pub fn merge(config: &TextConfig, inputs: &[(&TextPayload, Option<&Bitmap>)]) -> Result<Vec<u8>> {
    merge_while(config, inputs, &(Arc::new(|| true) as GoOn))
}

/// The same in pieces, as long as `go_on` says so.
///
/// # Errors
/// As [`merge`], and [`Error::Corrupt`] when it was stopped.
pub fn merge_while(
    config: &TextConfig,
    inputs: &[(&TextPayload, Option<&Bitmap>)],
    go_on: &GoOn,
) -> Result<Vec<u8>> {
    guarded_read("merging", || {
        let mut parts = Vec::with_capacity(inputs.len());
        let mut alive_sets = Vec::with_capacity(inputs.len());
        let mut count = 0_u64;
        let edition = inputs.first().map_or(config.edition(), |(payload, _)| payload.edition());
        if inputs.iter().any(|(payload, _)| payload.edition() != edition) {
            return Err(Error::Text("the inputs were made by different rules".into()));
        }
        for (payload, alive) in inputs {
            let live = alive.map_or(payload.docs(), |alive| {
                alive.iter().take_while(|ord| (*ord as usize) < payload.docs()).count()
            });
            count += live as u64;
            if live == 0 || !payload.has_files() {
                continue;
            }
            parts.push(Part { payload, deleted: None });
            alive_sets.push(match alive {
                Some(alive) if live < payload.docs() => Some(alive_set(payload.docs() as u32, alive)?),
                _ => None,
            });
        }
        let count = u32::try_from(count)
            .ok()
            .filter(|count| *count < i32::MAX as u32)
            .ok_or_else(|| Error::Value(format!("{count} documents are more than a segment can hold")))?;
        if parts.is_empty() {
            return Ok(without_files(config, edition, count));
        }
        let source = Index::open(ViewDirectory::new(config, &parts)?).map_err(engine)?;
        let segments = source.searchable_segments().map_err(engine)?;
        let directory = RamDirectory::create();
        let paced = PacedDirectory::new(directory.clone(), go_on);
        let merged = merge_filtered_segments(&segments, settings(), alive_sets, paced).map_err(engine)?;
        collect(config, edition, &merged, &directory, count)
    })
}

fn alive_set(docs: u32, alive: &Bitmap) -> Result<AliveBitSet> {
    let mut set = BitSet::with_max_value(docs);
    for ord in alive.iter().take_while(|ord| *ord < docs) {
        set.insert(ord);
    }
    let mut bytes = Vec::new();
    write_alive_bitset(&set, &mut bytes).map_err(engine)?;
    Ok(AliveBitSet::open(OwnedBytes::new(bytes)))
}

pub(super) fn without_files(config: &TextConfig, edition: Edition, docs: u32) -> Vec<u8> {
    encode(edition, docs, config.fields.len() as u16, &std::array::from_fn(|_| OwnedBytes::empty()))
}

/// The files of the only segment of `index`, as a payload.
fn collect(
    config: &TextConfig,
    edition: Edition,
    index: &Index,
    directory: &RamDirectory,
    docs: u32,
) -> Result<Vec<u8>> {
    let metas = index.searchable_segment_metas().map_err(engine)?;
    let [meta] = metas.as_slice() else {
        return Err(Error::Text(format!("expected one segment, got {}", metas.len())));
    };
    if meta.max_doc() != docs {
        return Err(Error::Text(format!("expected {docs} documents, the engine wrote {}", meta.max_doc())));
    }
    let mut files: [OwnedBytes; FILES.len()] = std::array::from_fn(|_| OwnedBytes::empty());
    for (at, extension) in FILES.iter().enumerate() {
        let path = PathBuf::from(format!("{}.{extension}", meta.id().uuid_string()));
        files[at] = directory.open_read(&path).map_err(engine)?.read_bytes().map_err(engine)?;
    }
    Ok(encode(edition, docs, config.fields.len() as u16, &files))
}

//! Documents in chunks: the best chunk of each document, by meaning and by words. `cargo run --example chunks`
//!
//! The embedding is a toy that counts letters; a real one comes from a model.

use nearlite::{Database, Metric, Schema, col};
use serde::Serialize;

#[derive(Serialize)]
struct Chunk<'a> {
    id: String,
    document: &'a str,
    body: &'a str,
    embedding: Vec<f32>,
}

const DOCUMENTS: [(&str, &str); 3] = [
    ("birds", "Owls hunt at night.\n\nFalcons dive on their prey.\n\nMost birds sleep at night."),
    ("wolves", "Wolves hunt in packs.\n\nA pack has one territory."),
    ("plants", "Some plants open their flowers at night.\n\nMoths visit them."),
];

fn embed(text: &str) -> Vec<f32> {
    let mut letters = vec![0.0; 26];
    for letter in text.bytes().filter(u8::is_ascii_alphabetic) {
        letters[usize::from(letter.to_ascii_lowercase() - b'a')] += 1.0;
    }
    letters
}

fn main() -> nearlite::Result<()> {
    let db = Database::in_memory()?;
    let chunks = db.collection("chunks").create_if_missing(
        Schema::new()
            .key("id")
            .text("document")
            .full_text("body")
            .vector("embedding", 26, Metric::Cosine)
            .model("letters"),
    )?;
    for (document, text) in DOCUMENTS {
        let rows: Vec<Chunk> = text
            .split("\n\n")
            .enumerate()
            .map(|(n, body)| Chunk { id: format!("{document}#{n}"), document, body, embedding: embed(body) })
            .collect();
        // A document that comes again may have fewer chunks than before.
        chunks.delete_where(col("document").eq(document))?;
        chunks.insert(&rows)?;
    }

    let question = "hunting at night";
    let hits = chunks
        .search()
        .nearest("embedding", embed(question))
        .text("hunt OR night")
        .group_by("document", 1)
        .limit(3)
        .run()?;
    for hit in &hits {
        println!("{:<10} {}", hit.key().to_string(), hit.snippet("body", "[", "]", 8)?.unwrap_or_default());
    }
    Ok(())
}

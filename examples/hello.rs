//! A collection, three rows, one search by meaning and words under a filter: `cargo run --example hello`

use nearlite::{Database, Metric, Schema, col};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Animal {
    id: String,
    body: String,
    year: i64,
    embedding: Vec<f32>,
}

fn animal(id: &str, body: &str, year: i64, embedding: [f32; 3]) -> Animal {
    Animal { id: id.into(), body: body.into(), year, embedding: embedding.into() }
}

fn main() -> nearlite::Result<()> {
    // Or `Database::open("animals.db")`: all of it is in that one file.
    let db = Database::in_memory()?;
    let animals = db.collection("animals").create_if_missing(
        Schema::new().key("id").full_text("body").integer("year").vector("embedding", 3, Metric::Cosine),
    )?;
    animals.upsert(&[
        animal("owl", "a bird that hunts at night", 2019, [0.9, 0.1, 0.0]),
        animal("falcon", "a bird that hunts by day", 2023, [0.8, 0.3, 0.1]),
        animal("wolf", "hunts in packs at night", 2021, [0.1, 0.9, 0.2]),
    ])?;

    let hits = animals
        .search()
        .nearest("embedding", [1.0, 0.0, 0.0])
        .text("night")
        .filter(col("year").lt(2022))
        .limit(2)
        .run()?;
    for hit in &hits {
        println!("{}: rank {:?} by meaning, {:?} by words", hit.key(), hit.vector_rank, hit.text_rank);
    }
    let rows: Vec<Animal> = hits.rows()?;
    println!("{rows:?}");
    Ok(())
}

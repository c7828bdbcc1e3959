//! nearlite on a connection of tokio-rusqlite: one `register` inside `call`.

use nearlite::{Collection, col, rusqlite};

#[derive(serde::Serialize)]
struct Note {
    id: String,
    body: String,
    year: i64,
    embedding: Vec<f32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = tokio_rusqlite::Connection::open_in_memory().await?;
    let found = db
        .call(|conn: &mut rusqlite::Connection| -> nearlite::Result<Vec<String>> {
            nearlite::register(conn)?;
            conn.execute_batch(
                "CREATE VIRTUAL TABLE notes USING nearlite(
                   id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, embedding VECTOR(3))",
            )?;
            let tx = conn.transaction()?;
            let notes = Collection::on(&tx, "notes")?;
            for (id, body, year, embedding) in [
                ("owl", "a bird that hunts at night", 2019, [0.9, 0.1, 0.0]),
                ("falcon", "a bird that hunts by day", 2023, [0.8, 0.3, 0.1]),
                ("wolf", "hunts in packs at night", 2021, [0.1, 0.9, 0.2]),
            ] {
                notes.insert(&Note {
                    id: id.into(),
                    body: body.into(),
                    year,
                    embedding: embedding.to_vec(),
                })?;
            }
            tx.commit()?;
            let notes = Collection::on(conn, "notes")?;
            let hits = notes
                .search()
                .nearest("embedding", &[1.0, 0.0, 0.0])
                .filter(col("year").ge(2020))
                .limit(2)
                .run()?;
            Ok(hits.keys().iter().map(ToString::to_string).collect())
        })
        .await?;
    assert_eq!(found, ["falcon", "wolf"]);
    println!("tokio-rusqlite: {}, SQLite {}", found.join(", "), rusqlite::version());
    Ok(())
}

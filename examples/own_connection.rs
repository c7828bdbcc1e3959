//! nearlite in a program that has a rusqlite connection already: rows and the program's own tables change in one transaction.
//! `cargo run --example own_connection`

use nearlite::rusqlite::{Connection, params};
use nearlite::{Collection, register};

#[derive(serde::Serialize)]
struct Note<'a> {
    id: &'a str,
    body: &'a str,
    embedding: [f32; 2],
}

fn main() -> nearlite::Result<()> {
    let mut conn = Connection::open_in_memory()?;
    register(&conn)?;
    conn.execute_batch(
        "CREATE TABLE authors(note TEXT, name TEXT);
         CREATE VIRTUAL TABLE notes USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, embedding VECTOR(2));",
    )?;

    // Committed together, or not at all.
    let tx = conn.transaction()?;
    let notes = Collection::on(&tx, "notes")?;
    for (note, author) in [
        (Note { id: "engines", body: "notes on the analytical engine", embedding: [1.0, 0.2] }, "Ada"),
        (Note { id: "compilers", body: "the education of a computer", embedding: [0.1, 1.0] }, "Grace"),
    ] {
        notes.insert(&note)?;
        tx.execute("INSERT INTO authors VALUES(?, ?)", params![note.id, author])?;
    }
    tx.commit()?;

    // A search is a table, which joins with any other.
    let (author, distance): (String, f64) = conn.query_row(
        "SELECT name, distance FROM notes JOIN authors ON note = id WHERE embedding MATCH ? ORDER BY distance LIMIT 1",
        ["[1, 0]"],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    println!("nearest: {author}, at distance {distance:.3}");
    Ok(())
}

//! nearlite in sqlx, both ways: compiled in, through the handle of each connection, and loaded from the file of the extension.

use nearlite::rusqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::str::FromStr;

/// Registers nearlite on a connection of sqlx. Both crates call the same SQLite: a program has one libsqlite3-sys.
async fn register(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut handle = conn.lock_handle().await?;
    // SAFETY: the handle is open and locked during the call; a connection made from it does not close it.
    let conn = unsafe { rusqlite::Connection::from_handle(handle.as_raw_handle().as_ptr().cast()) };
    conn.map_err(|error| sqlx::Error::Configuration(Box::new(error))).and_then(|conn| {
        nearlite::register(&conn).map_err(|error| sqlx::Error::Configuration(Box::new(error)))
    })
}

async fn nearest(pool: &SqlitePool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query("CREATE VIRTUAL TABLE notes USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, embedding VECTOR(2))")
        .execute(pool)
        .await?;
    let mut tx = pool.begin().await?;
    for (id, vector) in [("owl", [0.9_f32, 0.1]), ("wolf", [0.1, 0.9]), ("falcon", [0.8, 0.3])] {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        sqlx::query("INSERT INTO notes(id, embedding) VALUES(?, ?)")
            .bind(id)
            .bind(bytes)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    let rows = sqlx::query("SELECT id FROM notes WHERE embedding MATCH '[1, 0]' ORDER BY distance LIMIT 2")
        .fetch_all(pool)
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let memory = || SqliteConnectOptions::from_str("sqlite::memory:");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .after_connect(|conn, _| Box::pin(register(conn)))
        .connect_with(memory()?)
        .await?;
    let found = nearest(&pool).await?;
    assert_eq!(found, ["owl", "falcon"]);
    println!("sqlx, compiled in: {}, SQLite {}", found.join(", "), rusqlite::version());

    if let Ok(file) = std::env::var("NEARLITE_EXTENSION") {
        // SAFETY: the file is the extension that belongs to this version of nearlite.
        let options = unsafe { memory()?.extension(file) };
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let found = nearest(&pool).await?;
        assert_eq!(found, ["owl", "falcon"]);
        println!("sqlx, the extension's file: {}", found.join(", "));
    }
    Ok(())
}

//! nearlite in diesel: an automatic extension, which SQLite calls for each connection that the program opens.

use diesel::prelude::*;
use diesel::sql_types::Text;
use nearlite::rusqlite::{Connection as Raw, ffi};
use std::ffi::{c_char, c_int};

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    id: String,
}

unsafe extern "C" fn with_nearlite(
    db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite passes an open connection; one made from it does not close it.
    let registered = unsafe { Raw::from_handle(db) }.map(|conn| nearlite::register(&conn));
    if matches!(registered, Ok(Ok(()))) { ffi::SQLITE_OK } else { ffi::SQLITE_ERROR }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: an entry point of the form that SQLite documents. Its result and its last argument are declared loosely there.
    let code = unsafe { ffi::sqlite3_auto_extension(Some(with_nearlite)) };
    assert_eq!(code, ffi::SQLITE_OK);

    let mut conn = SqliteConnection::establish(":memory:")?;
    diesel::sql_query("CREATE VIRTUAL TABLE notes USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, embedding VECTOR(2))")
        .execute(&mut conn)?;
    for (id, vector) in [("owl", "[0.9, 0.1]"), ("wolf", "[0.1, 0.9]"), ("falcon", "[0.8, 0.3]")] {
        diesel::sql_query("INSERT INTO notes(id, embedding) VALUES(?, ?)")
            .bind::<Text, _>(id)
            .bind::<Text, _>(vector)
            .execute(&mut conn)?;
    }
    let found: Vec<Found> =
        diesel::sql_query("SELECT id FROM notes WHERE embedding MATCH '[1, 0]' ORDER BY distance LIMIT 2")
            .load(&mut conn)?;
    let found: Vec<&str> = found.iter().map(|row| &*row.id).collect();
    assert_eq!(found, ["owl", "falcon"]);
    println!("diesel: {}", found.join(", "));
    Ok(())
}

//! Any text as the arguments of `CREATE VIRTUAL TABLE`: refused, or a table that works, that is the same after it was
//! renamed and opened again, and that leaves nothing behind.
//!
//! Input: the text between the brackets.

use super::common::{self, rows};
use super::outcome::honest;
use nearlite::rusqlite::Connection;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let conn = common::open_memory();
    // One statement: what follows a bracket in the text is not run.
    let create = format!("CREATE VIRTUAL TABLE docs USING nearlite({text})");
    let Ok(mut statement) = honest(conn.prepare(&create)) else { return };
    let created = honest(statement.raw_execute());
    drop(statement);
    if created.is_err() {
        assert_eq!(tables(&conn), 0, "a refused table leaves others behind");
        return;
    }
    let columns = columns(&conn, "docs");
    use_table(&conn, "docs");
    // Makes the connection read the schema, and so the declaration, anew.
    conn.execute_batch("PRAGMA writable_schema = RESET; ALTER TABLE docs RENAME TO \"other name\"").unwrap();
    assert_eq!(self::columns(&conn, "other name").len(), columns.len());
    use_table(&conn, "other name");
    conn.execute_batch("DROP TABLE \"other name\"").unwrap();
    assert_eq!(tables(&conn), 0, "a dropped table leaves others behind");
}

fn tables(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap()
}

fn columns(conn: &Connection, table: &str) -> Vec<String> {
    rows(conn, "SELECT name FROM pragma_table_info(?1)", [table], |r| r.get(0)).unwrap()
}

/// A row of NULLs, a search of each column, and the table's own check.
fn use_table(conn: &Connection, table: &str) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let name = quoted(table);
    let _ = honest(conn.execute(&format!("INSERT INTO {name} DEFAULT VALUES"), []));
    let count = |sql: String| honest(rows(conn, &sql, [], |_| Ok(()))).map(|rows| rows.len());
    let all = count(format!("SELECT * FROM {name}")).unwrap();
    for column in columns(conn, table).iter().take(40) {
        let column = quoted(column);
        let null = count(format!("SELECT 1 FROM {name} WHERE {column} IS NULL")).unwrap();
        let value = count(format!("SELECT 1 FROM {name} WHERE {column} IS NOT NULL")).unwrap();
        assert_eq!(null + value, all, "{column}");
        let _ = count(format!("SELECT 1 FROM {name} WHERE {column} MATCH 'a'"));
        let _ = count(format!("SELECT 1 FROM {name} WHERE {column} MATCH '[1]'"));
        let _ = count(format!("SELECT 1 FROM {name} WHERE {column} = 'a' OR {column} > 1"));
    }
    conn.execute_batch(&format!("INSERT INTO {name}({name}) VALUES('integrity-check')")).unwrap();
}

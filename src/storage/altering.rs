//! A change of the columns of a table: its declaration and the columns of `t_rows`.

use super::Storage;
use super::run::run;
use crate::error::{Error, Result};
use crate::schema::{Alteration, Column, ColumnKind, Schema, literal, quoted};
use crate::value;
use rusqlite::Connection;
use rusqlite::types::Value;

impl Storage {
    /// Makes of a table declared as `before` one declared as `after`, which `change` has made of it.
    ///
    /// The declaration comes first: SQLite may connect the table again while it alters `t_rows`. Every change alters some
    /// shadow table, since that makes the other connections read the declaration again.
    pub fn alter(
        &self,
        conn: &Connection,
        before: &Schema,
        change: &Alteration,
        after: &Schema,
    ) -> Result<()> {
        let json = serde_json::to_string(after).map_err(|error| Error::Schema(error.to_string()))?;
        self.upgrade_format(conn)?;
        self.set_config(conn, "schema", &Value::Text(json))?;
        self.renew_nonce(conn)?;
        let rows = format!("ALTER TABLE {}", self.name("rows"));
        let sql = match change {
            Alteration::Add(column, fill) => {
                let fill =
                    fill.as_ref().map_or(String::new(), |value| format!(" DEFAULT {}", literal(value)));
                format!("{rows} ADD COLUMN {}{fill}", quoted(&column.name))
            }
            Alteration::Drop(name) => format!("{rows} DROP COLUMN {}", quoted(name)),
            Alteration::Rename(from, to) => match before.find(from) {
                Some((at, _)) if before.is_stored(at) => {
                    format!("{rows} RENAME COLUMN {} TO {}", quoted(from), quoted(to))
                }
                _ => format!("ALTER TABLE {} RENAME COLUMN value TO value", self.name("config")),
            },
        };
        run(conn, &sql, [])?;
        if let Alteration::Add(
            Column { name, kind: ColumnKind::Unindexed, .. },
            Some(fill @ value::Value::Real(real)),
        ) = change
            && real.fract() == 0.0
        {
            // As a DEFAULT it would be an INTEGER to SQLite before 3.41.
            run(conn, &format!("UPDATE {} SET {} = ?1", self.name("rows"), quoted(name)), [fill])?;
        }
        Ok(())
    }
}

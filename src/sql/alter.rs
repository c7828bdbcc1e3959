//! `nearlite_alter('t', 'ADD COLUMN ...')` and the command `alter`: what an alteration says.

use super::columns::command_sql;
use super::ddl;
use super::info;
use super::module::Args;
use super::table_name::identifier;
use super::table_state::TableState;
use crate::collection::{self, Journal};
use crate::error::{Error, Result};
use crate::schema::Alteration;
use crate::value::Value;
use rusqlite::Connection;

/// What the columns of `table` are to become.
///
/// # Errors
/// [`Error::Schema`] that shows what can be said.
pub fn parse(table: &str, text: &str) -> Result<Alteration> {
    let text = text.trim().trim_end_matches(';').trim_end();
    let (verb, rest) = word(text);
    let rest = match word(rest) {
        (column, rest) if column.eq_ignore_ascii_case("COLUMN") && !rest.trim().is_empty() => rest,
        _ => rest,
    };
    let done = |rest: &str| rest.trim().is_empty();
    match verb.to_ascii_uppercase().as_str() {
        "ADD" => {
            let mut column = ddl::parse_column(table, rest)?;
            // Where NULL is allowed, only the rows that are there get it.
            let fill = if column.not_null { column.default.clone() } else { column.default.take() };
            return Ok(Alteration::Add(column, fill));
        }
        "DROP" => {
            if let Some((name, after)) = identifier(rest.trim_start())
                && done(after)
            {
                return Ok(Alteration::Drop(name));
            }
        }
        "RENAME" => {
            if let Some((from, after)) = identifier(rest.trim_start())
                && let (to, after) = word(after)
                && to.eq_ignore_ascii_case("TO")
                && let Some((to, after)) = identifier(after.trim_start())
                && done(after)
            {
                return Ok(Alteration::Rename(from, to));
            }
        }
        _ => {}
    }
    Err(Error::Schema(format!(
        "{table}: {text:?} is not understood; write 'ADD COLUMN name type', 'DROP COLUMN name' or 'RENAME COLUMN name TO name'"
    )))
}

/// The word at the start of `text`, and what follows.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()))
}

/// The command.
///
/// # Errors
/// Those of [`parse`] and of the change, and [`Error::Value`] while a statement reads the table: it would read on with
/// columns that are not there any more.
pub fn run(shared: &TableState, text: &str) -> Result<()> {
    let table = shared.table();
    let change = parse(table, text)?;
    if shared.open_cursors() > 0 {
        return Err(Error::Value(format!(
            "{table} cannot be altered while a statement reads it; finish or reset that statement first"
        )));
    }
    shared.conn().flush_prepared_statement_cache();
    shared.atomically(|| collection::alter(shared.on(), &change))
}

/// `nearlite_alter(table, text)`: returns the arguments that declare the table now.
pub fn alter(conn: &Connection, args: &Args<'_>) -> Result<String> {
    let text = |at| Value::from(args.value(at)).as_text().map(str::to_owned);
    let (Some(name), Some(change)) = (text(0), text(1)) else {
        return Err(Error::Value(
            "nearlite_alter takes the name of a table and what to change, as texts".into(),
        ));
    };
    let collection = info::open(conn, &name)?;
    let mut statement = conn.prepare(&command_sql(&collection))?;
    let mut rows = statement.query(("alter", change))?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(ddl::write(&info::open(conn, &name)?.schema))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ColumnKind, ColumnType};

    #[test]
    fn alterations_are_read_as_in_sql() {
        let drop = |name: &str| Alteration::Drop(name.into());
        let rename = |from: &str, to: &str| Alteration::Rename(from.into(), to.into());
        for (text, expected) in [
            ("DROP COLUMN year", drop("year")),
            (" drop  year ; ", drop("year")),
            ("DROP COLUMN \"a \"\"b\"", drop("a \"b")),
            ("DROP [a b]", drop("a b")),
            ("DROP column", drop("column")),
            ("RENAME COLUMN a TO b", rename("a", "b")),
            ("rename `a to`\nto 'b'", rename("a to", "b")),
            ("RENAME to TO [TO]", rename("to", "TO")),
        ] {
            assert_eq!(parse("docs", text).unwrap(), expected, "{text}");
        }
        let Alteration::Add(column, fill) = parse("docs", "ADD COLUMN [a b] INT DEFAULT 5").unwrap() else {
            panic!("not an addition")
        };
        assert_eq!((column.name.as_str(), column.default, fill), ("a b", None, Some(5.into())));
        let Alteration::Add(column, fill) = parse("docs", "add a text not null default 'x'").unwrap() else {
            panic!("not an addition")
        };
        assert_eq!(column.kind, ColumnKind::Metadata(ColumnType::Text));
        assert_eq!((column.default.clone(), fill), (Some("x".into()), column.default));
        for text in [
            "",
            "DROP",
            "DROP a b",
            "RENAME a b",
            "RENAME TO b",
            "RENAME a TO",
            "ALTER x",
            "ADD",
            "ADD a",
            "ADD a=b",
        ] {
            let error = parse("docs", text).unwrap_err().to_string();
            assert!(error.starts_with("docs"), "{text}: {error}");
        }
    }
}

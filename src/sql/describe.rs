//! `nearlite_schema('t')`: the columns and options of a table as they are now. The text in `sqlite_schema` is the one that
//! made the table.

use super::ddl::{write_column, write_options};
use super::info::{self, take_arguments};
use super::module::{Args, Host, IndexInfo, Output, Verdict, VirtualCursor, VirtualTable};
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, Schema, literal};
use crate::value::Value;

const DECLARATION: &str = "CREATE TABLE x(\"column\" TEXT, kind TEXT, type TEXT, \"notnull\" INTEGER, dimensions INTEGER, \
     metric TEXT, \"index\" TEXT, codes TEXT, store TEXT, weight REAL, tokenizer TEXT, model TEXT, value TEXT, \
     declaration TEXT, \"table\" HIDDEN)";

/// Position of the argument among the columns.
const ARGUMENT: i32 = 14;

/// The table-valued function.
pub struct Description {
    host: Host,
}

impl VirtualTable for Description {
    type Cursor = DescriptionCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        host.config_innocuous()?;
        Ok((Self { host }, DECLARATION.into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let verdict = take_arguments(info, ARGUMENT, 1, 1);
        info.set_cost(100.0);
        info.set_rows(10);
        Ok(verdict)
    }

    fn open(&self) -> Result<DescriptionCursor> {
        Ok(DescriptionCursor { host: self.host.clone(), rows: Vec::new(), at: 0 })
    }
}

/// Rows are made at once.
pub struct DescriptionCursor {
    host: Host,
    rows: Vec<[Value; ARGUMENT as usize]>,
    at: usize,
}

impl VirtualCursor for DescriptionCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        self.at = 0;
        let name = Value::from(args.value(0));
        let Some(name) = name.as_text() else {
            return Err(Error::Value("nearlite_schema takes the name of a table".into()));
        };
        self.rows = info::on(self.host.connection(), name, |collection| Ok(rows(&collection.schema)))?;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.rows.len()
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        if let Some(value) = self.rows.get(self.at).and_then(|row| row.get(index)) {
            out.set_value(value);
        }
        Ok(())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.at as i64 + 1)
    }
}

fn rows(schema: &Schema) -> Vec<[Value; ARGUMENT as usize]> {
    let text = |value: &str| Value::Text(value.to_owned());
    let option = |value: &Option<String>| value.as_deref().map_or(Value::Null, text);
    let integer = |value: usize| i64::try_from(value).map_or(Value::Null, Value::Integer);
    let column = |column: &Column| {
        let mut row = [const { Value::Null }; ARGUMENT as usize];
        row[0] = text(&column.name);
        row[3] = Value::Integer(column.not_null.into());
        row[12] = column.default.as_ref().map_or(Value::Null, |default| Value::Text(literal(default)));
        row[13] = Value::Text(write_column(column));
        let (kind, declared) = match &column.kind {
            ColumnKind::Key(kind) => ("key", Some(kind.name().to_owned())),
            ColumnKind::Metadata(kind) => ("metadata", Some(kind.name().to_owned())),
            ColumnKind::FullText { weight, tokenizer } => {
                row[9] = Value::Real(f64::from(*weight));
                let named = tokenizer.as_deref().or(schema.tokenizer.as_deref());
                row[10] = text(named.unwrap_or("default"));
                ("full text", Some("TEXT".to_owned()))
            }
            ColumnKind::Unindexed => {
                if let Some(declared) = &column.declared {
                    let plain = Column { not_null: false, default: None, ..column.clone() };
                    let (plain, whole) = (write_column(&plain), write_column(column));
                    let name = plain.trim_end_matches("UNINDEXED");
                    row[13] = Value::Text(format!("{name}{declared} {}", &whole[name.len()..]));
                }
                ("unindexed", column.declared.clone())
            }
            ColumnKind::Vector(spec) => {
                row[4] = integer(spec.dim);
                row[5] = text(spec.metric.name());
                row[6] = Value::Text(spec.index.to_string());
                row[7] = text(spec.codes.name());
                row[8] = Value::Text(spec.store.to_string());
                row[11] = option(&schema.model);
                ("vector", Some(format!("VECTOR({})", spec.dim)))
            }
        };
        row[1] = text(kind);
        row[2] = option(&declared);
        row
    };
    let options = write_options(schema).into_iter().map(|(name, value, declaration)| {
        let mut row = [const { Value::Null }; ARGUMENT as usize];
        row[0] = text(name);
        row[1] = text("option");
        row[12] = Value::Text(value);
        row[13] = Value::Text(declaration);
        row
    });
    schema.columns.iter().map(column).chain(options).collect()
}

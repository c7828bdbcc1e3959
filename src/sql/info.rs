//! `nearlite_info('t')`: what a table holds and weighs. `nearlite_recall('t', 'column', sample, k)`: how good its
//! graph is on its own rows.

use super::module::{Args, ConstraintOp, Host, IndexInfo, Output, Verdict, VirtualCursor, VirtualTable};
use super::{table_name, upkeep};
use crate::collection::{OpenCollection, SegmentView, Space, View, cache};
use crate::error::{Error, Result};
use crate::query;
use crate::schema::{ColumnKind, quoted};
use crate::storage::PayloadKind;
use crate::text::TextConfig;
use crate::value::Value;
use rusqlite::{Connection, OptionalExtension};

/// Columns of `nearlite_info`; the counters of the table repeat in every row.
const DECLARATION: &str = "CREATE TABLE x(\"column\" TEXT, kind TEXT, rows INTEGER, delta INTEGER, segments INTEGER, \
     dead INTEGER, disk_bytes INTEGER, memory_bytes INTEGER, analyzer INTEGER, maintenance TEXT, \
     dead_bytes INTEGER, free_bytes INTEGER, ef_search INTEGER, settings TEXT, \"table\" HIDDEN)";

/// Position of the argument among the columns.
const ARGUMENT: i32 = 14;

/// Passes the arguments on, which are the hidden columns from `first`; of them `needed` have to be given.
pub(super) fn take_arguments(info: &mut IndexInfo<'_>, first: i32, needed: i32, all: i32) -> Verdict {
    for argument in 0..all {
        let given = info
            .constraints()
            .position(|c| c.column == first + argument && c.op == ConstraintOp::Eq && c.usable);
        match given {
            Some(given) => {
                info.set_arg(given, argument as usize);
                info.set_omit(given);
            }
            None if argument < needed => return Verdict::Unusable,
            None => break,
        }
    }
    Verdict::Plan
}

/// The table-valued function.
pub struct Info {
    host: Host,
}

impl VirtualTable for Info {
    type Cursor = InfoCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        host.config_innocuous()?;
        Ok((Self { host }, DECLARATION.into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let verdict = take_arguments(info, ARGUMENT, 1, 1);
        info.set_cost(1_000.0);
        info.set_rows(10);
        Ok(verdict)
    }

    fn open(&self) -> Result<InfoCursor> {
        Ok(InfoCursor { host: self.host.clone(), rows: Vec::new(), at: 0 })
    }
}

/// `nearlite_recall` as a table of one row.
pub struct Recall {
    host: Host,
}

impl VirtualTable for Recall {
    type Cursor = RecallCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;

    fn connect(host: Host, _: &[&str], _: bool) -> Result<(Self, String)> {
        let declaration =
            "CREATE TABLE x(recall REAL, \"table\" HIDDEN, \"column\" HIDDEN, sample HIDDEN, k HIDDEN)";
        host.config_innocuous()?;
        Ok((Self { host }, declaration.into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let verdict = take_arguments(info, 1, 4, 4);
        info.set_cost(1_000_000.0);
        info.set_rows(1);
        Ok(verdict)
    }

    fn open(&self) -> Result<RecallCursor> {
        Ok(RecallCursor { host: self.host.clone(), recall: None, done: true })
    }
}

/// The one row of [`Recall`].
pub struct RecallCursor {
    host: Host,
    recall: Option<f64>,
    done: bool,
}

impl VirtualCursor for RecallCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        self.recall = recall(self.host.connection(), args)?;
        self.done = false;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.done = true;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.done
    }

    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        if let (0, Some(recall)) = (index, self.recall) {
            out.set_real(recall);
        }
        Ok(())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(1)
    }
}

/// Rows are computed at once.
pub struct InfoCursor {
    host: Host,
    rows: Vec<Vec<Value>>,
    at: usize,
}

impl VirtualCursor for InfoCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        self.at = 0;
        let name = Value::from(args.value(0));
        let Some(name) = name.as_text() else {
            return Err(Error::Value("nearlite_info takes the name of a table".into()));
        };
        let conn = self.host.connection();
        let (settings, space, trouble) = on(conn, name, |collection| {
            let view = collection.pin(conn)?.view;
            self.rows = rows(collection, conn, &view)?;
            let settings = collection.settings(conn)?.json(&collection.schema);
            let trouble = upkeep::trouble(&self.host, &collection.storage.database, collection.table());
            Ok((settings, Space::of(collection.on(conn), &view)?, trouble))
        })?;
        for (at, row) in self.rows.iter_mut().enumerate() {
            let trouble = trouble.as_deref().filter(|_| at == 0).map_or(Value::Null, Value::from);
            // These are the table's, in its own row.
            let bytes = |bytes| if at == 0 { integer(bytes) } else { Value::Null };
            // Before the last column.
            let last = row.len() - 1;
            row.splice(last..last, [trouble, bytes(space.dead), bytes(space.free)]);
            row.push(if at == 0 { Value::from(settings.as_str()) } else { Value::Null });
        }
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

/// Whether a declaration makes a table of ours. Compared here: an application may replace SQL functions, that of LIKE too.
pub(super) fn is_ours(sql: &str) -> bool {
    let sql = sql.to_ascii_uppercase();
    sql.starts_with("CREATE VIRTUAL TABLE")
        && sql.split_once("USING").is_some_and(|(_, module)| module.contains("NEARLITE"))
}

/// The collection called `name`, which may be given as `schema.table`, as it is or quoted as in SQL.
pub(super) fn open(conn: &Connection, name: &str) -> Result<OpenCollection> {
    let (database, table) = locate(conn, name)?;
    OpenCollection::open(conn, &database, &table)
}

/// Database and table of that name.
fn locate(conn: &Connection, name: &str) -> Result<(String, String)> {
    let mut databases: Vec<String> = Vec::new();
    let mut list = conn.prepare("SELECT name FROM pragma_database_list ORDER BY seq = 1 DESC, seq")?;
    let found = list.query_map([], |row| row.get::<_, String>(0))?;
    databases.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    let plain = match name.split_once('.') {
        Some((database, table)) if databases.iter().any(|d| d.eq_ignore_ascii_case(database)) => {
            (Some(database.to_owned()), table.to_owned())
        }
        _ => (None, name.to_owned()),
    };
    for (wanted, table) in std::iter::once(plain).chain(table_name::quoted(name)) {
        let is_wanted =
            |database: &&String| wanted.as_ref().is_none_or(|wanted| database.eq_ignore_ascii_case(wanted));
        for database in databases.iter().filter(is_wanted) {
            if let Some(table) = find(conn, database, &table)? {
                return Ok((database.clone(), table));
            }
        }
    }
    Err(Error::Unknown(format!("there is no nearlite table '{name}'")))
}

/// Runs `work` on the collection called `name`, see [`open`].
///
/// All that it reads is of one state of the file. A statement that calls a function, or reads a table-valued one, has a
/// snapshot of the files that it names itself, and need not name this one: then each statement inside of it would have its own.
/// SQLite keeps a snapshot for as long as any statement that reads the file is not at its end, so one is kept from it.
pub(super) fn on<T>(
    conn: &Connection,
    name: &str,
    work: impl FnOnce(&OpenCollection) -> Result<T>,
) -> Result<T> {
    let (database, table) = locate(conn, name)?;
    let mut first = conn.prepare(&format!("SELECT 1 FROM {}.sqlite_schema", quoted(&database)))?;
    let mut rows = first.query([])?;
    rows.next()?;
    work(&OpenCollection::open(conn, &database, &table)?)
}

/// The name, as declared, of the collection `table` in `database`.
fn find(conn: &Connection, database: &str, table: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT name, sql FROM {}.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
        quoted(database)
    );
    let mut statement = conn.prepare(&sql)?;
    let found: Option<(String, String)> =
        statement.query_row([table], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.filter(|(_, sql)| is_ours(sql)).map(|(table, _)| table))
}

fn integer(n: impl TryInto<i64>) -> Value {
    Value::Integer(n.try_into().unwrap_or(i64::MAX))
}

fn rows(collection: &OpenCollection, conn: &Connection, view: &View) -> Result<Vec<Vec<Value>>> {
    let schema = &collection.schema;
    let dead: usize = view.segments.iter().map(|s| s.segment.rows() - s.live()).sum();
    let counters =
        [integer(view.live()), integer(view.delta.live()), integer(view.segments.len()), integer(dead)];
    let row = |name: Value, kind: &str, disk: u64, memory: usize| {
        let mut row = vec![name, Value::from(kind)];
        row.extend(counters.iter().cloned());
        row.extend([integer(disk), integer(memory)]);
        row
    };
    let weigh = |is_meant: &dyn Fn(PayloadKind) -> bool| {
        let entries = view
            .segments
            .iter()
            .flat_map(|s| s.segment.record.directory.iter().map(|e| (s.segment.record.id, e)));
        let meant: Vec<_> = entries.filter(|(_, entry)| is_meant(entry.kind)).collect();
        let memory = meant.iter().map(|(id, entry)| cache::bytes(*id, entry.kind)).sum::<usize>();
        (meant.iter().map(|(_, entry)| entry.bytes).sum::<u64>(), memory)
    };
    let mut parts: Vec<Vec<Value>> = Vec::new();
    // The oldest rules that made an index of texts.
    let mut analyzer = None;
    let (disk, memory) = weigh(&PayloadKind::is_columns);
    parts.push(row(Value::Null, "metadata", disk, memory));
    if schema.full_texts().next().is_some() {
        let (disk, memory) = weigh(&|kind| kind == PayloadKind::Text);
        parts.push(row(Value::Null, "full text", disk, memory));
        let mut oldest = TextConfig::of(schema).edition_number();
        for segment in &view.segments {
            oldest = oldest.min(segment.segment.text_edition(collection.on(conn))?.unwrap_or(oldest));
        }
        analyzer = Some(Value::Integer(i64::from(oldest)));
    }
    let asked = Some(collection.settings(conn)?.ef_search).filter(|ef| *ef > 0);
    let mut breadths = Vec::new();
    for (nth, (at, _)) in schema.vectors().enumerate() {
        let mut broadest = None;
        for segment in &view.segments {
            broadest = broadest.max(segment.segment.breadth(collection.on(conn), nth as u32)?);
        }
        breadths.push(asked.or(broadest).map_or(Value::Null, integer));
        let (disk, memory) = weigh(&|kind| kind == PayloadKind::Vector(nth as u32));
        let kept = |s: &SegmentView| cache::bytes(s.segment.record.id, cache::Part::Vectors(nth as u32));
        let memory = memory + view.segments.iter().map(kept).sum::<usize>();
        parts.push(row(Value::from(schema.columns[at].name.as_str()), "vector", disk, memory));
    }
    let total: u64 = view.segments.iter().flat_map(|s| &s.segment.record.directory).map(|e| e.bytes).sum();
    let memory =
        parts.iter().filter_map(|row| if let Some(Value::Integer(n)) = row.last() { Some(*n) } else { None });
    let memory = usize::try_from(memory.sum::<i64>()).unwrap_or(0) + view.delta.memory_bytes();
    parts.insert(0, row(Value::from(collection.table()), "table", total, memory));
    for row in &mut parts {
        let is_text = matches!(row.get(1), Some(Value::Text(kind)) if kind == "full text");
        row.push(if is_text { analyzer.take().unwrap_or(Value::Null) } else { Value::Null });
    }
    let bare = parts.len() - breadths.len();
    let breadths = std::iter::repeat_n(Value::Null, bare).chain(breadths);
    parts.iter_mut().zip(breadths).for_each(|(row, breadth)| row.push(breadth));
    Ok(parts)
}

/// `nearlite_recall(table, column, sample, k)` for the connection that calls it.
pub fn recall(conn: &Connection, args: &Args<'_>) -> Result<Option<f64>> {
    let text = |at| Value::from(args.value(at)).as_text().map(str::to_owned);
    let count = |at, name: &str| match Value::from(args.value(at)) {
        Value::Integer(n) if n > 0 => Ok(usize::try_from(n).unwrap_or(usize::MAX)),
        _ => Err(Error::Value(format!("nearlite_recall: {name} must be a positive integer"))),
    };
    let (Some(table), Some(column)) = (text(0), text(1)) else {
        return Err(Error::Value(
            "nearlite_recall takes a table, a vector column, a sample size and k".into(),
        ));
    };
    let (sample, k) = (count(2, "sample")?, count(3, "k")?);
    on(conn, &table, |collection| of_collection(conn, collection, &column, sample, k))
}

fn of_collection(
    conn: &Connection,
    collection: &OpenCollection,
    column: &str,
    sample: usize,
    k: usize,
) -> Result<Option<f64>> {
    let schema = &collection.schema;
    let nth = schema.vectors().position(|(at, _)| schema.columns[at].name.eq_ignore_ascii_case(column));
    let Some(nth) = nth else {
        let vector = |c: &&crate::schema::Column| matches!(c.kind, ColumnKind::Vector(_));
        let known: Vec<_> = schema.columns.iter().filter(vector).map(|c| c.name.as_str()).collect();
        return Err(Error::Unknown(format!(
            "{} has no vector column '{column}'; vector columns are {}",
            collection.table(),
            known.join(", ")
        )));
    };
    query::recall(collection.on(conn), &collection.pin(conn)?, nth, sample, k)
}

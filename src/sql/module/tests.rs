//! A toy table over one shadow table, driven through real SQL.

use super::host::sqlite_version;
use super::index_info::OrderBy;
use super::*;
use crate::value::Value;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::cell::{Cell, RefCell};

/// `toy(a, b, toy HIDDEN)`, stored in `<t>_rows(id, a, b)`.
struct Toy {
    host: Host,
}

thread_local!(static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

#[derive(Default)]
struct Connects(Cell<u32>);

impl Toy {
    fn log(&self, line: impl Into<String>) {
        LOG.with(|log| log.borrow_mut().push(line.into()));
    }
    fn rows(&self) -> String {
        format!("\"{}\".\"{}_rows\"", self.host.schema(), self.host.table())
    }
}

impl VirtualTable for Toy {
    type Cursor = ToyCursor;
    const SHADOWS: &'static [&'static str] = &["rows"];

    fn connect(host: Host, args: &[&str], create: bool) -> Result<(Self, String)> {
        if args.get(3).is_some_and(|arg| *arg == "panic") {
            panic!("asked to panic in connect");
        }
        host.config_constraint_support()?;
        host.config_innocuous()?;
        let connects = host.shared::<Connects>();
        connects.0.set(connects.0.get() + 1);
        let table = Self { host };
        table.log(format!("connect {}", connects.0.get()));
        if create {
            let sql = format!("CREATE TABLE {}(id INTEGER PRIMARY KEY, a, b)", table.rows());
            table.host.connection().execute_batch(&sql)?;
        }
        Ok((table, "CREATE TABLE x(a, b, toy HIDDEN)".into()))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let terms: Vec<_> = info.constraints().collect();
        let mut plan = String::new();
        for (at, term) in terms.iter().enumerate() {
            if term.op == ConstraintOp::Match && !term.usable {
                return Ok(Verdict::Unusable);
            }
            if !plan.is_empty() || !term.usable {
                continue;
            }
            match (term.column, term.op) {
                (0, ConstraintOp::Eq) => {
                    assert_eq!(info.collation(at), "BINARY");
                    plan = if info.take_in(at) { "a in".into() } else { "a eq".into() };
                    if let Some(value) = info.rhs_value(at) {
                        self.log(format!("rhs {value:?}"));
                    }
                }
                (2, ConstraintOp::Match) => plan = "match".into(),
                _ => continue,
            }
            info.set_arg(at, 0);
            info.set_omit(at);
        }
        let order: Vec<_> = info.order_by().collect();
        if let [OrderBy { column: -1, desc: false }] = order.as_slice() {
            info.set_order_by_consumed();
        }
        info.set_idx_str(&plan)?;
        info.set_cost(if plan.is_empty() { 1e6 } else { 10.0 });
        info.set_rows(10);
        Ok(Verdict::Plan)
    }

    fn open(&self) -> Result<ToyCursor> {
        Ok(ToyCursor { host: self.host.clone(), from: self.rows(), rows: Vec::new(), at: 0 })
    }

    fn update(&self, change: Change<'_>) -> Result<i64> {
        let connection = self.host.connection();
        let rows = self.rows();
        match change {
            Change::Delete { rowid } => {
                connection.prepare_cached(&format!("DELETE FROM {rows} WHERE id = ?"))?.execute([rowid])?;
                Ok(0)
            }
            Change::Insert { rowid, values, conflict } => {
                match values.value(0) {
                    ValueRef::Text(b"panic") => panic!("asked to {}", "panic"),
                    ValueRef::Text(b"corrupt") => return Err(Error::corrupt("toy", "a bad row")),
                    ValueRef::Text(b"interrupt") => return Err(Error::Interrupted),
                    ValueRef::Text(b"unique") => {
                        return Err(Error::Constraint(format!("UNIQUE constraint failed: {conflict:?}")));
                    }
                    _ => {}
                }
                let verb = if conflict == Conflict::Replace { "REPLACE" } else { "INSERT" };
                connection.prepare_cached(&format!("{verb} INTO {rows} VALUES(?, ?, ?)"))?.execute(
                    rusqlite::params![rowid, Value::from(values.value(0)), Value::from(values.value(1))],
                )?;
                Ok(connection.last_insert_rowid())
            }
            Change::Update { old_rowid, new_rowid, values, .. } => {
                self.log(format!("nochange {} {}", values.nochange(0), values.nochange(1)));
                connection.execute(
                    &format!("UPDATE {rows} SET id = ?, b = ? WHERE id = ?"),
                    rusqlite::params![new_rowid, Value::from(values.value(1)), old_rowid],
                )?;
                Ok(0)
            }
        }
    }

    fn destroy(&self) -> Result<()> {
        Ok(self.host.connection().execute_batch(&format!("DROP TABLE {}", self.rows()))?)
    }

    fn rename(&self, new: &str) -> Result<()> {
        Ok(self
            .host
            .connection()
            .execute_batch(&format!("ALTER TABLE {} RENAME TO \"{new}_rows\"", self.rows()))?)
    }

    fn integrity(&self, quick: bool) -> Result<Option<String>> {
        Ok(Some(format!("{} checked, quick {quick}", self.host.table())))
    }

    fn begin(&self) -> Result<()> {
        self.log("begin");
        Ok(())
    }
    fn sync(&self) -> Result<()> {
        self.log("sync");
        Ok(())
    }
    fn commit(&self) -> Result<()> {
        self.log("commit");
        Ok(())
    }
    fn rollback(&self) -> Result<()> {
        self.log("rollback");
        Ok(())
    }
    fn savepoint(&self, level: i32) -> Result<()> {
        self.log(format!("savepoint {level}"));
        Ok(())
    }
    fn release(&self, level: i32) -> Result<()> {
        self.log(format!("release {level}"));
        Ok(())
    }
    fn rollback_to(&self, level: i32) -> Result<()> {
        self.log(format!("rollback to {level}"));
        Ok(())
    }

    fn find_function(&self, name: &str, nargs: i32) -> Option<(AuxFunction, Option<u8>)> {
        let peek: AuxFunction = |out, args| {
            match args.pointer::<String>(0, c"toy_row") {
                Some(row) => out.set_text(row),
                None => return Err(Error::Value("peek: not a toy row".into())),
            }
            Ok(())
        };
        (name == "peek" && nargs == 1).then_some((peek, None))
    }
}

struct ToyCursor {
    host: Host,
    from: String,
    rows: Vec<(i64, Value, Value)>,
    at: usize,
}

impl VirtualCursor for ToyCursor {
    fn filter(&mut self, _: i32, idx_str: &str, args: &Args<'_>) -> Result<()> {
        let wanted = match idx_str {
            "a in" => Some(args.in_values(0)?),
            "a eq" => Some(vec![args.value(0).into()]),
            "match" => {
                let asked = args.pointer::<u32>(0, c"asked").copied().unwrap_or(0);
                Some(vec![Value::Integer(i64::from(asked))])
            }
            _ => None,
        };
        let mut statement = self
            .host
            .connection()
            .prepare_cached(&format!("SELECT id, a, b FROM {} ORDER BY id", self.from))?;
        self.rows.clear();
        self.at = 0;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let a = Value::from(row.get_ref(1)?);
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(&a)) {
                self.rows.push((row.get(0)?, a, Value::from(row.get_ref(2)?)));
            }
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
        let row = self.rows.get(self.at).ok_or_else(|| Error::corrupt("toy", "past the end"))?;
        match index {
            _ if out.nochange() => {}
            0 if row.1 == Value::Integer(666) => panic!("column of the beast"),
            0 => out.set_value(&row.1),
            1 => out.set_value(&row.2),
            _ => out.set_pointer(format!("row {}", row.0), c"toy_row"),
        }
        Ok(())
    }
    fn rowid(&self) -> Result<i64> {
        Ok(self.rows.get(self.at).map_or(0, |row| row.0))
    }
}

/// `counter(n)`: the numbers below n.
struct Counter;
struct CounterCursor(i64, i64);

impl VirtualTable for Counter {
    type Cursor = CounterCursor;
    const SHADOWS: &'static [&'static str] = &[];
    const EPONYMOUS: bool = true;
    fn connect(_: Host, _: &[&str], create: bool) -> Result<(Self, String)> {
        assert!(!create);
        Ok((Self, "CREATE TABLE x(value, n HIDDEN)".into()))
    }
    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        let argument = info.constraints().position(|term| term.column == 1 && term.usable);
        let Some(at) = argument else { return Ok(Verdict::Unusable) };
        info.set_arg(at, 0);
        info.set_omit(at);
        Ok(Verdict::Plan)
    }
    fn open(&self) -> Result<CounterCursor> {
        Ok(CounterCursor(0, 0))
    }
}

impl VirtualCursor for CounterCursor {
    fn filter(&mut self, _: i32, _: &str, args: &Args<'_>) -> Result<()> {
        *self = Self(0, args.value(0).as_i64().map_err(|_| Error::Value("counter: not a number".into()))?);
        Ok(())
    }
    fn next(&mut self) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
    fn eof(&self) -> bool {
        self.0 >= self.1
    }
    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()> {
        out.set_integer(if index == 0 { self.0 } else { self.1 });
        Ok(())
    }
    fn rowid(&self) -> Result<i64> {
        Ok(self.0)
    }
}

fn open() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    register(&connection);
    connection
}

fn register(connection: &Connection) {
    register_module::<Toy>(connection, "toy").unwrap();
    register_module::<Counter>(connection, "counter").unwrap();
    overload_function(connection, "peek", 1).unwrap();
    register_function(connection, "ask", 1, |out, args| {
        match args.value(0) {
            ValueRef::Integer(number) => out.set_pointer(number as u32, c"asked"),
            ValueRef::Null => panic!("asked nothing"),
            _ => return Err(Error::Value("ask: not a number".into())),
        }
        Ok(())
    })
    .unwrap();
}

fn texts(connection: &Connection, sql: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let columns = row.as_ref().column_count();
        let values = (0..columns).map(|at| Ok(format!("{:?}", Value::from(row.get_ref(at)?))));
        Ok(values.collect::<Result<Vec<_>, rusqlite::Error>>()?.join(" "))
    })?;
    rows.collect()
}

fn failure(connection: &Connection, sql: &str) -> (i32, String) {
    match connection.execute_batch(sql).or_else(|_| texts(connection, sql).map(drop)) {
        Err(rusqlite::Error::SqliteFailure(cause, message)) => {
            (cause.extended_code, message.unwrap_or_default())
        }
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn rows_go_in_and_come_out() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(a, b) VALUES(1, 'x'), (2, x'00'), (3, NULL), (4, 1.5)")
        .unwrap();
    assert_eq!(c.last_insert_rowid(), 4);
    assert_eq!(texts(&c, "SELECT b FROM t WHERE a = 1").unwrap(), ["Text(\"x\")"]);
    assert_eq!(
        texts(&c, "SELECT rowid, b FROM t WHERE a IN (4, 3, 9)").unwrap(),
        ["Integer(3) Null", "Integer(4) Real(1.5)"]
    );
    c.execute_batch("UPDATE t SET b = 'y' WHERE a = 2; DELETE FROM t WHERE a = 1").unwrap();
    assert_eq!(texts(&c, "SELECT b FROM t ORDER BY rowid LIMIT 1").unwrap(), ["Text(\"y\")"]);
    assert_eq!(texts(&c, "SELECT rowid FROM t WHERE toy MATCH ask(3)").unwrap(), ["Integer(3)"]);
    assert_eq!(texts(&c, "SELECT rowid FROM t WHERE toy MATCH 'no pointer'").unwrap(), Vec::<String>::new());
    assert_eq!(texts(&c, "SELECT peek(t.toy) FROM t WHERE a = 4").unwrap(), ["Text(\"row 4\")"]);
    let plan = texts(&c, "EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1").unwrap();
    assert!(plan[0].contains("INDEX 0:a eq"), "{plan:?}");
}

#[test]
fn a_panic_in_any_callback_is_an_error_of_the_statement() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(a) VALUES(666)").unwrap();
    for (sql, place) in [
        ("INSERT INTO t(a) VALUES('panic')", "xUpdate: asked to panic"),
        ("SELECT a FROM t", "xColumn: column of the beast"),
        ("SELECT ask(NULL)", "a function: asked nothing"),
        ("CREATE VIRTUAL TABLE u USING toy(panic)", "xCreate: asked to panic in connect"),
    ] {
        let (code, message) = failure(&c, sql);
        assert_eq!(code & 0xff, ffi::SQLITE_INTERNAL, "{sql}: {message}");
        assert!(message.contains(place), "{message}");
    }
    assert_eq!(texts(&c, "SELECT rowid FROM t").unwrap(), ["Integer(1)"], "the table still works");
}

#[test]
fn an_error_keeps_its_code_and_its_sentence() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy()").unwrap();
    let (code, message) = failure(&c, "INSERT INTO t(a) VALUES('corrupt')");
    assert_eq!(code, ffi::SQLITE_CORRUPT_VTAB);
    assert!(message.starts_with("toy is damaged: a bad row"), "{message}");
    assert_eq!(failure(&c, "INSERT INTO t(a) VALUES('interrupt')").0, ffi::SQLITE_INTERRUPT);
    let (code, message) = failure(&c, "INSERT INTO t(a) VALUES('unique')");
    assert_eq!((code, message.as_str()), (ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: Abort"));
    assert_eq!(failure(&c, "SELECT ask('x')"), (ffi::SQLITE_ERROR, "ask: not a number".into()));
    c.execute_batch("INSERT INTO t(rowid) VALUES(7)").unwrap();
    let (code, message) = failure(&c, "INSERT INTO t(rowid) VALUES(7)");
    assert_eq!(code, ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "a nested statement's own code: {message}");
    assert!(message.contains("t_rows.id"), "{message}");
    assert_eq!(failure(&c, "UPDATE t SET rowid = 'x'").0, ffi::SQLITE_MISMATCH);
}

#[test]
fn conflict_clauses_reach_the_table_and_sqlite() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(rowid, b) VALUES(1, 'old')").unwrap();
    c.execute_batch("INSERT OR IGNORE INTO t(rowid, b) VALUES(1, 'new'), (2, 'two')").unwrap();
    assert_eq!(
        texts(&c, "SELECT rowid, b FROM t").unwrap(),
        ["Integer(1) Text(\"old\")", "Integer(2) Text(\"two\")"]
    );
    c.execute_batch("INSERT OR REPLACE INTO t(rowid, b) VALUES(1, 'new')").unwrap();
    assert_eq!(texts(&c, "SELECT b FROM t WHERE rowid = 1").unwrap(), ["Text(\"new\")"]);
    failure(&c, "INSERT OR FAIL INTO t(rowid, b) VALUES(3, 'kept'), (1, 'refused')");
    assert_eq!(texts(&c, "SELECT count(*) FROM t").unwrap(), ["Integer(3)"]);
    failure(&c, "INSERT INTO t(rowid, b) VALUES(4, 'undone'), (1, 'refused')");
    assert_eq!(texts(&c, "SELECT count(*) FROM t").unwrap(), ["Integer(3)"]);
}

#[test]
fn unassigned_columns_are_reported_as_unchanged() {
    let c = open();
    c.execute_batch(
        "CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(a, b) VALUES(1, 2); UPDATE t SET b = 3",
    )
    .unwrap();
    assert!(take_log().contains(&"nochange true false".to_owned()));
}

#[test]
fn the_planner_shows_literals() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy()").unwrap();
    texts(&c, "SELECT * FROM t WHERE a = 'shown'").unwrap();
    assert!(take_log().contains(&"rhs Text(\"shown\")".to_owned()));
}

#[test]
fn transactions_and_savepoints_reach_the_table() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy()").unwrap();
    take_log();
    c.execute_batch("BEGIN; INSERT INTO t(a) VALUES(1); SAVEPOINT s; INSERT INTO t(a) VALUES(2)").unwrap();
    c.execute_batch("ROLLBACK TO s; RELEASE s; COMMIT").unwrap();
    assert_eq!(take_log(), ["begin", "savepoint 0", "rollback to 0", "release 0", "sync", "commit"]);
    assert_eq!(texts(&c, "SELECT a FROM t").unwrap(), ["Integer(1)"]);
    c.execute_batch("BEGIN; INSERT INTO t(a) VALUES(3); ROLLBACK").unwrap();
    assert_eq!(take_log(), ["begin", "rollback"]);
    assert_eq!(texts(&c, "SELECT a FROM t").unwrap(), ["Integer(1)"]);
}

#[test]
fn a_trigger_may_reenter_the_table_that_fired_it() {
    let c = open();
    c.execute_batch(
        "CREATE VIRTUAL TABLE t USING toy();
         CREATE TRIGGER again AFTER INSERT ON t_rows WHEN new.a > 0 BEGIN INSERT INTO t(a) VALUES(new.a - 1); END;
         PRAGMA recursive_triggers = 1;
         INSERT INTO t(a) VALUES(3)",
    )
    .unwrap();
    assert_eq!(texts(&c, "SELECT count(*), min(a) FROM t").unwrap(), ["Integer(4) Integer(0)"]);
}

#[test]
fn tables_are_renamed_dropped_vacuumed_and_closed_with_statements_in_their_cache() {
    let c = open();
    c.execute_batch(
        "CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(a) VALUES(1);
         ALTER TABLE t RENAME TO u; INSERT INTO u(a) VALUES(2); VACUUM;",
    )
    .unwrap();
    assert_eq!(texts(&c, "SELECT a FROM u").unwrap(), ["Integer(1)", "Integer(2)"]);
    c.execute_batch("CREATE VIRTUAL TABLE gone USING toy(); INSERT INTO gone(a) VALUES(1); DROP TABLE gone")
        .unwrap();
    assert_eq!(
        texts(&c, "SELECT name FROM sqlite_schema ORDER BY 1").unwrap(),
        ["Text(\"u\")", "Text(\"u_rows\")"]
    );
    c.close().unwrap();
}

#[test]
fn state_is_shared_by_the_tables_of_a_connection_and_survives_a_reparse() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy(); CREATE VIRTUAL TABLE u USING toy()").unwrap();
    c.execute_batch("VACUUM; SELECT * FROM t; SELECT * FROM u").unwrap();
    assert!(take_log().iter().any(|line| line == "connect 3"), "the count went on");
    register(&c);
    c.execute_batch("SELECT * FROM t; CREATE VIRTUAL TABLE v USING toy()").unwrap();
}

#[test]
fn attached_schemas_get_their_own_shadow_tables() {
    let c = open();
    c.execute_batch("ATTACH ':memory:' AS other; CREATE VIRTUAL TABLE other.t USING toy()").unwrap();
    c.execute_batch("INSERT INTO other.t(a) VALUES(5)").unwrap();
    assert_eq!(texts(&c, "SELECT a FROM other.t_rows").unwrap(), ["Integer(5)"]);
}

#[test]
fn integrity_check_shows_the_finding() {
    if sqlite_version() < 3_044_000 {
        return;
    }
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy()").unwrap();
    assert_eq!(texts(&c, "PRAGMA integrity_check").unwrap(), ["Text(\"t checked, quick false\")"]);
    assert_eq!(texts(&c, "PRAGMA quick_check").unwrap(), ["Text(\"t checked, quick true\")"]);
}

#[test]
fn a_defensive_connection_protects_shadow_tables_only_from_users() {
    let c = open();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy()").unwrap();
    c.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).unwrap();
    assert!(failure(&c, "INSERT INTO t_rows(a) VALUES(1)").1.contains("may not be modified"));
    c.execute_batch("INSERT INTO t(a) VALUES(1)").unwrap();
}

#[test]
fn an_innocuous_table_works_in_views_of_an_untrusted_schema() {
    let c = open();
    c.execute_batch(
        "CREATE VIRTUAL TABLE t USING toy(); CREATE VIEW v AS SELECT * FROM t; PRAGMA trusted_schema = 0",
    )
    .unwrap();
    assert_eq!(texts(&c, "SELECT count(*) FROM v").unwrap(), ["Integer(0)"]);
}

#[test]
fn an_eponymous_table_takes_arguments_and_cannot_be_created_or_written() {
    let c = open();
    assert_eq!(texts(&c, "SELECT sum(value) FROM counter(4)").unwrap(), ["Integer(6)"]);
    assert_eq!(texts(&c, "SELECT a.value FROM counter(3) a, counter(a.value) b").unwrap().len(), 3);
    assert!(failure(&c, "SELECT * FROM counter('x')").1.contains("counter: not a number"));
    assert!(failure(&c, "SELECT * FROM counter").1.contains("no query solution"));
    failure(&c, "CREATE VIRTUAL TABLE d USING counter()");
    failure(&c, "INSERT INTO counter VALUES(1)");
}

#[test]
fn a_pointer_of_another_type_under_the_same_name_is_not_taken() {
    let c = open();
    register_function(&c, "impostor", 0, |out, _| {
        out.set_pointer("text".to_owned(), c"asked");
        Ok(())
    })
    .unwrap();
    c.execute_batch("CREATE VIRTUAL TABLE t USING toy(); INSERT INTO t(a) VALUES(0)").unwrap();
    // The toy reads "no pointer" as 0.
    assert_eq!(texts(&c, "SELECT a FROM t WHERE toy MATCH impostor()").unwrap(), ["Integer(0)"]);
}

fn take_log() -> Vec<String> {
    LOG.with(|log| log.take())
}

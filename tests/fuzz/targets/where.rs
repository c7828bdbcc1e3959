//! A tree of conditions, as SQL on the table and on an ordinary one with the same rows, inside a search, and where it can
//! be said so as a typed filter: the same rows every time.
//!
//! Input: choices that make the tree.

use super::bytes::Bytes;
use super::common::{self, rows};
use super::outcome::honest;
use nearlite::rusqlite::{Connection, params, params_from_iter};
use nearlite::{Collection, Filter, Op, Value};

const COLUMNS: [&str; 6] = ["id", "lang", "year", "price", "flag", "rowid"];
const OPS: [(&str, Op); 6] =
    [("=", Op::Eq), ("<>", Op::Ne), ("<", Op::Lt), ("<=", Op::Le), (">", Op::Gt), (">=", Op::Ge)];
const TEXTS: [&str; 16] = [
    "en", "En", "EN", "de", "", "2020", "2020.0", " 2020", "007", "7", "en%", "e_", "e*", "ä", "Ä", "x'y\\z",
];
const WHOLE: [i64; 10] = [0, 1, -1, 7, 20, 2020, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53)];
const REALS: [f64; 8] = [0.0, 0.5, 1.0, 2020.0, 9_007_199_254_740_992.0, -1e300, 1e18, 9.3e18];
const DEEPEST: usize = 4;

thread_local! {
    static CONN: Connection = {
        let conn = common::open_memory();
        fill(&conn);
        conn
    };
}

/// Rows in two segments and in the log, some dead.
fn fill(conn: &Connection) {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(
            id TEXT PRIMARY KEY, lang TEXT, year INTEGER, price REAL, flag BOOLEAN, v VECTOR(2) METRIC l2);
         CREATE TABLE plain(id TEXT, lang TEXT, year INTEGER, price REAL, flag BOOLEAN, v BLOB);
         INSERT INTO docs(docs, rank) VALUES('automerge', 0)",
    )
    .unwrap();
    for at in 0..30_usize {
        let id = TEXTS.get(at).map_or_else(|| format!("k{at}"), ToString::to_string);
        let lang = (at % 7 != 3).then(|| TEXTS[at * 5 % 11]);
        let year = (at % 5 != 4).then(|| WHOLE[at * 3 % 10]);
        let price = (at % 6 != 1).then(|| REALS[at * 5 % 8]);
        let flag = (at % 4 != 2).then_some(at % 3 == 0);
        let vector = (at % 9 != 8).then(|| common::blob(&[at as f32, 1.0]));
        for table in ["docs", "plain"] {
            let sql = format!(
                "INSERT INTO {table}(rowid, id, lang, year, price, flag, v) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            );
            conn.execute(&sql, params![at as i64 - 2, id, lang, year, price, flag, vector]).unwrap();
        }
        if at == 11 || at == 19 {
            common::command(conn, "flush");
        }
    }
    for table in ["docs", "plain"] {
        conn.execute_batch(&format!("DELETE FROM {table} WHERE rowid IN (5, 15, 26)")).unwrap();
    }
}

pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut tree = Tree::default();
    let (sql, filter) = tree.grow(&mut bytes, 0);
    CONN.with(|conn| check(conn, &sql, &tree.params, filter));
}

fn check(conn: &Connection, condition: &str, params: &[Value], filter: Option<Filter>) {
    let ids = |sql: String| {
        let found = honest(rows(conn, &sql, params_from_iter(params), |r| r.get::<_, i64>(0)));
        found.map(|mut found| {
            found.sort_unstable();
            found
        })
    };
    let show = || format!("{condition} with {params:?}");
    let want = ids(format!("SELECT rowid FROM plain WHERE {condition}"));
    let got = ids(format!("SELECT rowid FROM docs WHERE {condition}"));
    // What SQLite itself refuses, such as a pattern that is too complex, is refused in both.
    let Ok(want) = want else { return assert!(got.is_err(), "{}: {got:?}, not {want:?}", show()) };
    assert_eq!(got.as_ref(), Ok(&want), "{}", show());
    let near = ids(format!("SELECT rowid FROM docs WHERE v MATCH '[3, 3]' AND {condition}"));
    let wanted = ids(format!("SELECT rowid FROM plain WHERE v IS NOT NULL AND {condition}"));
    assert_eq!(near, wanted, "in a search: {}", show());

    let Some(filter) = filter else { return };
    let docs = Collection::on(conn, "docs").unwrap();
    let found = |search: nearlite::Search<'_, &Connection>| {
        let hits = honest(search.filter(filter.clone()).limit(1000).run());
        let mut found: Vec<i64> = hits.unwrap().into_iter().map(|hit| hit.rowid).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(found(docs.search()), want, "{filter:?}, as SQL {}", show());
    assert_eq!(Ok(found(docs.search().nearest("v", [3.0, 3.0]))), wanted, "in a search: {filter:?}");
}

/// A tree being grown: its parameters so far.
#[derive(Default)]
struct Tree {
    params: Vec<Value>,
}

/// A condition as SQL, in brackets where it needs them, and as a filter if there is one.
type Branch = (String, Option<Filter>);

impl Tree {
    fn grow(&mut self, bytes: &mut Bytes<'_>, depth: usize) -> Branch {
        let kind = bytes.below(if depth < DEEPEST { 24 } else { 18 });
        match kind {
            18..21 => self.join(bytes, depth, " AND ", Filter::And),
            21 | 22 => self.join(bytes, depth, " OR ", Filter::Or),
            23 => {
                let (sql, filter) = self.grow(bytes, depth + 1);
                (format!("NOT ({sql})"), filter.map(|filter| Filter::Not(Box::new(filter))))
            }
            _ => self.leaf(bytes, kind),
        }
    }

    fn join(
        &mut self,
        bytes: &mut Bytes<'_>,
        depth: usize,
        word: &str,
        all: fn(Vec<Filter>) -> Filter,
    ) -> Branch {
        let branches: Vec<Branch> = (0..1 + bytes.below(3)).map(|_| self.grow(bytes, depth + 1)).collect();
        let (sql, filters): (Vec<String>, Vec<Option<Filter>>) = branches.into_iter().unzip();
        // Brackets only where they mean something: SQLite looks through AND, not through all brackets.
        let sql = sql.join(word);
        let sql = if word == " AND " && depth == 0 { sql } else { format!("({sql})") };
        (sql, filters.into_iter().collect::<Option<Vec<_>>>().map(all))
    }

    fn leaf(&mut self, bytes: &mut Bytes<'_>, kind: usize) -> Branch {
        let column = bytes.pick(&COLUMNS);
        match kind {
            0..6 => self.compare(bytes, column),
            6 | 7 => {
                let values: Vec<Value> = (0..bytes.below(5)).map(|_| value(bytes)).collect();
                let list: Vec<String> = values.iter().map(|value| self.constant(bytes, value)).collect();
                let sql = format!("{column} IN ({})", list.join(", "));
                (sql, Some(Filter::In { column: column.into(), values }))
            }
            8 => (format!("{column} IS NULL"), Some(Filter::IsNull { column: column.into() })),
            9 => {
                let filter = Filter::Not(Box::new(Filter::IsNull { column: column.into() }));
                (format!("{column} IS NOT NULL"), Some(filter))
            }
            10 => self.prefix(bytes),
            11 => {
                let (low, high) = (value(bytes), value(bytes));
                let (low_sql, high_sql) = (self.constant(bytes, &low), self.constant(bytes, &high));
                let compare = |op, value| Filter::Compare { column: column.into(), op, value };
                let filter = Filter::And(vec![compare(Op::Ge, low), compare(Op::Le, high)]);
                (format!("{column} BETWEEN {low_sql} AND {high_sql}"), (column != "id").then_some(filter))
            }
            12 => {
                let (word, value) = (bytes.pick(&["IS", "IS NOT"]), value(bytes));
                (format!("{column} {word} {}", self.constant(bytes, &value)), None)
            }
            13 => {
                let (op, other) = (bytes.pick(&OPS).0, bytes.pick(&COLUMNS));
                let right = bytes.pick(&["", "+", "-", "0 + "]);
                (format!("{column} {op} {right}{other}"), None)
            }
            14 => {
                let (op, value) = (bytes.pick(&OPS).0, value(bytes));
                let collation = bytes.pick(&["NOCASE", "BINARY", "RTRIM"]);
                (format!("{column} {op} {} COLLATE {collation}", self.constant(bytes, &value)), None)
            }
            15 => {
                let other = bytes.pick(&COLUMNS);
                let list: Vec<String> = (0..1 + bytes.below(3))
                    .map(|_| format!("({}, {})", literal(&value(bytes)), literal(&value(bytes))))
                    .collect();
                (format!("({column}, {other}) IN (VALUES {})", list.join(", ")), None)
            }
            16 => {
                let (op, value) = (bytes.pick(&OPS).0, literal(&value(bytes)));
                let kind = bytes.pick(&["TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"]);
                let right = match bytes.below(3) {
                    0 => format!("CAST({value} AS {kind})"),
                    1 => format!("(SELECT {value})"),
                    _ => format!("+{value}"),
                };
                (format!("{column} {op} {right}"), None)
            }
            _ => match bytes.below(2) {
                0 => {
                    let ids: Vec<i64> = (0..bytes.below(5)).map(|_| bytes.below(32) as i64 - 3).collect();
                    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    (format!("rowid IN ({})", list.join(", ")), Some(Filter::Rowids(ids)))
                }
                _ => {
                    let keys: Vec<String> = (0..bytes.below(4)).map(|_| text(bytes)).collect();
                    let list: Vec<String> = keys.iter().map(|key| literal(&key.as_str().into())).collect();
                    (format!("id IN ({})", list.join(", ")), Some(Filter::Keys(keys)))
                }
            },
        }
    }

    fn compare(&mut self, bytes: &mut Bytes<'_>, column: &str) -> Branch {
        let (symbol, op) = bytes.pick(&OPS);
        let value = value(bytes);
        let right = self.constant(bytes, &value);
        let sql = if bytes.below(8) == 7 {
            // The same, the other way round.
            let turned = match op {
                Op::Lt => ">",
                Op::Le => ">=",
                Op::Gt => "<",
                Op::Ge => "<=",
                _ => symbol,
            };
            format!("{right} {turned} {column}")
        } else {
            format!("{column} {symbol} {right}")
        };
        // A text key has no order in a typed filter.
        let filter = (column != "id" || matches!(op, Op::Eq | Op::Ne)).then(|| Filter::Compare {
            column: column.into(),
            op,
            value,
        });
        (sql, filter)
    }

    /// LIKE and GLOB, of any pattern or of a prefix taken literally.
    fn prefix(&mut self, bytes: &mut Bytes<'_>) -> Branch {
        let (ignore_case, prefix) = (bytes.below(2) == 0, text(bytes));
        let word = if ignore_case { "LIKE" } else { "GLOB" };
        if bytes.below(2) == 0 {
            let pattern = prefix + bytes.pick(&["%", "*", "", "_", "%n"]);
            let column = bytes.pick(&["lang", "id", "year"]);
            return (format!("{column} {word} {}", literal(&pattern.into())), None);
        }
        let mut pattern = String::new();
        for c in prefix.chars() {
            match c {
                '%' | '_' | '\\' if ignore_case => pattern.extend(['\\', c]),
                '*' | '?' | '[' if !ignore_case => pattern.extend(['[', c, ']']),
                _ => pattern.push(c),
            }
        }
        pattern.push(if ignore_case { '%' } else { '*' });
        let pattern = self.constant(bytes, &pattern.into());
        let escape = if ignore_case { " ESCAPE '\\'" } else { "" };
        let filter = Filter::Prefix { column: "lang".into(), prefix, ignore_case };
        (format!("lang {word} {pattern}{escape}"), Some(filter))
    }

    /// A constant as a literal or as a parameter, which the table is shown differently.
    fn constant(&mut self, bytes: &mut Bytes<'_>, value: &Value) -> String {
        if bytes.below(2) == 0 {
            return literal(value);
        }
        self.params.push(value.clone());
        format!("?{}", self.params.len())
    }
}

fn value(bytes: &mut Bytes<'_>) -> Value {
    match bytes.below(10) {
        0 => Value::Null,
        1..4 => Value::Integer(bytes.pick(&WHOLE)),
        4 => Value::Integer(bytes.below(32) as i64 - 3),
        5 => Value::Real(bytes.pick(&REALS)),
        6 => Value::Blob(bytes.text().into_bytes()),
        _ => Value::Text(text(bytes)),
    }
}

/// Without NUL, at which SQLite's LIKE and literals end.
fn text(bytes: &mut Bytes<'_>) -> String {
    match bytes.below(TEXTS.len() + 1) {
        16 => bytes.text().replace('\0', "0"),
        at => TEXTS[at].to_owned(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:e}"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

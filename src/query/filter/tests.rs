//! Filters against SQLite itself: the same rows in an ordinary table, the same filter as SQL.

use super::*;
use crate::columns::Columns;
use rusqlite::{Connection, params_from_iter};

/// A small deterministic generator (splitmix64), so that a seed is all a failure needs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

const TEXTS: [&str; 30] = [
    "",
    "a",
    "A",
    "ab",
    "abc",
    "ABC",
    "abd",
    "b",
    "é",
    "É",
    "z%",
    "z_",
    "[x]",
    "*",
    "2020",
    "2020.0",
    " 2020 ",
    "2e3",
    "0x7e4",
    "-5",
    "+5",
    ".5",
    "5.",
    ".",
    "1e",
    "9223372036854775808",
    "9007199254740993",
    "abc\\",
    "Inf",
    "\t7\n",
];
const INTS: [i64; 14] = [
    0,
    1,
    -1,
    2,
    5,
    7,
    -5,
    2000,
    2020,
    i64::MAX,
    i64::MIN,
    9_007_199_254_740_993,
    9_007_199_254_740_992,
    300,
];
const REALS: [f64; 20] = [
    0.0,
    -0.0,
    0.5,
    1.0,
    -5.0,
    2020.0,
    2000.0,
    2020.5,
    1e300,
    -1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e17,
    1e-5,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    0.1,
    123_456.75,
    f64::NAN,
];

fn constant(random: &mut Random) -> Value {
    match random.below(20) {
        0 => Value::Null,
        1 => Value::Blob(random.pick(&[&b""[..], b"abc", b"2020", b"\xff"]).to_vec()),
        2..=7 => Value::from(random.pick(&TEXTS)),
        8..=12 => Value::Integer(random.pick(&INTS)),
        13..=15 => Value::Integer(random.below(40) as i64 - 5),
        _ => Value::Real(random.pick(&REALS)),
    }
}

const COLUMNS: [&str; 9] = ["t", "i", "r", "b", "wide", "many", "none", "id", "rowid"];

fn filter(random: &mut Random, depth: usize) -> Filter {
    let column = random.pick(&COLUMNS);
    let keyed = column == "id";
    let op = random.pick(&[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let list = |random: &mut Random, few: usize| -> Vec<Value> {
        let count = if random.chance(8) { 100 + random.below(200) } else { random.below(few) };
        (0..count).map(|_| constant(random)).filter(|value| !value.is_null() || few == 6).collect()
    };
    match random.below(if depth == 0 { 9 } else { 16 }) {
        0..=2 => Filter::Compare {
            column: column.into(),
            op,
            value: if keyed && random.chance(80) {
                Value::Text(format!("k{}", random.below(80)))
            } else {
                constant(random)
            },
        },
        3 if !keyed => col(column).between(constant(random), constant(random)),
        3 | 4 => {
            let few = random.pick(&[3, 6, 12]);
            let mut values = list(random, few);
            if keyed {
                values.extend((0..3).map(|_| Value::Text(format!("k{}", random.below(80)))));
            }
            Filter::In { column: column.into(), values }
        }
        5 => Filter::IsNull { column: column.into() },
        6 if random.chance(40) => {
            let column: String = random.pick(&["t", "many", "id"]).into();
            let part = random
                .pick(&["", "a", "A", "ab", "%b%", "_", "k1%", "%1", "key", "É", "é%", "2020", "\\", "["]);
            if random.chance(50) {
                Filter::Like { column, pattern: part.into() }
            } else {
                Filter::Contains { column, text: part.into() }
            }
        }
        6 => Filter::Prefix {
            column: random.pick(&["t", "many", "id"]).into(),
            prefix: random
                .pick(&[
                    "", "a", "A", "ab", "z%", "z_", "[", "*", "é", "É", "2", " ", "key", "KEY1", "abc\\",
                    "k", "k1", "K2",
                ])
                .into(),
            ignore_case: random.chance(50),
        },
        7 => Filter::RowidCompare(op, random.pick(&INTS)),
        8 if random.chance(50) => {
            Filter::rowids((0..random.below(90)).map(|_| random.below(300) as i64 - 20))
        }
        8 => Filter::keys((0..random.below(90)).map(|n| format!("k{}", n * 2))),
        9..=11 => Filter::And((0..random.below(4)).map(|_| filter(random, depth - 1)).collect()),
        12..=14 => Filter::Or((0..random.below(4)).map(|_| filter(random, depth - 1)).collect()),
        _ => filter(random, depth - 1).not(),
    }
}

fn schema() -> Schema {
    Schema::new()
        .key("id")
        .text("t")
        .integer("i")
        .full_text("body")
        .real("r")
        .boolean("b")
        .integer("wide")
        .text("many")
        .unindexed("blob")
        .integer("none")
        .vector("embedding", 3, crate::Metric::Cosine)
}

/// The table in SQLite, and its rows in the order of their ords.
fn world(random: &mut Random, shuffled: bool) -> (Connection, Vec<(i64, Vec<Value>)>) {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE d(rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, t TEXT, i INTEGER, r REAL, b BOOLEAN,
             wide INTEGER, many TEXT, none INTEGER)",
        )
        .unwrap();
    let nulls = random.pick(&[0, 10, 50]);
    let count = random.pick(&[0, 1, 63, 64, 65, 150, 200]);
    let mut rows: Vec<(i64, Vec<Value>)> = (0..count)
        .map(|n| {
            let mut values = vec![
                Value::from(random.pick(&TEXTS)),
                Value::Integer(random.below(40) as i64 - 5 + 2000 * (random.below(2) as i64)),
                Value::Real(Some(random.pick(&REALS)).filter(|real| !real.is_nan()).unwrap_or(0.25)),
                Value::Integer(random.below(2) as i64),
                Value::Integer(random.pick(&INTS)),
                Value::Text(format!("Key{}", random.below(400))),
                Value::Null,
            ];
            for value in &mut values {
                if random.chance(nulls) {
                    *value = Value::Null;
                }
            }
            let rowid = if n == 0 && random.chance(20) { i64::MIN } else { n * 2 + 1 };
            (rowid, values)
        })
        .collect();
    if shuffled {
        for at in (1..rows.len()).rev() {
            rows.swap(at, random.below(at + 1));
        }
    }
    let mut insert = connection.prepare("INSERT INTO d VALUES(?,?,?,?,?,?,?,?,?)").unwrap();
    for (rowid, values) in &rows {
        let mut all = vec![Value::Integer(*rowid), Value::Text(format!("k{rowid}"))];
        all.extend(values.iter().cloned());
        insert.execute(params_from_iter(all)).unwrap();
    }
    drop(insert);
    (connection, rows)
}

fn resolver(connection: &Connection) -> impl Fn(KeyTest<'_>) -> Result<Vec<i64>> + '_ {
    |test| {
        let mut all = connection.prepare_cached("SELECT id, rowid FROM d ORDER BY id")?;
        let mut rows = all.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (key, rowid): (String, i64) = (row.get(0)?, row.get(1)?);
            let holds = match test {
                KeyTest::Among(keys) => Some(keys.contains(&key)),
                KeyTest::From(first, _) if key.as_str() < first => Some(false),
                KeyTest::From(_, passes) => passes(&key),
            };
            match holds {
                Some(true) => found.push(rowid),
                Some(false) => {}
                None => break,
            }
        }
        Ok(found)
    }
}

fn columns_of(schema: &Schema, rows: &[(i64, Vec<Value>)]) -> Columns {
    let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
    let built = Columns::build(&types, &mut rows.iter().cloned());
    Columns::decode(&built.encode(), &types, rows.len()).unwrap()
}

#[test]
fn filters_give_the_rows_that_sqlite_gives() {
    let schema = schema();
    let rounds = std::env::var("NEARLITE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60_u64);
    for seed in 0..rounds {
        let mut random = Random(seed);
        let (connection, rows) = world(&mut random, seed % 2 == 1);
        let columns = columns_of(&schema, &rows);
        let resolve = resolver(&connection);
        for step in 0..80 {
            let filter = filter(&mut random, 3);
            let at = format!("seed {seed} step {step}: {filter:?}");
            let mut params = Vec::new();
            let sql = filter.to_sql("d", &schema, &mut params);
            let mut statement = connection
                .prepare(&format!("SELECT rowid FROM d WHERE {sql}"))
                .unwrap_or_else(|error| panic!("{at}\n{sql}\n{error}"));
            let mut expected: Vec<i64> = statement
                .query_map(params_from_iter(&params), |row| row.get(0))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            expected.sort_unstable();

            let predicate =
                filter.bind("d", &schema, &resolve).unwrap_or_else(|error| panic!("{at}\n{error}"));
            let mut got: Vec<i64> =
                predicate.eval(&columns).sure.iter().map(|ord| columns.rowid(ord)).collect();
            got.sort_unstable();
            assert_eq!(got, expected, "eval, {at}\n{sql}");
            let mut got: Vec<i64> = rows
                .iter()
                .filter(|(rowid, values)| predicate.matches(*rowid, values) == Some(true))
                .map(|(rowid, _)| *rowid)
                .collect();
            got.sort_unstable();
            assert_eq!(got, expected, "matches, {at}\n{sql}");

            let json = serde_json::to_string(&filter).unwrap();
            if !at.contains("NaN") && !at.contains("inf") {
                assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter, "{at}");
            }
        }
    }
}

#[test]
fn null_is_told_apart_from_false_row_by_row() {
    let schema = Schema::new().integer("i");
    let none = |_: KeyTest<'_>| Ok(Vec::new());
    let bound = |filter: Filter| filter.bind("d", &schema, &none).unwrap();
    let null = [Value::Null];
    assert_eq!(bound(col("i").eq(1)).matches(1, &null), None);
    assert_eq!(bound(col("i").eq(1).not()).matches(1, &null), None);
    assert_eq!(bound(col("i").eq(1) & col("i").is_not_null()).matches(1, &null), Some(false));
    assert_eq!(bound(col("i").eq(1) | col("i").is_null()).matches(1, &null), Some(true));
    assert_eq!(bound(col("i").is_in(Vec::<i64>::new())).matches(1, &null), Some(false));
    assert_eq!(bound(col("i").is_in([None, Some(1)])).matches(1, &[2.into()]), None);
    assert_eq!(bound(Filter::All).matches(1, &null), Some(true));
}

#[test]
fn a_column_that_cannot_be_filtered_is_refused_with_the_reason() {
    let schema = schema();
    let error = |filter: Filter| filter.check("docs", &schema).unwrap_err().to_string();
    assert_eq!(
        error(col("yaer").eq(1)),
        "docs has no column yaer; columns that can be filtered: id, t, i, r, b, wide, many, none"
    );
    assert!(
        error(col("embedding").eq(1)).contains("docs.embedding cannot be filtered: it is a vector column")
    );
    assert!(error(col("body").eq("x")).contains("FULLTEXT"));
    assert!(error(col("blob").eq("x")).contains("UNINDEXED"));
    for filter in [col("i").like_prefix("x"), col("r").like("x"), col("rowid").contains("x")] {
        assert!(error(filter).contains("only a TEXT column or a text key is filtered by a piece of text"));
    }
    assert_eq!(error(col("t").like("x".repeat(1025))), "docs.t: a pattern has up to 1024 bytes, got 1025");
    assert!(error(!(col("i").eq(1) & !col("nope").eq(2))).contains("nope"));
    let deep = (0..300).fold(Filter::All, |filter, _| Filter::Not(Box::new(filter)));
    assert!(matches!(deep.check("docs", &schema), Err(Error::Limit { .. })));
    assert!(col("ROWID").ge(2).and(col("T").eq("x")).check("docs", &schema).is_ok());
}

#[test]
fn equal_predicates_share_a_cache_key_and_large_ones_have_none() {
    let schema = schema();
    let none = |_: KeyTest<'_>| Ok(vec![7]);
    let key = |filter: Filter| filter.bind("d", &schema, &none).unwrap().cache_key();
    assert_eq!(key(col("i").eq(2020)), key(col("I").eq("2020")));
    assert_ne!(key(col("i").eq(2020)), key(col("wide").eq(2020)));
    assert_ne!(key(col("r").eq(0.1)), key(col("r").eq(0.1 + f64::EPSILON)));
    assert!(key(col("id").eq("x")).unwrap().contains('7'));
    assert_eq!(key(Filter::rowids(0..100_000)), None);
}

#[test]
fn a_tree_deeper_than_the_stack_is_refused_and_dropped() {
    const LEVELS: usize = 200_000;
    let schema = Schema::new().integer("year");
    let year = || col("year").eq(1);
    let chained = (0..LEVELS).fold(year(), |tree, at| match at % 3 {
        0 => tree.and(year()),
        1 => tree.or(year()),
        _ => tree.not(),
    });
    let built = (0..LEVELS).fold(year(), |tree, at| match at % 3 {
        0 => Filter::And(vec![year(), tree]),
        1 => Filter::Or(vec![tree]),
        _ => Filter::Not(Box::new(tree)),
    });
    for deep in [chained, built] {
        assert!(matches!(deep.check("docs", &schema), Err(Error::Limit { .. })));
    }
}

#[test]
fn a_thousand_terms_are_not_too_deep_for_sqlite() {
    let (connection, _) = world(&mut Random(5), false);
    let filter = Filter::Or((0..5000).map(|n| col("i").eq(n)).collect());
    let mut params = Vec::new();
    let sql = filter.to_sql("d", &schema(), &mut params);
    connection
        .query_row(&format!("SELECT count(*) FROM d WHERE {sql}"), params_from_iter(&params), |_| Ok(()))
        .unwrap();
}

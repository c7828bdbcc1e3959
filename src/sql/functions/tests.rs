use super::super::register;
use super::*;
use crate::value::Value;

fn open() -> Connection {
    let c = Connection::open_in_memory().unwrap();
    register(&c).unwrap();
    c
}

fn one(c: &Connection, sql: &str) -> Value {
    c.query_row(&format!("SELECT {sql}"), [], |row| Ok(Value::from(row.get_ref(0)?)))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn text(c: &Connection, sql: &str) -> String {
    one(c, sql).as_text().unwrap_or_else(|| panic!("{sql} is no text")).to_owned()
}

fn real(c: &Connection, sql: &str) -> f64 {
    let Value::Real(value) = one(c, sql) else { panic!("{sql} is no REAL") };
    value
}

fn refused(c: &Connection, sql: &str) -> String {
    match c.query_row(&format!("SELECT {sql}"), [], |row| Ok(Value::from(row.get_ref(0)?))) {
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) => message,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn constructors_mark_their_vectors() {
    let c = open();
    assert_eq!(one(&c, "vec_f32('[1,2]')"), Value::Blob(vec![0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]));
    assert_eq!(one(&c, "vec_int8('[1,-2,127]')"), Value::Blob(vec![1, 0xfe, 0x7f]));
    assert_eq!(one(&c, "vec_bit(x'f0')"), Value::Blob(vec![0xf0]));
    for (vector, name, subtype, length) in [
        ("'[1]'", "float32", 0, 1),
        ("x'0000803f'", "float32", 0, 1),
        ("vec_f32('[1]')", "float32", 223, 1),
        ("vec_int8('[1,2,3]')", "int8", 225, 3),
        ("vec_int8(x'010203')", "int8", 225, 3),
        ("vec_bit(x'f0f0')", "bit", 224, 16),
        ("vec_slice(vec_bit(x'f0f0'), 0, 8)", "bit", 224, 8),
        ("vec_slice('[1,2]', 0, 1)", "float32", 223, 1),
        ("vec_add(vec_int8('[1]'), vec_int8('[1]'))", "int8", 225, 1),
        ("vec_normalize('[1]')", "float32", 223, 1),
        ("vec_quantize_binary('[1,1,1,1,1,1,1,1]')", "bit", 224, 8),
    ] {
        assert_eq!(text(&c, &format!("vec_type({vector})")), name, "{vector}");
        assert_eq!(one(&c, &format!("vec_length({vector})")), Value::Integer(length), "{vector}");
        assert_eq!(one(&c, &format!("subtype({vector})")), Value::Integer(subtype), "{vector}");
    }
}

#[test]
fn vectors_are_added_sliced_normalized_and_quantized_as_in_sqlite_vec() {
    let c = open();
    for (sql, json) in [
        ("'[1,2.5,0.1]'", "[1.0,2.5,0.1]"),
        ("vec_int8('[1,-2]')", "[1,-2]"),
        ("vec_bit(x'f1')", "[1,0,0,0,1,1,1,1]"),
        ("vec_add('[1,2]', '[3,4]')", "[4.0,6.0]"),
        ("vec_sub('[1,2]', '[3,5]')", "[-2.0,-3.0]"),
        ("vec_add(vec_int8('[1,100]'), vec_int8('[3,100]'))", "[4,-56]"),
        ("vec_sub(vec_int8('[-100]'), vec_int8('[100]'))", "[56]"),
        ("vec_normalize('[3,4]')", "[0.6,0.8]"),
        ("vec_normalize('[0,0]')", "[0.0,0.0]"),
        ("vec_normalize('[0,3e38]')", "[0.0,1.0]"),
        ("vec_slice('[1,2,3]', 0, 2)", "[1.0,2.0]"),
        ("vec_slice(vec_int8('[1,2,3]'), 1, 3)", "[2,3]"),
        ("vec_slice(vec_bit(x'f00f'), 8, 16)", "[1,1,1,1,0,0,0,0]"),
        ("vec_quantize_binary('[1,-1,1,0,-2,3,4,5]')", "[1,0,1,0,0,1,1,1]"),
        // What sqlite-vec 0.1.9 returns: fractions are cut off, and 1 is 126.
        ("vec_quantize_int8('[-1,-0.5,0,0.003,0.004,0.5,0.996,1]', 'unit')", "[-128,-64,0,0,0,63,126,126]"),
        ("vec_quantize_int8('[-2,2,1.1]', 'UNIT')", "[-128,127,127]"),
        ("vec_quantize_binary(vec_int8('[1,-1,1,0,-2,3,4,5]'))", "[1,0,1,0,0,1,1,1]"),
    ] {
        assert_eq!(text(&c, &format!("vec_to_json({sql})")), json, "{sql}");
    }
    assert_eq!(one(&c, "vec_quantize_binary('[1,-1,1,0,-2,3,4,5]')"), Value::Blob(vec![0xe5]));
    assert_eq!(one(&c, "json_extract(vec_to_json('[1,2]'), '$[1]')"), Value::Real(2.0));
    assert_eq!(text(&c, "json_object('v', vec_to_json('[1]'))"), "{\"v\":[1.0]}");
}

#[test]
fn distances_are_those_of_sqlite_vec_where_it_has_one() {
    let c = open();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    near(real(&c, "vec_distance_cosine('[1,2]', '[2,1]')"), 0.2);
    near(real(&c, "vec_distance_cosine(vec_int8('[1,2]'), vec_int8('[2,1]'))"), 0.2);
    near(real(&c, "vec_distance_cosine('[0,0]', '[2,1]')"), 1.0);
    near(real(&c, "vec_distance_cosine('[1,2]', '[-2,-4]')"), 2.0);
    near(real(&c, "vec_distance_ip('[1,2]', '[2,4]')"), -10.0);
    near(real(&c, "vec_distance_ip(vec_int8('[1,-128]'), vec_int8('[2,127]'))"), 128.0 * 127.0 - 2.0);
    assert!(real(&c, "vec_distance_ip('[0,0]', '[2,4]')").is_sign_positive(), "-0 is not shown");
    near(real(&c, "vec_distance_l2('[1,2]', '[2,4]')"), 5_f64.sqrt());
    near(
        real(&c, "vec_distance_L2(vec_int8('[1,-128]'), vec_int8('[2,127]'))"),
        (1_f64 + 255.0 * 255.0).sqrt(),
    );
    near(real(&c, "vec_distance_l1('[1,2,3,4,5]', '[2,4,3,4,0]')"), 8.0);
    assert_eq!(one(&c, "vec_distance_l1(vec_int8('[1,-128]'), vec_int8('[2,127]'))"), Value::Integer(256));
    near(real(&c, "vec_distance_hamming(vec_bit(x'f0'), vec_bit(x'0e'))"), 7.0);
    let distance = real(&c, "vec_distance_cosine('[0.1,0.2,0.3]', '[0.1,0.2,0.3]')");
    assert!((0.0..1e-12).contains(&distance), "never below zero: {distance}");
}

#[test]
fn errors_name_the_function_and_the_argument() {
    let c = open();
    for (sql, part) in [
        ("vec_f32('[]')", "vec_f32: a vector has at least 1 dimension"),
        ("vec_f32('[1,2')", "vec_f32: the JSON array ends"),
        ("vec_f32(1)", "vec_f32: a vector is a BLOB"),
        ("vec_f32(NULL)", "got NULL"),
        ("vec_f32(vec_int8('[1,2,3,4]'))", "got one of int8"),
        ("vec_f32(x'0000c07f')", "value NaN at index 0"),
        ("vec_int8('[128]')", "vec_int8: 128 at index 0"),
        ("vec_int8('[1,1.5]')", "1.5 at index 1"),
        ("vec_int8(x'')", "at least 1 dimension"),
        ("vec_int8(vec_f32('[1]'))", "another type"),
        ("vec_bit('[1,0]')", "vec_bit: expected a BLOB, got TEXT"),
        ("vec_bit(x'')", "at least 1 dimension"),
        ("vec_bit(vec_f32('[1]'))", "vec_quantize_binary"),
        ("vec_add('[1,2]', '[3]')", "vec_add: the first vector has 2 dimensions, the second 1"),
        ("vec_add('[1]', x'0102')", "vec_add: argument 2: a vector BLOB has 4 bytes"),
        ("vec_add(vec_int8('[1]'), '[1]')", "the first vector is int8, the second float32"),
        ("vec_add(vec_bit(x'f0'), vec_bit(x'0f'))", "bit vectors cannot"),
        ("vec_add('[3e38]', '[3e38]')", "too large"),
        ("vec_normalize(vec_int8('[1]'))", "only float32"),
        ("vec_slice('[1,2,3]', 1, 1)", "1..1 is not a part of a vector of 3 dimensions"),
        ("vec_slice('[1,2,3]', 0, 4)", "0..4 is not"),
        ("vec_slice('[1,2,3]', -1, 2)", "-1..2 is not"),
        ("vec_slice('[1,2,3]', 'a', 2)", "start must be an integer"),
        ("vec_slice(vec_bit(x'f00f'), 1, 16)", "multiples of 8"),
        ("vec_distance_cosine(vec_bit(x'f0'), vec_bit(x'0f'))", "vec_distance_hamming()"),
        ("vec_distance_l2('[1]', NULL)", "vec_distance_l2: argument 2: a vector is"),
        ("vec_distance_hamming('[1]', '[1]')", "needs bit vectors, got float32"),
        ("vec_quantize_binary('[1,2,3]')", "multiple of 8, got 3"),
        ("vec_quantize_int8('[1]', 'byte')", "argument 2 must be 'unit'"),
        ("vec_quantize_int8('[1]', NULL)", "argument 2 must be 'unit'"),
        ("vec_quantize_int8(vec_int8('[1]'), 'unit')", "got one of int8"),
        ("vec_distance_ip(vec_bit(x'f0'), vec_bit(x'0f'))", "vec_distance_hamming()"),
        ("hybrid_query(1, '[1]')", "hybrid_query: the query text must be TEXT, got INTEGER"),
        ("hybrid_query('x', 1)", "hybrid_query: the vector is a BLOB"),
        ("hybrid_query('x', '[1]', 5)", "the options must be TEXT"),
    ] {
        let message = refused(&c, sql);
        assert!(message.contains(part), "{sql}: {message} lacks {part:?}");
    }
}

#[test]
fn vec_each_lists_the_elements() {
    let c = open();
    let all = |sql: &str| -> Vec<(i64, Value)> {
        let mut statement = c.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, Value::from(row.get_ref(1)?)))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(all("SELECT rowid, value FROM vec_each('[1,2.5]')"), [(0, 1.0.into()), (1, 2.5.into())]);
    assert_eq!(all("SELECT rowid, value FROM vec_each(vec_int8('[-2]'))"), [(0, (-2).into())]);
    assert_eq!(
        all("SELECT rowid, value FROM vec_each(vec_bit(x'f1')) WHERE value = 0 LIMIT 1"),
        [(1, 0.into())]
    );
    c.execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES('[1,2]'), ('[3]')").unwrap();
    assert_eq!(all("SELECT count(*), sum(value) FROM t, vec_each(t.v)"), [(3, 6.0.into())]);
    assert!(refused(&c, "value FROM vec_each(NULL)").contains("vec_each: a vector is"));
    assert!(refused(&c, "value FROM vec_each('[]')").contains("vec_each"));
}

#[test]
fn hybrid_query_carries_its_arguments_as_a_pointer() {
    let c = open();
    register_function(&c, "show", 1, |out, args| {
        let query = Carried::of(args, 0)?;
        out.set_text(&format!("{query:?}"));
        Ok(())
    })
    .unwrap();
    let shown = text(&c, "show(hybrid_query('words', vec_f32('[0]'), '{\"k\":60}'))");
    let near = |column: Option<&str>, vector, subtype, options| {
        LegValue::Near(NearValue { column: column.map(str::to_owned), vector, subtype, options })
    };
    let plain = LegOptions::default;
    let text_of = |text: &str, options| LegValue::Text(TextValue { text: text.into(), options });
    let query = HybridQuery {
        legs: vec![near(None, Value::Blob(vec![0; 4]), 223, plain()), text_of("words", plain())],
        options: Some("{\"k\":60}".into()),
    };
    assert_eq!(shown, format!("{:?}", Some(Carried::Hybrid(query))));
    let empty = HybridQuery { legs: Vec::new(), options: None };
    assert_eq!(text(&c, "show(hybrid_query(NULL, NULL))"), format!("{:?}", Some(Carried::Hybrid(empty))));
    let shown = text(
        &c,
        "show(hybrid_query(words('a'), near('t', '[1]', '{\"weight\":2,\"depth\":5,\"max_distance\":0.5}'), near(NULL, '[2]'),
           near('u', NULL), text_query('b', '{\"column\":\"c\",\"min_bm25\":1}'), 'd', ' {\"mmr\":1}'))",
    );
    let bound = |bound| LegOptions { bound: Some(bound), ..plain() };
    let legs = vec![
        text_of("a", LegOptions { text: crate::text::Syntax::Words.into(), ..plain() }),
        near(Some("t"), "[1]".into(), 0, LegOptions { weight: Some(2.0), depth: Some(5), ..bound(0.5) }),
        near(None, "[2]".into(), 0, plain()),
        text_of("b", LegOptions { column: Some("c".into()), ..bound(1.0) }),
        text_of("d", plain()),
    ];
    assert_eq!(
        shown,
        format!("{:?}", Some(Carried::Hybrid(HybridQuery { legs, options: Some(" {\"mmr\":1}".into()) })))
    );
    for (call, word) in [
        ("hybrid_query()", "legs"),
        ("hybrid_query(near('t', '[1]'), x'00')", "near('column', vector)"),
        ("near('t', '[1]', '{\"wieght\":1}')", "wieght"),
        ("near('t', 3)", "INTEGER"),
        ("near('t', '[1]', '{\"min_bm25\":1}')", "max_distance"),
    ] {
        assert!(refused(&c, call).contains(word), "{call}");
    }
    assert_eq!(text(&c, "show('nearlite_hybrid')"), "None");
    c.execute_batch("CREATE TABLE kept AS SELECT hybrid_query('x', '[1]') AS q").unwrap();
    assert_eq!(text(&c, "show(q) FROM kept"), text(&c, "show(hybrid_query('x', '[1]'))"));
    assert!(
        refused(&c, "show(substr(q, 1, length(q) - 1)) FROM kept")
            .contains("was changed on its way to MATCH")
    );
}

#[test]
fn functions_work_in_indexes_views_and_untrusted_schemas() {
    let c = open();
    c.execute_batch(
        "CREATE TABLE t(v);
         CREATE INDEX i ON t(vec_length(v));
         CREATE VIEW w AS SELECT vec_to_json(v) AS j, (SELECT count(*) FROM vec_each(v)) AS n FROM t;
         INSERT INTO t VALUES('[1,2]');
         PRAGMA trusted_schema = 0;",
    )
    .unwrap();
    assert_eq!(text(&c, "j FROM w"), "[1.0,2.0]");
    assert_eq!(one(&c, "n FROM w"), Value::Integer(2));
}

#[test]
fn registering_again_is_fine_even_while_a_statement_runs() {
    let c = open();
    register(&c).unwrap();
    let mut statement = c.prepare("SELECT vec_version() UNION SELECT nearlite_version()").unwrap();
    let mut rows = statement.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    register(&c).unwrap();
    assert!(rows.next().unwrap().is_some());
}

use super::*;
use crate::schema::{IndexKind, VectorSpec};
use crate::text_options::{Fuzzy, Minimum, Operator, Syntax, TextOptions};
use crate::vector::{Codes, Metric, Store};
use proptest::prelude::*;

fn ok(declared: &[&str]) -> Schema {
    parse("docs", declared).unwrap_or_else(|error| panic!("{declared:?}: {error}"))
}

fn refused(declared: &str) -> String {
    parse("docs", &[declared]).map(|schema| panic!("{declared}: {schema:?}")).unwrap_err().to_string()
}

#[test]
fn the_example_of_the_manual_parses() {
    let schema = ok(&[
        "id        TEXT PRIMARY KEY",
        "title     TEXT FULLTEXT WEIGHT 2.0",
        "body      TEXT FULLTEXT",
        "lang      TEXT",
        "year      INTEGER NOT NULL",
        "payload   TEXT UNINDEXED",
        "embedding VECTOR(384) METRIC cosine",
        "tokenizer = 'en_stem'",
        "model     = 'all-MiniLM-L6-v2'",
    ]);
    let expected = Schema::new()
        .key("id")
        .full_text_weighted("title", 2.0)
        .full_text("body")
        .text("lang")
        .integer("year")
        .not_null()
        .unindexed("payload")
        .vector("embedding", 384, Metric::Cosine)
        .tokenizer("en_stem")
        .model("all-MiniLM-L6-v2");
    assert_eq!(schema.columns[5].declared.as_deref(), Some("TEXT"));
    assert_eq!(untyped(schema), expected);
}

/// Without the types in front of UNINDEXED.
fn untyped(mut schema: Schema) -> Schema {
    schema.columns.iter_mut().for_each(|column| column.declared = None);
    schema
}

#[test]
fn every_scalar_type_has_its_synonyms_in_any_case() {
    let schema = ok(&[
        "a text",
        "b Int",
        "c INTEGER",
        "d real",
        "e DOUBLE",
        "f float",
        "g bool",
        "h BOOLEAN not null",
    ]);
    let types: Vec<_> = schema.metadata().map(|(_, kind)| kind).collect();
    use ColumnType::{Boolean, Integer, Real, Text};
    assert_eq!(types, [Text, Integer, Integer, Real, Real, Real, Boolean, Boolean]);
    assert!(schema.columns[7].not_null && !schema.columns[6].not_null);
}

#[test]
fn keys_full_text_and_stored_columns_take_their_words_in_any_order() {
    assert_eq!(ok(&["id INTEGER PRIMARY KEY"]), Schema::new().integer_key("id"));
    assert_eq!(ok(&["id TEXT NOT NULL PRIMARY KEY"]), Schema::new().key("id"));
    assert_eq!(ok(&["t FULLTEXT"]), Schema::new().full_text("t"));
    assert_eq!(
        ok(&["t TEXT NOT NULL FULLTEXT WEIGHT .5"]),
        Schema::new().full_text_weighted("t", 0.5).not_null()
    );
    assert_eq!(
        ok(&["t TEXT FULLTEXT NOT NULL WEIGHT 1e1"]),
        Schema::new().full_text_weighted("t", 10.0).not_null()
    );
    for (stored, declared) in [
        ("p UNINDEXED", None),
        ("p JSON UNINDEXED", Some("JSON")),
        ("p BLOB UNINDEXED", Some("BLOB")),
        ("p VARCHAR(20) UNINDEXED", Some("VARCHAR(20)")),
        ("p INT NOT NULL UNINDEXED", Some("INT")),
    ] {
        let schema = ok(&[stored]);
        assert_eq!(schema.columns[0].declared.as_deref(), declared, "{stored}");
        assert_eq!(schema.columns[0].kind, ColumnKind::Unindexed, "{stored}");
    }
    assert_eq!(untyped(ok(&["p JSON UNINDEXED NOT NULL"])), Schema::new().unindexed("p").not_null());
    let defaults = ok(&[
        "a INT DEFAULT -5 NOT NULL",
        "b REAL NOT NULL DEFAULT +1e-2",
        "c TEXT NOT NULL DEFAULT 'it''s'",
    ]);
    let of = |at: usize| defaults.columns[at].default.clone();
    assert_eq!([of(0), of(1), of(2)], [Some((-5).into()), Some(0.01.into()), Some("it's".into())]);
    assert_eq!(ok(&["p JSON"]), Schema::new().json("p"));
    assert_eq!(ok(&["p json NOT NULL"]), Schema::new().json("p").not_null());
}

#[test]
fn every_vector_option_parses_in_any_order() {
    let hnsw = |m, ef_construction| IndexKind::Hnsw { m, ef_construction };
    for (text, metric, index, codes, store) in [
        ("v VECTOR(3)", Metric::Cosine, hnsw(16, 128), Codes::Int8, Store::F32),
        ("v vector[3] metric L2", Metric::L2, hnsw(16, 128), Codes::Int8, Store::F32),
        ("v FLOAT[3] METRIC ip INDEX flat", Metric::Ip, IndexKind::Flat, Codes::Int8, Store::F32),
        ("v float [ 3 ] index HNSW codes none", Metric::Cosine, hnsw(16, 128), Codes::None, Store::F32),
        ("v VECTOR( 3 ) INDEX hnsw ( m = 24 )", Metric::Cosine, hnsw(24, 128), Codes::Int8, Store::F32),
        ("v VECTOR(3) INDEX hnsw()", Metric::Cosine, hnsw(16, 128), Codes::Int8, Store::F32),
        (
            "v VECTOR(3) STORE f16 CODES bit INDEX hnsw(ef_construction=200, m=8) METRIC ip",
            Metric::Ip,
            hnsw(8, 200),
            Codes::Bit,
            Store::F16,
        ),
    ] {
        let spec = VectorSpec { dim: 3, metric, index, codes, store };
        assert_eq!(ok(&[text]), Schema::new().vector_with("v", spec), "{text}");
    }
    assert!(ok(&["v VECTOR(3) NOT NULL METRIC l2"]).columns[0].not_null);
}

#[test]
fn names_may_be_quoted_and_comments_stand_anywhere() {
    let schema = ok(&["\"my \"\"id\"\"\" TEXT", "[a b] TEXT", "`c``d` TEXT", "über TEXT", "\"text\" TEXT"]);
    let names: Vec<_> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["my \"id\"", "a b", "c`d", "über", "text"]);
    let schema =
        ok(&["v VECTOR(3) -- dimensions\n /* of the model */ METRIC l2 -- end", "  ", "-- only words"]);
    assert_eq!(schema, Schema::new().vector("v", 3, Metric::L2));
    assert_eq!(ok(&["a TEXT", "MODEL = \"m\"", "Tokenizer=en_stem"]).tokenizer.as_deref(), Some("en_stem"));
    assert_eq!(ok(&["a TEXT", "model = 'it''s'"]).model.as_deref(), Some("it's"));
}

#[test]
fn a_misspelt_word_is_shown_with_what_is_allowed_there() {
    for (declared, parts) in [
        ("lang TXET", vec!["docs.lang", "TXET", "did you mean TEXT?", "INTEGER"]),
        ("v VECTR(3)", vec!["VECTR", "did you mean VECTOR(n)?"]),
        ("v VECTOR(3) METRC l2", vec!["METRC", "did you mean METRIC?", "INDEX, CODES, STORE"]),
        ("v VECTOR(3) METRIC cosin", vec!["cosin", "did you mean cosine?", "cosine, l2, ip"]),
        ("v VECTOR(3) METRIC euclidean", vec!["euclidean", "cosine, l2, ip"]),
        ("v VECTOR(3) INDEX hsnw", vec!["hsnw", "did you mean hnsw?", "flat"]),
        ("v VECTOR(3) INDEX hnsw(efc=3)", vec!["efc", "m, ef_construction"]),
        ("v VECTOR(3) CODES int4", vec!["int4", "did you mean int8?"]),
        ("v VECTOR(3) STORE f8", vec!["f8", "f32, f16"]),
        ("t TEXT FULTEXT", vec!["FULTEXT", "did you mean FULLTEXT?"]),
        ("t TEXT FULLTEXT WIEGHT 2", vec!["WIEGHT", "did you mean WEIGHT?"]),
        ("t TEXT PRIMRY KEY", vec!["PRIMRY", "did you mean PRIMARY KEY?"]),
        ("t TEXT PRIMARY KY", vec!["KY", "did you mean KEY?"]),
        ("t TEXT NOT NUL", vec!["NUL", "did you mean NULL?"]),
        ("p BLOB", vec!["docs.p", "BLOB UNINDEXED", "VECTOR(n)"]),
        ("t TEXT UNIQUE", vec!["UNIQUE", "PRIMARY KEY"]),
        ("t TEXT COLLATE NOCASE", vec!["COLLATE"]),
        ("tokenize = 'x'", vec!["docs: tokenize ", "did you mean tokenizer?"]),
        ("oversample = 3", vec!["oversample", "tokenizer, model"]),
        ("content = 'articles'", vec!["content=", "not supported yet"]),
        ("lang", vec!["docs.lang", "needs a type", "TEXT, INTEGER"]),
    ] {
        let message = refused(declared);
        for part in parts {
            assert!(message.contains(part), "{declared}: {message} lacks {part:?}");
        }
    }
}

#[test]
fn a_word_of_another_database_is_answered_with_the_word_of_ours() {
    for (declared, part) in [
        ("v FLOAT[3] distance_metric=cosine", "(write METRIC cosine)"),
        ("v FLOAT[3] distance_metric=L2", "(write METRIC l2)"),
        ("v FLOAT[3] distance_metric=dot", "METRIC ip"),
        ("v FLOAT[3] distance_metric=l1", "cosine, l2 or ip only"),
        ("v FLOAT[3] distance_metric", "METRIC cosine"),
        ("distance_metric = cosine", "VECTOR(n) METRIC"),
        ("v VECTOR(3) METRIC euclidean", "(write METRIC l2"),
        ("v VECTOR(3) METRIC DOT", "(write METRIC ip"),
        ("v VECTOR(3) METRIC inner_product", "(write METRIC ip"),
        ("v VECTOR(3) METRIC cos", "(write METRIC cosine)"),
        ("v VECTOR(3) METRIC hamming", "cosine, l2 or ip only"),
        ("v VECTOR(3) METRIC = l2", "(write METRIC without =)"),
        ("v VECTOR(3) vector_l2_ops", "METRIC l2"),
        ("v int8[4]", "(write VECTOR(4) CODES int8)"),
        ("v INT8(4)", "(write VECTOR(4) CODES int8)"),
        ("v int8[]", "(write VECTOR(n) CODES int8)"),
        ("v bit[8]", "(write VECTOR(8) CODES bit)"),
        ("v halfvec(8)", "(write VECTOR(8) STORE f16)"),
        ("v sparsevec(8)", "no sparse vectors"),
        ("n int8", "(write INTEGER)"),
        ("n bit", "(write BOOLEAN)"),
        ("n BIGINT", "(write INTEGER)"),
        ("n NUMERIC(10, 2)", "INTEGER or REAL"),
        ("n INT(11)", "a length is not declared"),
        ("n DOUBLE PRECISION", "leave it out"),
        ("+aux TEXT", "write aux UNINDEXED"),
        ("u TEXT partition key", "leave PARTITION KEY out"),
        ("v VECTOR(3) partition key", "leave PARTITION KEY out"),
        ("chunk_size = 8", "leave it out"),
        ("t VARCHAR(64)", "write TEXT"),
        ("t UUID", "write TEXT"),
        ("t DATE", "ISO 8601"),
        ("t DATETIME NOT NULL", "ISO 8601"),
        ("t TEXT COLLATE NOCASE", "write COLLATE in the query"),
        ("t TEXT NOT NULL UNIQUE", "only a key is unique"),
        ("t TEXT FULLTEXT DEFAULT 'x'", "has no default"),
        ("t TEXT CHECK (t <> '')", "NOT NULL and its key only"),
        ("t TEXT NULL", "NULL is allowed"),
        ("t TEXT[]", "one value"),
        ("j JSONB", "write JSON for objects to filter by, UNINDEXED for"),
        ("j JSON PRIMARY KEY", "a PRIMARY KEY must be TEXT or INTEGER"),
        ("j JSON FULLTEXT", "FULLTEXT needs TEXT, not JSON"),
        ("PRIMARY KEY (id)", "after the type of its column"),
        ("UNIQUE (a, b)", "after the type of its column"),
        ("v VECTOR(3) CODES binary", "(write CODES bit)"),
        ("v VECTOR(3) STORE half", "(write STORE f16)"),
        ("v VECTOR(3) INDEX ivfflat", "(write INDEX hnsw)"),
    ] {
        let message = refused(declared);
        assert!(message.contains(part), "{declared}: {message} lacks {part:?}");
    }
}

#[test]
fn wrong_numbers_brackets_and_repetitions_are_refused() {
    for (declared, part) in [
        ("v VECTOR", "VECTOR(384)"),
        ("v VECTOR()", "number"),
        ("v VECTOR(3", "ends too early"),
        ("v VECTOR(3]", "expected one of: )"),
        ("v VECTOR(-3)", "got -3"),
        ("v VECTOR(3.5)", "got 3.5"),
        ("v VECTOR(0)", "1 to 16384"),
        ("v VECTOR(16385)", "1 to 16384"),
        ("v VECTOR('3')", "got '3'"),
        ("v FLOAT(3)", "VECTOR(n)"),
        ("v VECTOR(3) METRIC l2 METRIC l2", "METRIC is given twice"),
        ("v VECTOR(3) INDEX hnsw(m=1)", "m must be 2 to 256"),
        ("v VECTOR(3) INDEX hnsw(m=70000)", "m must be a number in range"),
        ("v VECTOR(3) INDEX hnsw(m=4, m=5)", "m is given twice"),
        ("v VECTOR(3) INDEX hnsw(m 4)", "expected one of: ="),
        ("v VECTOR(3) INDEX hnsw(m=4", "expected one of: ,"),
        ("v VECTOR(3) FULLTEXT", "FULLTEXT is not understood"),
        ("v VECTOR(3) UNINDEXED", "UNINDEXED is not understood"),
        ("t FULLTEXT WEIGHT x", "got x"),
        ("t FULLTEXT WEIGHT -1", "positive"),
        ("t FULLTEXT WEIGHT inf", "positive"),
        ("t FULLTEXT WEIGHT", "got nothing"),
        ("t INTEGER FULLTEXT", "FULLTEXT needs TEXT"),
        ("t TEXT NOT NULL FULLTEXT NOT NULL", "NOT NULL is given twice"),
        ("t TEXT PRIMARY KEY FULLTEXT", "FULLTEXT is not understood"),
        ("t REAL PRIMARY KEY", "TEXT or INTEGER"),
        ("t INTEGER PRIMARY KEY AUTOINCREMENT", "AUTOINCREMENT"),
        ("rank REAL", "reserved"),
        ("Docs TEXT", "reserved"),
        ("\"\" TEXT", "no usable name"),
        ("\"open TEXT", "without its end"),
        ("[open TEXT", "without its ]"),
        ("= TEXT", "cannot start a column"),
        ("'t' TEXT", "cannot start a column"),
        ("model = ", "needs a value"),
        ("model = 'a' 'b'", "expected a comma"),
        ("", "at least one column"),
    ] {
        let message = refused(declared);
        assert!(message.contains(part), "{declared}: {message} lacks {part:?}");
    }
    assert!(parse("d", &["a TEXT", "A INT"]).unwrap_err().to_string().contains("declared twice"));
    assert!(parse("d", &["a TEXT", "model=x", "model=y"]).unwrap_err().to_string().contains("given twice"));
}

prop_compose! {
    fn column()(
        name in "[a-zA-Z \"`'\\[\\]_ä]{1,12}",
        pick in 0..9_usize,
        not_null: bool,
        weight in 0.001_f32..1000.0,
        dim in 1..=16_384_usize,
        m in 2..=256_u16,
        ef_construction in 4..=4096_u16,
        choices in (0..3_usize, 0..3_usize, 0..2_usize, any::<bool>()),
        (number, text) in (any::<i32>(), "[^\\x00]{0,9}"),
        tokenizer in prop::option::of("[a-z '_=]{1,9}"),
    ) -> Column {
        let kind = match pick {
            0 => ColumnKind::FullText { weight, tokenizer },
            1 => ColumnKind::Unindexed,
            2 => ColumnKind::Metadata(ColumnType::Text),
            3 => ColumnKind::Metadata(ColumnType::Integer),
            4 => ColumnKind::Metadata(ColumnType::Real),
            5 => ColumnKind::Metadata(ColumnType::Boolean),
            _ => ColumnKind::Vector(VectorSpec {
                dim,
                metric: [Metric::Cosine, Metric::L2, Metric::Ip][choices.0],
                index: if choices.3 { IndexKind::Flat } else { IndexKind::Hnsw { m, ef_construction } },
                codes: [Codes::Int8, Codes::None, Codes::Bit][choices.1],
                store: [Store::F32, Store::F16][choices.2],
            }),
        };
        let default = match pick {
            1 | 2 => Some(Value::Text(text)),
            3 => Some(number.into()),
            4 => Some(Value::Real(f64::from(number) / 8.0)),
            _ => None,
        };
        Column { name, kind, not_null, default: default.filter(|_| not_null && choices.3), declared: None }
    }
}

prop_compose! {
    fn text_options()(
        needs in 0..4_usize,
        count in 0..9_u32,
        share in 1..=10_000_u32,
        prefix_last: Option<bool>,
        fuzzy in 0..5_u8,
        stop_words in prop::option::of("[a-z ',]{0,9}"),
        words: bool,
    ) -> TextOptions {
        let mut options = match needs {
            0 => TextOptions::new(),
            1 => TextOptions::new().operator(Operator::And),
            2 => TextOptions::new().minimum_match(Minimum::Words(count)),
            _ => TextOptions::new().operator(Operator::Or).minimum_match(Minimum::Share(share)),
        };
        options = match fuzzy {
            0 => options,
            1 => options.fuzzy(Fuzzy::Auto),
            errors => options.fuzzy(Fuzzy::Distance(errors - 2)),
        };
        if let Some(on) = prefix_last {
            options = options.prefix_last(on);
        }
        if let Some(list) = stop_words {
            options = options.stop_words(list);
        }
        if words { options.syntax(Syntax::Words) } else { options }
    }
}

#[test]
fn options_of_texts_are_read_and_their_mistakes_explained() {
    let text = |option: &str| {
        parse("d", &["a FULLTEXT TOKENIZER 'code' WEIGHT 2", option]).map(|schema| schema.text)
    };
    let of = |option: &str| text(option).unwrap();
    assert_eq!(of("operator=AND"), TextOptions::new().operator(Operator::And));
    assert_eq!(of("minimum_match='75%'"), TextOptions::new().minimum_match(Minimum::share(0.75)));
    assert_eq!(of("minimum_match = 0.75"), of("minimum_match='75%'"));
    assert_eq!(of("minimum_match = 2"), TextOptions::new().minimum_match(Minimum::Words(2)));
    assert_eq!(of("prefix_last=true"), of("PREFIX_LAST = 1"));
    assert_eq!(of("fuzzy=auto"), of("fuzzy = true"));
    assert_eq!(of("fuzzy=2"), TextOptions::new().fuzzy(Fuzzy::Distance(2)));
    assert_eq!(of("stop_words='2 the'"), TextOptions::new().stop_words("2 the"));
    assert_eq!(of("stop_words=2"), TextOptions::new().stop_words("2"));
    assert_eq!(of("syntax=words"), TextOptions::from(Syntax::Words));
    for (option, says) in [
        ("operator=xor", "d: operator must be \"or\" or \"and\", got 'xor'"),
        (
            "minimum_match='101%'",
            "minimum_match must be a number of words, or a share of them such as \"75%\" or 0.75",
        ),
        ("minimum_match='-1'", "minimum_match must be a number of words"),
        ("fuzzy=3", "fuzzy must be \"auto\", true, false, or a number of typing errors from 0 to 2, got '3'"),
        ("prefix_last=2", "prefix_last must be true or false"),
        ("weights='{}'", "weights is not understood here"),
        ("a2 FULLTEXT TOKENIZER", "TOKENIZER needs a name"),
        ("a2 FULLTEXT TOKENIZER x TOKENIZER y", "TOKENIZER is given twice"),
        ("a2 TEXT TOKENIZER x", "TOKENIZER is not understood here"),
    ] {
        let error = text(option).unwrap_err().to_string();
        assert!(error.contains(says), "{option}: {error}");
    }
    assert!(
        parse("d", &["a FULLTEXT", "fuzzy=1", "fuzzy=2"]).unwrap_err().to_string().contains("given twice")
    );
    let both = parse("d", &["a FULLTEXT", "operator=and", "minimum_match=2"]).unwrap_err().to_string();
    assert_eq!(both, "d: \"minimum_match\" is for operator \"or\"; \"and\" asks for all words");
    let long = format!("stop_words = '{}'", (0..100_000).map(|at| format!("w{at} ")).collect::<String>());
    let error = parse("d", &["a FULLTEXT", &long]).unwrap_err().to_string();
    assert!(
        error.starts_with("d: \"stop_words\" takes up to 4096 words in 65536 bytes, got 100000 words"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(columns in prop::collection::vec(column(), 1..6), model: Option<String>, text in text_options()) {
        let schema = Schema { columns, tokenizer: Some("it's".into()), model, text, ..Schema::new() };
        prop_assume!(schema.validate("docs").is_ok());
        prop_assume!(schema.model.as_ref().is_none_or(|model| !model.contains('\0')));
        // The way SQLite does it: one argument per column.
        let alone = |column: &Column| write(&Schema { columns: vec![column.clone()], ..Schema::new() });
        let mut declared: Vec<String> = schema.columns.iter().map(alone).collect();
        declared.extend(schema.tokenizer.as_ref().map(|name| format!("tokenizer = '{}'", name.replace('\'', "''"))));
        declared.extend(schema.model.as_ref().map(|name| format!("model = '{}'", name.replace('\'', "''"))));
        let text = schema.text.declared().into_iter();
        declared.extend(text.map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''"))));
        prop_assert_eq!(&declared.join(", "), &write(&schema));
        let declared: Vec<&str> = declared.iter().map(String::as_str).collect();
        prop_assert_eq!(parse("docs", &declared).unwrap(), schema);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = parse("docs", &[&text]);
    }

    #[test]
    fn no_sequence_of_words_makes_the_parser_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "TEXT", "VECTOR", "FLOAT", "(", ")", "[", "]", "3", "-", "=", ",", "hnsw", "INDEX", "m", "METRIC",
            "l2", "FULLTEXT", "WEIGHT", "NOT", "NULL", "PRIMARY", "KEY", "UNINDEXED", "DEFAULT", "'x'", "\"q\"", "model",
        ]), 0..10),
    ) {
        let _ = parse("docs", &[&words.join(" ")]);
    }
}

"""nearlite_schema('docs'): what the columns and options of a table are, and DEFAULT values."""

import pytest

COLUMNS = '"column", kind, type, "notnull", dimensions, metric, "index", codes, store, weight, tokenizer, model, value'

FULL = """
    id TEXT PRIMARY KEY, title TEXT FULLTEXT WEIGHT 2.5, body FULLTEXT NOT NULL, lang TEXT NOT NULL DEFAULT 'en', year INT,
    price REAL DEFAULT 1e-2 NOT NULL, free BOOL NOT NULL DEFAULT TRUE, meta JSON NOT NULL DEFAULT '{"a": 1}', raw VARCHAR(20) UNINDEXED,
    other UNINDEXED NOT NULL DEFAULT x'00ff',
    e VECTOR(3) METRIC l2 INDEX hnsw(m=8) CODES bit STORE f16, "f g" FLOAT[2] INDEX flat, tokenizer = 'en_stem', model = 'it''s'"""


def schema(db, name="docs"):
    return db.rows(f"SELECT {COLUMNS} FROM nearlite_schema(?)", name)


def test_every_column_and_option_is_described(db):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({FULL})")
    nothing = (None,) * 8
    vector = (None, None, "it's", None)
    assert schema(db) == [
        ("id", "key", "TEXT", 1, *nothing, None),
        ("title", "full text", "TEXT", 0, *(None,) * 5, 2.5, "en_stem", None, None),
        ("body", "full text", "TEXT", 1, *(None,) * 5, 1.0, "en_stem", None, None),
        ("lang", "metadata", "TEXT", 1, *nothing, "'en'"),
        ("year", "metadata", "INTEGER", 0, *nothing, None),
        ("price", "metadata", "REAL", 1, *nothing, "0.01"),
        ("free", "metadata", "BOOLEAN", 1, *nothing, "1"),
        ("meta", "metadata", "JSON", 1, *nothing, "'{\"a\": 1}'"),
        ("raw", "unindexed", "VARCHAR(20)", 0, *nothing, None),
        ("other", "unindexed", None, 1, *nothing, "x'00ff'"),
        ("e", "vector", "VECTOR(3)", 0, 3, "l2", "hnsw(m=8, ef_construction=128)", "bit", "f16", *vector),
        ("f g", "vector", "VECTOR(2)", 0, 2, "cosine", "flat", "int8", "f32", *vector),
        ("tokenizer", "option", None, None, *nothing, "en_stem"),
        ("model", "option", None, None, *nothing, "it's"),
    ]


def test_the_declarations_make_the_same_table_again(db):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({FULL})")
    arguments = db.one("SELECT group_concat(declaration, ', ') FROM nearlite_schema('docs')")
    db.rows(f"CREATE VIRTUAL TABLE twin USING nearlite({arguments})")
    assert schema(db, "twin") == schema(db)
    assert db.one("SELECT group_concat(declaration, ', ') FROM nearlite_schema('twin')") == arguments


def test_the_name_is_read_as_by_the_other_functions(db, path):
    db.rows(f"ATTACH '{path}' AS \"at 2\"")
    db.rows('CREATE VIRTUAL TABLE "at 2"."my docs" USING nearlite(e VECTOR(2))')
    db.rows("CREATE TABLE plain(a)")
    for name in ["at 2.my docs", '"at 2"."my docs"', "[my docs]", "MY DOCS"]:
        assert [row[0] for row in schema(db, name)] == ["e"]
    assert db.failure("SELECT * FROM nearlite_schema('plain')").says("no nearlite table 'plain'")
    assert db.failure("SELECT * FROM nearlite_schema(7)").says("name of a table")
    db.failure("SELECT * FROM nearlite_schema")
    # As a join: the columns of every table in the schema.
    joined = db.rows("SELECT m.name, s.\"column\" FROM \"at 2\".sqlite_schema m JOIN nearlite_schema(m.name) s WHERE m.sql LIKE '%nearlite%'")
    assert joined == [("my docs", "e")]


def test_a_missing_value_is_the_default_where_null_is_refused(db):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({FULL})")
    db.rows("INSERT INTO docs(id, body) VALUES('a', 'b')")
    db.rows("INSERT INTO docs(id, body, lang, price, free, meta, other) VALUES('n', 'b', NULL, NULL, NULL, NULL, NULL)")
    db.rows("INSERT OR REPLACE INTO docs(id, body, lang, year, meta) VALUES('z', 'b', 'de', 1, '{}')")
    read = "SELECT id, lang, year, price, free, meta, other FROM docs ORDER BY id"
    expected = [(id, "en", None, 0.01, 1, '{"a": 1}', b"\x00\xff") for id in "an"] + [("z", "de", 1, 0.01, 1, "{}", b"\x00\xff")]
    assert db.rows(read) == expected
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    assert db.rows(read) == expected
    assert db.column("SELECT id FROM docs WHERE docs MATCH 'b' AND lang = 'en' AND json_matches(meta, '{\"a\": 1}')") == ["a", "n"]
    # An UPDATE says what it means.
    assert db.failure("UPDATE docs SET lang = NULL").says("NOT NULL", "docs.lang")


@pytest.mark.parametrize(
    "column, words",
    [
        ("a INTEGER NOT NULL DEFAULT 'x'", ["docs.a", "DEFAULT 'x'", "INTEGER"]),
        ("a BOOLEAN NOT NULL DEFAULT 2", ["docs.a", "BOOLEAN"]),
        ("a TEXT NOT NULL DEFAULT 2", ["docs.a", "DEFAULT 2", "TEXT"]),
        ("a JSON NOT NULL DEFAULT '[1]'", ["docs.a", "JSON object"]),
        ("a TEXT DEFAULT CURRENT_TIMESTAMP", ["docs.a", "CURRENT_TIMESTAMP"]),
        ("a TEXT DEFAULT (1)", ["docs.a", "a DEFAULT is"]),
        ("a TEXT DEFAULT", ["docs.a", "nothing"]),
        ("a TEXT DEFAULT 'a' DEFAULT 'b'", ["docs.a", "twice"]),
        ("a REAL NOT NULL DEFAULT 0.12345678901234567", ["docs.a", "15 digits"]),
        ("a INTEGER DEFAULT 1", ["docs.a", "NOT NULL"]),
        ("a TEXT DEFAULT 'x' PRIMARY KEY", ["docs.a", "DEFAULT"]),
        ("a VECTOR(2) DEFAULT '[1,2]'", ["docs.a", "no default"]),
    ],
)
def test_a_default_that_cannot_be_is_refused(db, column, words):
    assert db.failure(f"CREATE VIRTUAL TABLE docs USING nearlite({column})").says(*words)
    assert db.rows("SELECT * FROM sqlite_schema") == []

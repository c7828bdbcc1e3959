"""Wrong values: one clear sentence, nothing written, and the connection as usable as before."""

import struct

import pytest

import model

TABLE = """CREATE VIRTUAL TABLE docs USING nearlite(
  title TEXT FULLTEXT, lang TEXT, year INTEGER NOT NULL, price REAL, free BOOLEAN, payload TEXT UNINDEXED, embedding VECTOR(3), model = 'all-MiniLM-L6-v2')"""


@pytest.fixture
def table(db):
    db.rows(TABLE)
    db.rows("INSERT INTO docs(rowid, title, year, embedding) VALUES(1, 'kept', 2000, '[1,0,0]')")
    yield db
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,0,0]' ORDER BY distance LIMIT 5") == [1], "the refused value disturbed the table"
    assert db.column("SELECT title FROM docs") == ["kept"]


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


BAD_VECTORS = {
    "too short": (floats(1, 2), ["3", "2"]),
    "too long": (floats(1, 2, 3, 4), ["3", "4"]),
    "empty blob": (b"", ["3"]),
    "a length that is no multiple of four": (b"\0" * 13, ["3", "13"]),
    "one byte": (b"\0", ["3"]),
    "nan": (floats(1, float("nan"), 2), ["1"]),
    "infinity": (floats(1, 2, float("inf")), ["2"]),
    "minus infinity": (floats(float("-inf"), 2, 0), ["0"]),
    "short json": ("[1,2]", ["3", "2"]),
    "long json": ("[1,2,3,4]", ["3", "4"]),
    "empty json": ("[]", ["3"]),
    "not json": ("hello", []),
    "json without end": ("[1,2,3", []),
    "json with a tail": ("[1,2,3] x", []),
    "json with a trailing comma": ("[1,2,3,]", []),
    "json object": ('{"a":1}', []),
    "json of strings": ('["1","2","3"]', []),
    "json of null": ("[1,null,3]", []),
    "nested json": ("[[1,2,3]]", []),
    "json nan": ("[1,NaN,3]", []),
    "json overflow": ("[1,1e39,3]", ["1"]),
    "empty text": ("", []),
    "deep json": ("[" * 100_000, []),
    "integer": (5, []),
    "real": (0.5, []),
}


@pytest.mark.parametrize("value, words", BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_bad_vector_is_refused_on_insert_and_names_the_column(table, value, words):
    failure = table.failure("INSERT INTO docs(rowid, title, year, embedding) VALUES(2, 'bad', 1, ?)", value)
    assert failure.says("embedding", *words), failure
    assert len(failure.message) < 600, "the message repeats the value"


@pytest.mark.parametrize("value, words", BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_bad_vector_is_refused_in_a_query_and_names_the_column(table, value, words):
    failure = table.failure("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 5", value)
    assert failure.says("embedding", *words), failure


@pytest.mark.parametrize("value, words", BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_bad_vector_is_refused_on_update(table, value, words):
    assert table.failure("UPDATE docs SET embedding = ?", value).says("embedding", *words)


@pytest.mark.parametrize("number, stored", [(65504, 65504), (-65519.9, -65504), (65520, None), (-1e30, None)])
def test_a_number_beyond_the_halves_is_refused_where_vectors_are_halves(db, number, stored):
    db.rows("CREATE VIRTUAL TABLE h USING nearlite(e VECTOR(2) METRIC l2 STORE f16)")
    insert = f"INSERT INTO h(e) VALUES('[1,{number}]')"
    if stored is None:
        assert db.failure(insert).says("h.e", "at index 1", "65504", "STORE f16")
    else:
        db.rows(insert)
        assert db.column("SELECT vec_to_json(e) FROM h") == [f"[1.0,{stored}.0]"]


def test_a_wrong_dimension_names_table_column_both_dimensions_and_the_model(table):
    failure = table.failure("INSERT INTO docs(year, embedding) VALUES(1, ?)", floats(*range(768)))
    assert failure.says("docs.embedding", "expected 3 dimensions", "got 768", "all-MiniLM-L6-v2"), failure


BAD_VALUES = [
    ("year", "abc", "INTEGER"), ("year", 1.5, "INTEGER"), ("year", b"12", "INTEGER"),
    ("price", "cheap", "REAL"), ("price", b"", "REAL"),
    ("lang", 5, "TEXT"), ("lang", 1.5, "TEXT"), ("lang", b"en", "TEXT"),
    ("free", 2, "BOOLEAN"), ("free", "yes", "BOOLEAN"), ("free", 0.5, "BOOLEAN"),
    ("title", 5, "TEXT"), ("title", b"x", "TEXT"),
]


@pytest.mark.parametrize("column, value, kind", BAD_VALUES)
def test_a_value_of_another_type_is_refused_with_column_and_type(table, column, value, kind):
    names = "title, year" if column not in ("title", "year") else "title" if column == "year" else "year"
    others = {"title, year": ("bad", 1), "title": ("bad",), "year": (1,)}[names]
    failure = table.failure(f"INSERT INTO docs({names}, {column}) VALUES({', '.join('?' * (len(others) + 1))})", *others, value)
    assert failure.says(column, kind), failure
    assert table.failure(f"UPDATE docs SET {column} = ?", value).says(column, kind)


def test_an_integer_is_accepted_for_a_real_and_read_as_one(db):
    db.rows(TABLE)
    db.rows("INSERT INTO docs(year, price) VALUES(1, 5)")
    assert db.rows("SELECT price, typeof(price) FROM docs WHERE price = 5") == [(5.0, "real")]


def test_a_whole_number_given_as_a_real_is_an_integer(db):
    """JavaScript has one number type, and better-sqlite3 binds every number as a REAL."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id INTEGER PRIMARY KEY, n INTEGER, free BOOLEAN, embedding VECTOR(2))")
    db.rows("INSERT INTO docs(id, n, free, embedding) VALUES(?, ?, ?, '[1,2]')", 7.0, 2001.0, 1.0)
    assert db.rows("SELECT id, n, typeof(n), free, typeof(free) FROM docs") == [(7, 2001, "integer", 1, "integer")]
    assert db.column("SELECT id FROM docs WHERE embedding MATCH '[1,2]' AND k = ? AND n = ? AND ef_search = ?", 3.0, 2001.0, 50.0) == [7]
    assert db.failure("INSERT INTO docs(n) VALUES(?)", 2.0**63).says("n", "INTEGER")


def test_not_null_is_enforced_and_named(table):
    for statement in ("INSERT INTO docs(title) VALUES('bad')", "INSERT INTO docs(title, year) VALUES('bad', NULL)", "UPDATE docs SET year = NULL"):
        assert table.failure(statement).says("year", "NULL")


def test_not_null_holds_for_vectors(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2) NOT NULL)")
    assert db.failure("INSERT INTO docs(rowid) VALUES(1)").says("embedding", "NULL")
    assert db.one("SELECT count(*) FROM docs") == 0


def test_a_text_key_may_not_be_null(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, embedding VECTOR(2))")
    assert db.failure("INSERT INTO docs(embedding) VALUES('[1,2]')").says("id", "NULL")


def test_an_unindexed_column_takes_any_type(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(payload UNINDEXED, other TEXT UNINDEXED, embedding VECTOR(2))")
    values = [1, 1.5, "text", b"blob", None, 2**62]
    db.many_in_transaction("INSERT INTO docs(payload) VALUES(?)", [(value,) for value in values])
    assert db.column("SELECT payload FROM docs ORDER BY rowid") == values
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert db.column("SELECT payload FROM docs ORDER BY rowid") == values


@pytest.mark.parametrize("rowid", ["abc", 1.5, b"x"])
def test_a_rowid_that_is_no_integer_is_refused(table, rowid):
    assert table.failure("INSERT INTO docs(rowid, title, year) VALUES(?, 'bad', 1)", rowid).message


HIDDEN = ["rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain"]


@pytest.mark.parametrize("column", HIDDEN)
def test_a_value_for_a_hidden_column_is_an_error_that_names_it(table, column):
    for statement in (
        f"INSERT INTO docs(title, year, {column}) VALUES('row', 1, 5)",
        f"INSERT OR REPLACE INTO docs(rowid, title, year, {column}) VALUES(1, 'row', 1, 5)",
        f"UPDATE docs SET {column} = 5",
        f"UPDATE docs SET title = 'changed', {column} = 5 WHERE embedding MATCH '[1,0,0]' AND k = 1",
    ):
        assert table.failure(statement).says(f"docs.{column}", "hidden"), statement


def test_a_command_is_no_value_to_update(table):
    assert table.failure("UPDATE docs SET docs = 'optimize'").says("docs.docs", "hidden")


@pytest.mark.parametrize("column", HIDDEN)
def test_null_for_a_hidden_column_is_no_value(db, column):
    """A tool that lists all columns of a table writes them all."""
    db.rows(TABLE)
    db.rows(f"INSERT INTO docs(title, year, {column}) VALUES('kept', 1, NULL)")
    db.rows(f"UPDATE docs SET year = 2, {column} = NULL")
    assert db.rows(f"SELECT title, year, {column} FROM docs") == [("kept", 2, None)]


# As the table in docs/sql.md: an error, how many of three rows, or what it is in words of the message.
KNOBS = {
    "k": {"0": 0, "1": 1, "2.0": 2, "99999999999": 3, "1e300": 3, "NULL": 0, "2.5": "integer", "'2'": "integer", "x'02'": "integer", "-1": "0 or more", "1e999": "integer"},
    "ef_search": {"1": 3, "50.0": 3, "99999999999": 3, "1e300": 3, "NULL": 3, "0": "1 or more", "-5": "1 or more", "2.5": "integer", "'x'": "integer", "x'02'": "integer"},
    "exact": {"0": 3, "1": 3, "5": 3, "1.0": 3, "99999999999": 3, "NULL": 3, "-1": "0 or more", "0.5": "integer", "'yes'": "integer"},
}


@pytest.mark.parametrize("bound", ["literal", "parameter"])
@pytest.mark.parametrize("column, value, expected", [(column, value, expected) for column, values in KNOBS.items() for value, expected in values.items()])
def test_a_knob_takes_what_the_page_says(db, column, value, expected, bound):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2))")
    db.rows("INSERT INTO docs(embedding) VALUES('[1,0]'), ('[1,1]'), ('[0,1]')")
    sql = f"SELECT rowid FROM docs WHERE embedding MATCH '[1,0]' AND {column} = {{}} ORDER BY distance"
    sql, params = (sql.format(value), ()) if bound == "literal" else (sql.format("?"), (db.one(f"SELECT {value}"),))
    if isinstance(expected, int):
        assert db.column(sql, *params) == [1, 2, 3][:expected]
    else:
        failure = db.failure(sql, *params)
        assert failure.says(column, expected) and len(failure.message) < 200, failure


@pytest.mark.parametrize("knob", ["k", "ef_search", "exact"])
def test_a_knob_takes_one_value_and_is_not_compared(table, knob):
    """SQLite would run the search once for each value of a list, and rows would come twice."""
    search = "SELECT rowid FROM docs WHERE embedding MATCH '[1,0,0]' AND"
    assert table.failure(f"{search} {knob} IN (3, 5)").says(knob, "one value")
    assert table.failure(f"{search} ({knob} = 3 OR {knob} = 5)").says(knob, "one value")
    assert table.failure(f"{search} {knob} IN (SELECT value FROM json_each('[3,5]'))").says(knob, "one value")
    for comparison in ("> 3", "<= 3", "<> 3", "IS 3", "IS NOT 3"):
        assert table.failure(f"{search} {knob} {comparison}").says(f"{knob} = ?"), comparison
    assert table.column(f"{search} {knob} IN (3)") == [1]
    assert table.column(f"{search} {knob} = 3 AND {knob} > 2") == [1]
    assert table.column(f"{search} {knob} IS NULL") == [1]
    assert table.column(f"{search} {knob} IS NOT NULL") == []
    assert table.column(f"{search} {knob} = 3 AND {knob} IS NOT NULL") == [1]


def test_a_list_of_query_texts_is_an_error_that_says_how_to_join_them(table):
    """As for a knob: each row would come once for each text that it matches."""
    for condition in ("docs IN ('kept', 'other')", "docs = 'kept' OR docs = 'other'"):
        assert table.failure(f"SELECT rowid FROM docs WHERE {condition}").says("docs", "OR inside the text"), condition
    assert table.column("SELECT rowid FROM docs WHERE docs IN ('kept')") == [1]


def test_an_unknown_column_is_an_error_that_names_it(table):
    for sql in ("SELECT rowid FROM docs WHERE embedding MATCH '[1,0,0]' AND nothing = 1", "INSERT INTO docs(nothing) VALUES(1)", "UPDATE docs SET nothing = 1", "SELECT highlight(docs, 'nothing', '', '') FROM docs WHERE docs MATCH 'kept'"):
        assert table.failure(sql).says("nothing"), sql


def test_match_on_a_metadata_column_says_what_can_be_matched(table):
    assert table.failure("SELECT rowid FROM docs WHERE lang MATCH 'en'").says("lang")


def test_a_text_query_on_a_table_without_full_text_says_so(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2))")
    assert db.failure("SELECT rowid FROM docs WHERE docs MATCH 'word'").says("FULLTEXT")


def test_a_hybrid_query_on_a_table_without_vectors_says_so(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    assert db.failure("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('x', '[1,2]')").says("vector")


def test_an_unaligned_blob_is_read_rightly(db):
    """A substring of a blob starts at any address."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(3) METRIC l2)")
    for shift in range(4):
        db.rows("INSERT INTO docs(rowid, embedding) VALUES(?, substr(?, ?))", shift + 1, b"\1" * shift + floats(shift, 0, 0), shift + 1)
    assert db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH substr(?, 4) ORDER BY distance LIMIT 9", b"\1\1\1" + floats(0, 0, 0)) == [(1, 0.0), (2, 1.0), (3, 2.0), (4, 3.0)]


def test_text_that_is_not_utf8_does_not_crash(table):
    for sql in (
        "INSERT INTO docs(title, year) VALUES(CAST(x'c3ff80' AS TEXT), 1)",
        "INSERT INTO docs(title, lang, year) VALUES('t', CAST(x'ff' AS TEXT), 1)",
        "SELECT rowid FROM docs WHERE docs MATCH CAST(x'ff20c3' AS TEXT)",
        "SELECT rowid FROM docs WHERE embedding MATCH CAST(x'5bff5d' AS TEXT) ORDER BY distance LIMIT 1",
        "SELECT rowid FROM docs WHERE embedding MATCH '[1,0,0]' AND lang = CAST(x'ff' AS TEXT) ORDER BY distance LIMIT 1",
    ):
        try:
            table.rows(sql)
        except table.errors:
            pass
    table.rows("DELETE FROM docs WHERE rowid <> 1")

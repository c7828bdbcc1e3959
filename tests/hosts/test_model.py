"""Vectors that name the model that made them, compared with the model that the table declares."""

import struct

import pytest

TABLE = "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, e VECTOR(2) METRIC l2, f VECTOR(2), model = 'mini')"
V = struct.pack("<2f", 3, 4)


@pytest.fixture
def docs(db):
    db.rows(TABLE)
    db.rows("INSERT INTO docs(rowid, body, e) VALUES(1, 'owl', '[3,4]'), (2, 'hawk', '[0,1]')")
    return db


SEARCHES = [
    "SELECT rowid FROM docs WHERE e MATCH {} ORDER BY distance LIMIT 1",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('owl', {}) ORDER BY rank LIMIT 1",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(words('owl'), near('e', {})) ORDER BY rank LIMIT 1",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('e', {})) ORDER BY rank LIMIT 1",
    "SELECT rowid FROM docs WHERE rowid = 0 OR e MATCH {} ORDER BY rowid LIMIT 1",
    "SELECT d.rowid FROM (SELECT {} AS v) q JOIN docs d ON d.e MATCH q.v AND d.k = 1",
]


@pytest.mark.parametrize("search", SEARCHES)
def test_a_query_of_another_model_is_an_error_that_names_both(docs, search):
    for vector in ["vec_f32('[3,4]', 'mini')", "vec_f32(x'" + V.hex() + "', 'mini')", "vec_f32('[3,4]')"]:
        assert docs.rows(search.format(vector)) == [(1,)]
    failure = docs.failure(search.format("vec_f32('[3,4]', 'maxi')"))
    assert failure.says("docs.e", "'maxi'", "'mini'", "new table"), failure


def test_near_names_a_model_too(docs):
    search = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('e', '[3,4]', ?)) ORDER BY rank LIMIT 1"
    assert docs.rows(search, '{"model": "mini"}') == [(1,)]
    assert docs.failure(search, '{"model": "maxi"}').says("docs.e", "'maxi'", "'mini'")
    assert docs.failure(search, '{"model": 5}').says("model", "name")


def test_rows_are_compared_as_well_and_stored_as_plain_vectors(docs):
    docs.rows("INSERT INTO docs(rowid, e) VALUES(3, vec_f32('[5,6]', 'mini'))")
    assert docs.one("SELECT e FROM docs WHERE rowid = 3") == struct.pack("<2f", 5, 6)
    for sql in [
        "INSERT INTO docs(rowid, e) VALUES(4, vec_f32('[5,6]', 'maxi'))",
        "INSERT INTO docs(rowid, f) VALUES(4, vec_f32('[5,6]', 'maxi'))",
        "UPDATE docs SET e = vec_f32('[5,6]', 'maxi') WHERE rowid = 3",
    ]:
        assert docs.failure(sql).says("'maxi'", "'mini'")
    assert docs.failure("INSERT INTO docs(e) VALUES(vec_f32('[5,6,7]', 'mini'))").says("expected 2 dimensions, got 3", "mini")
    assert docs.column("SELECT rowid FROM docs") == [1, 2, 3]


def test_the_name_travels_with_the_value(docs):
    docs.rows("CREATE TABLE queries(v)")
    docs.rows("INSERT INTO queries VALUES(vec_f32('[3,4]', 'mini')), (vec_f32('[3,4]', 'maxi'))")
    join = "SELECT d.rowid FROM queries q JOIN docs d ON d.e MATCH q.v AND d.k = 1 WHERE q.rowid = ?"
    assert docs.rows(join, 1) == [(1,)]
    assert docs.failure(join, 2).says("'maxi'", "'mini'")
    marked = docs.one("SELECT v FROM queries WHERE rowid = 1")
    assert docs.rows("SELECT rowid FROM docs WHERE e MATCH ? LIMIT 1", marked) == [(1,)]
    for cut in range(17, len(marked) - 8):
        assert docs.failure("SELECT rowid FROM docs WHERE e MATCH ? LIMIT 1", marked[:cut])


def test_functions_read_such_a_vector(db):
    v = "vec_f32('[3,4]', 'mini')"
    assert db.rows(f"SELECT vec_length({v}), vec_to_json({v}), vec_distance_l2({v}, '[0,0]'), vec_type({v})") == [(2, "[3.0,4.0]", 5.0, "float32")]
    assert db.column(f"SELECT value FROM vec_each({v})") == [3.0, 4.0]
    assert db.failure("SELECT vec_f32('[1]', 5)").says("model", "TEXT")
    assert db.failure("SELECT vec_f32('[1]', '')").says("model")
    assert db.failure("SELECT vec_f32('[1,NaN]', 'mini')").says("finite")


def test_a_table_without_a_model_takes_every_vector(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(2))")
    db.rows("INSERT INTO docs(e) VALUES(vec_f32('[3,4]', 'anything'))")
    assert db.rows("SELECT rowid FROM docs WHERE e MATCH vec_f32('[3,4]', 'other')") == [(1,)]

"""MATCH that SQLite does not offer to the table, but calls as a function of each row: distances are right, or refused."""

import pytest

import model

OUTER = "p LEFT JOIN d ON d.id = p.id WHERE d.v MATCH '[1,0]'"


@pytest.fixture
def small(db):
    """Rows 1 to 20, of which 20 lies nearest to [1,0], then 19, and so on; row 21 has no vector. `p` has all ids."""
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, a INTEGER, body TEXT FULLTEXT, raw UNINDEXED, v VECTOR(2) METRIC l2, w VECTOR(2) STORE f16)")
    db.many_in_transaction("INSERT INTO d VALUES(?,?,?,?,?,?)", [(i, i % 3, "amber", b"12345678", model.blob([1, 20 - i]) if i < 21 else None, model.blob([1, i])) for i in range(1, 22)])
    db.rows("CREATE TABLE p(id INTEGER PRIMARY KEY)")
    db.many_in_transaction("INSERT INTO p VALUES(?)", [(i,) for i in range(1, 25)])
    return db


@pytest.mark.parametrize("order", ["distance", "rank"])
@pytest.mark.parametrize(
    "source",
    [
        OUTER,
        OUTER + " AND d.distance < 5",
        OUTER + " AND d.rank < 5",
        "d WHERE (v MATCH '[1,0]' OR a = 2) AND id < 21",
        "d WHERE v MATCH '[1,0]' OR v MATCH '[5,5]'",
        "d WHERE CASE WHEN v MATCH '[1,0]' THEN 1 ELSE 0 END",
        "d RIGHT JOIN (SELECT '[1,0]' AS vec) q ON d.v MATCH q.vec",
        "d FULL JOIN (SELECT '[1,0]' AS vec) q ON d.v MATCH q.vec WHERE d.id < 21",
    ],
)
def test_rows_of_a_match_that_sqlite_evaluates_have_their_distance(small, host, source, order):
    if host.version < (3, 39) and "LEFT" not in source and "JOIN" in source:
        pytest.skip("no RIGHT JOIN before 3.39")
    got = small.rows(f"SELECT d.id, d.{order} FROM {source} ORDER BY d.{order} LIMIT 3")
    assert got == [(20, 0), (19, 1), (18, 2)]


def test_each_row_of_a_join_has_the_distance_of_its_own_query(small, host):
    if host.version < (3, 39):
        pytest.skip("no RIGHT JOIN before 3.39")
    got = small.rows("SELECT q.column1, d.distance FROM d RIGHT JOIN (VALUES('[1,0]'), ('[1,7]')) q ON d.v MATCH q.column1 WHERE d.id = 18 ORDER BY 1")
    assert got == [("[1,0]", 2), ("[1,7]", 5)]


def test_a_match_in_a_select_list_tells_the_distance_to_what_stands_behind_it(small):
    assert small.rows("SELECT v MATCH '[1,0]', distance FROM d WHERE id IN (19, 21) ORDER BY id") == [(1, 1), (None, None)]
    assert small.rows("SELECT w MATCH '[1,0]', round(distance, 4) FROM d WHERE id = 1") == [(1, 0.2929)]


@pytest.mark.parametrize("vector, words", [("'[1,0,0]'", ("d.v", "expected 2", "got 3")), ("x'00'", ("d.v",)), ("'no vector'", ("d.v", "JSON")), ("7", ("d.v", "INTEGER")), ("hybrid_query('amber', '[1,0]')", ("hybrid",))])
def test_a_wrong_vector_is_an_error_there_too(small, vector, words):
    assert small.failure(f"SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.v MATCH {vector}").says(*words)


def test_a_match_with_null_is_null_and_so_is_the_distance(small):
    assert small.rows("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.v MATCH NULL") == []
    assert small.rows("SELECT id, distance FROM d WHERE v MATCH NULL OR id = 3") == [(3, None)]


def test_a_blob_of_a_stored_column_has_no_match(small):
    assert small.failure("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.raw MATCH '[1,0]'").says("MATCH", "VECTOR")


@pytest.mark.parametrize(
    "sql, column",
    [
        ("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.distance < 5 AND d.v MATCH '[1,0]'", "distance"),
        ("SELECT id FROM d WHERE a = 2 OR v MATCH '[1,0]' ORDER BY distance LIMIT 3", "distance"),
        ("SELECT id FROM d WHERE a = 2 OR v MATCH '[1,0]' ORDER BY rank LIMIT 3", "rank"),
        ("SELECT distance, v MATCH '[1,0]' FROM d", "distance"),
        ("SELECT d.id, d.distance FROM p LEFT JOIN d ON d.id = p.id WHERE d.v MATCH '[1,0]' AND d.v MATCH '[0,1]'", "distance"),
        ("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.v MATCH '[1,0]' AND d.body MATCH 'amber' ORDER BY d.rank", "rank"),
        ("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.d MATCH 'amber' ORDER BY d.rank", "rank"),
        ("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.body MATCH 'amber' ORDER BY d.bm25 DESC", "bm25"),
        (f"SELECT d.id FROM {OUTER} AND d.k = 3", "k"),
        (f"SELECT d.id FROM {OUTER} AND d.k < 3", "k"),
        ("SELECT id FROM d WHERE (v MATCH '[1,0]' OR a = 2) AND k = 3", "k"),
        ("SELECT id FROM d WHERE k = 3", "k"),
        ("SELECT id FROM d WHERE d MATCH 'amber' OR a = 2 ORDER BY bm25(d) LIMIT 3", "bm25()"),
        ("SELECT id FROM d WHERE a = 2 OR d MATCH 'amber' ORDER BY bm25(d) LIMIT 3", "bm25()"),
        ("SELECT d.id FROM p LEFT JOIN d ON d.id = p.id WHERE d.body MATCH 'amber' ORDER BY bm25(d.d)", "bm25()"),
        *[
            (f"SELECT id, {column} FROM d WHERE {match} {rest}", column)
            for column in ("score", "vector_rank", "text_rank", "explain")
            for match in ("(d MATCH 'amber' AND v MATCH '[1,0]') OR a = 7", "v MATCH '[1,0]' OR a = 2", "body MATCH 'no' OR a = 2")
            for rest in (f"ORDER BY {column}", "")
        ],
        *[(f"SELECT id, explain_row(d) FROM d WHERE {match} OR a = 2", "explain_row()") for match in ("d MATCH 'amber'", "v MATCH '[1,0]'", "body MATCH 'amber'")],
        *[
            (f"SELECT id, {function}(d, 'body', '[', ']') FROM d WHERE {match}", f"{function}()")
            for function in ("highlight", "snippet")
            for match in ("d MATCH 'amber' OR a = 2", "body MATCH 'amber' OR a = 2", "(v MATCH '[1,0]' AND d MATCH 'amber') OR a = 7")
        ],
    ],
)
def test_what_such_a_match_cannot_tell_is_an_error_and_not_null(small, sql, column):
    assert small.failure(sql).says("d:", f"{column} ", "subquery")


def test_the_error_does_not_reach_other_statements(small):
    reads = "SELECT v, body, distance, rank, bm25, k, score, vector_rank, text_rank, explain, bm25(d), explain_row(d), highlight(d, 'body', '[', ']') FROM d WHERE id = 3"
    plain = [(model.blob([1, 17]), "amber", *[None] * 10, "amber")]
    assert small.rows(reads) == plain
    small.failure("SELECT distance, v MATCH '[1,0]' FROM d")
    small.failure("SELECT score, d MATCH 'amber' FROM d")
    assert small.rows(reads) == plain
    # No text was matched, so there is none to mark.
    assert small.rows("SELECT id, highlight(d, 'body', '[', ']') FROM d WHERE v MATCH '[1,0]' OR a = 7 LIMIT 1") == [(1, "amber")]
    assert small.rows("SELECT id, distance FROM d WHERE v MATCH '[1,0]' ORDER BY distance LIMIT 1") == [(20, 0)]
    assert small.rows("SELECT id, distance FROM d WHERE d MATCH 'amber' OR id = 2 LIMIT 1") == [(1, None)]


def test_the_advice_of_the_error_works(small):
    near = [(20, 0), (19, 1), (18, 2)]
    assert small.rows("SELECT d.id, d.distance FROM p LEFT JOIN d ON d.id = p.id AND d.v MATCH '[1,0]' AND d.k = 3 WHERE d.id IS NOT NULL ORDER BY d.distance") == near
    assert small.rows("SELECT d.id, d.distance FROM (SELECT id, distance FROM d WHERE v MATCH '[1,0]' AND k = 3) d JOIN p ON p.id = d.id ORDER BY d.distance") == near

"""A WHERE of many terms: SQLite checks terms from the 16th on again, and runs a scan for each value of an IN that it keeps."""

import json

import pytest

import model

PADDING = [15, 16, 20, 40]


@pytest.fixture
def filled(db):
    db.rows("CREATE VIRTUAL TABLE d USING nearlite(id INTEGER PRIMARY KEY, t TEXT, a INTEGER, body TEXT FULLTEXT, v VECTOR(2) METRIC l2)")
    db.many_in_transaction("INSERT INTO d VALUES(?,?,?,?,?)", [(i, "xyz"[i % 3], i % 3, "amber" if i % 2 else "amber onyx", model.blob([1, i])) for i in range(1, 31)])
    return db


def padded(count, *terms):
    return " AND ".join([f"a < {1000 + at}" for at in range(count)] + list(terms))


@pytest.mark.parametrize("count", PADDING)
@pytest.mark.parametrize(
    "match, first",
    [
        ("v MATCH '[1,0]'", [1, 2, 3]),
        ("body MATCH 'onyx'", [2, 4, 6]),
        ("d MATCH 'onyx'", [2, 4, 6]),
        ("d MATCH hybrid_query('onyx', '[1,0]')", [2, 4, 6]),
        ("d MATCH hybrid_query(NULL, '[1,0]')", [1, 2, 3]),
        ("v MATCH '[1,0]' AND d MATCH 'onyx'", [2, 4, 6]),
    ],
)
def test_a_match_behind_many_terms_finds_the_same_rows(filled, count, match, first):
    assert filled.column(f"SELECT id FROM d WHERE {padded(count, match)} ORDER BY rank LIMIT 3") == first


@pytest.mark.parametrize("count", PADDING)
@pytest.mark.parametrize("knob", ["k = 2", "k = 2.0", "k = 1e19", "k = 9223372036854775807", "ef_search = 50", "exact = 1", "exact = 7"])
def test_a_knob_behind_many_terms_counts(filled, count, knob):
    got = filled.column(f"SELECT id FROM d WHERE {padded(count, knob)} AND v MATCH '[1,0]' ORDER BY distance LIMIT 5")
    assert got == ([1, 2] if knob in ("k = 2", "k = 2.0") else [1, 2, 3, 4, 5])


def test_a_comparison_with_the_table_behind_many_terms_says_to_write_match(filled):
    assert filled.column(f"SELECT id FROM d WHERE {padded(3, 'd = ' + repr('onyx'))} LIMIT 2") == [2, 4]
    assert filled.failure(f"SELECT id FROM d WHERE {padded(16, 'd = ' + repr('onyx'))} LIMIT 2").says("MATCH", "17")


@pytest.mark.parametrize(
    "count, test",
    [
        (0, "(a, t) IN (VALUES (1, 'y'), (2, 'z'))"),
        (0, "a <> 0 AND (a, t) IN (SELECT 1, 'y' UNION SELECT 2, 'z')"),
        (0, "t <> 'w' AND a + 0 < 3 AND (t, a) IN (VALUES ('y', 1), ('z', 2)) AND t IN ('y', 'z')"),
        (40, "a IN (1, 2)"),
        (40, "t IN ('y', 'z')"),
        (40, "id IN (1, 2, 4, 5, 7, 8)"),
    ],
)
def test_a_list_that_sqlite_keeps_is_one_search(filled, count, test):
    for match in ("v MATCH '[1,0]' AND k = 4", "k = 4 AND v MATCH '[1,0]'"):
        got = filled.column(f"SELECT id FROM d WHERE {match} AND {padded(count, test)}")
        assert len(got) <= 4 and got == sorted(got), (got, test)
    hybrid = filled.rows(f"SELECT id, vector_rank FROM d WHERE d MATCH hybrid_query('amber', '[1,0]') AND {padded(count, test)} ORDER BY rank")
    ranks = [rank for _, rank in hybrid]
    assert len(set(ranks)) == len(ranks), hybrid
    found = filled.column(f"SELECT id FROM d WHERE v MATCH '[1,0]' AND {padded(count, test)} ORDER BY distance LIMIT 3")
    assert found == [1, 2, 4]
    many = json.loads(filled.rows(f"SELECT explain FROM d WHERE v MATCH '[1,0]' AND {padded(0, 'a = 1', 't = ' + repr('y'), 'id < 20')} LIMIT 1")[0][0])
    assert many["passing"] == 7

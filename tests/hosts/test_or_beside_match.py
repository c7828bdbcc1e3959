"""A MATCH that AND joins to an OR of other conditions, in joins too: it is run as a search, and the OR checked for the rows found."""

import itertools

import pytest

import model

MATCHES = {
    "vector": ("d.e MATCH '[1,7]'", "distance"),
    "text": ("d.docs MATCH 'zz'", "bm25"),
    "hybrid": ("d.docs MATCH hybrid_query('zz', '[1,7]')", "score"),
    "both": ("d.e MATCH '[1,7]' AND d.docs MATCH 'zz'", "score"),
    "cut": ("d.e MATCH '[1,7]' AND d.k = 30", "distance"),
}
ORS = {
    "keys": ("(d.rowid = 7 OR d.id = 'k3')", lambda n: n in (3, 7)),
    "one column": ("(d.id = 'k7' OR d.id = 'k3')", lambda n: n in (3, 7)),
    "metadata": ("(d.lang = 'x' OR d.year = 3)", lambda n: n % 9 == 3),
    "ranges": ("(d.rowid < 5 OR d.rowid > 20)", lambda n: n < 5 or n > 20),
    "key and metadata": ("((d.rowid = 7 AND d.year = 7) OR (d.id = 'k3' AND d.lang = 'de'))", lambda n: n in (3, 7)),
    "joined keys": ("(d.rowid = o.id OR d.id = o.name)", lambda n: True),
}
JOINS = {
    "alone": "docs d",
    "rowid": "docs d JOIN o ON o.id = d.rowid",
    "key": "docs d JOIN o ON o.name = d.id",
    "two": "docs d JOIN o ON o.id = d.rowid JOIN p ON p.id = o.id",
}


@pytest.fixture(scope="module")
def docs(host):
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body FULLTEXT, lang TEXT, year INTEGER, e VECTOR(2))")
    db.many_in_transaction("INSERT INTO docs(rowid, id, body, lang, year, e) VALUES(?, ?, ?, ?, ?, ?)", [(n, f"k{n}", "amber " * (1 + n % 3) + "zz " * (n % 5), ["en", "de"][n % 2], n % 9, model.blob([1, n])) for n in range(30)])
    for table in "op":
        db.rows(f"CREATE TABLE {table}(id INTEGER PRIMARY KEY, name TEXT)")
        db.rows(f"INSERT INTO {table} SELECT rowid, id FROM docs")
    db.rows("CREATE INDEX names ON o(name)")
    yield db
    db.close()


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize("either, join", [pair for pair in itertools.product(ORS, JOINS) if pair != ("joined keys", "alone")], ids=str)
def test_the_search_is_run_as_one(docs, match, either, join):
    where, value = MATCHES[match]
    condition, passes = ORS[either]
    whole = docs.rows(f"SELECT d.rowid, d.{value} FROM docs d WHERE {where} ORDER BY d.rank")
    assert len(whole) > 20
    expected = [row for row in whole if passes(row[0])]
    for order in ("d.rank", "d.lang", "d.rank, d.rowid", "d.rowid DESC LIMIT 100"):
        sql = f"SELECT d.rowid, d.{value} FROM {JOINS[join]} WHERE {where} AND {condition} ORDER BY {order}"
        plan = docs.plan(sql)
        assert "nearlite: rows" not in plan and "nearlite: " in plan, plan
        got = docs.rows(sql)
        # A filter inside the search changes what a fused score is relative to.
        if value == "score":
            assert sorted(row[0] for row in got) == sorted(row[0] for row in expected) and all(row[1] is not None for row in got)
        else:
            assert sorted(got) == sorted(expected)
            assert "rank" not in order or [row[1] for row in got] == [row[1] for row in expected]


def test_the_best_row_of_a_join_is_the_best(docs):
    sql = "SELECT d.rowid, d.score IS NULL FROM docs d JOIN o ON o.id = d.rowid WHERE d.e MATCH '[1,7]' AND d.docs MATCH 'amber' AND (d.rowid = 7 OR d.id = 'k3') ORDER BY d.score DESC, d.rowid LIMIT 1"
    assert docs.rows(sql) == [(7, 0)]
    marked = "SELECT d.rowid, bm25(d.docs) < 0, highlight(d.docs, 'body', '[', ']') FROM docs d JOIN o ON o.id = d.rowid WHERE d.docs MATCH 'zz' AND (d.id = 'k7' OR d.id = 'k3') ORDER BY d.lang, d.rowid"
    assert docs.rows(marked) == [(n, 1, "amber " * (1 + n % 3) + "[zz] " * (n % 5)) for n in (3, 7)]


@pytest.mark.parametrize("either", ["keys", "one column", "metadata", "ranges"])
def test_each_query_of_a_table_is_a_search(docs, either):
    docs.rows("CREATE TABLE IF NOT EXISTS asked(id INTEGER PRIMARY KEY, v TEXT, word TEXT)")
    docs.rows("INSERT OR REPLACE INTO asked VALUES(1, '[1,7]', 'zz'), (2, '[1,2]', 'amber'), (3, NULL, NULL)")
    condition, passes = ORS[either]
    for analyzed in ("", "ANALYZE asked"):
        docs.rows(analyzed or "SELECT 1")
        for on, match in (("d.e MATCH q.v AND d.k = 30", "e MATCH (SELECT v FROM asked WHERE id = {})"), ("d.docs MATCH q.word", "docs MATCH (SELECT word FROM asked WHERE id = {})")):
            sql = f"SELECT q.id, d.rowid, d.rank FROM asked q JOIN docs d ON {on} WHERE {condition} ORDER BY q.id, d.rank"
            plan = docs.plan(sql)
            assert "nearlite: rows" not in plan, plan
            alone = [(nth, *row) for nth in (1, 2) for row in docs.rows(f"SELECT rowid, rank FROM docs WHERE {match.format(nth)} ORDER BY rank")]
            assert docs.rows(sql) == [row for row in alone if passes(row[1])]


def test_a_search_is_not_run_once_for_each_row_of_a_join_without_an_index(docs):
    for on in ("(p.id = d.rowid OR p.name = d.id)", "abs(p.id) = d.year"):
        for tables in ("docs d, p", "p, docs d"):
            steps = docs.plan(f"SELECT d.rowid FROM {tables} WHERE {on} AND d.docs MATCH 'zz'").splitlines()
            assert steps[0].startswith("SCAN d ") and "text or hybrid" in steps[0], steps

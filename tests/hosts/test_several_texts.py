"""Several text MATCHes in one WHERE: the first one ranks, wherever SQLite puts it, and the others must match besides."""

import itertools

import pytest

import model

TEXTS = {"title": "title MATCH 'cat'", "body": "body MATCH 'dog owl'", "docs": "docs MATCH 'cat OR owl'"}
PLAN = {"title": "text in title", "body": "text in body", "docs": "text or hybrid"}
WORDS = ["cat", "dog", "owl", "elk"]


@pytest.fixture(params=["delta", "optimized"])
def docs(db, request, rng):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(title FULLTEXT, body FULLTEXT, lang TEXT, year INTEGER, e VECTOR(2))")
    text = lambda most: " ".join(rng.choice(WORDS, int(rng.integers(1, most))))
    db.many_in_transaction("INSERT INTO docs(rowid, title, body, lang, year, e) VALUES(?, ?, ?, ?, ?, ?)", [(n, text(6), text(12), ["en", "de"][n % 2], n % 9, model.blob([1, n])) for n in range(1, 201)])
    if request.param == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    db.rows("CREATE TABLE said(n INTEGER PRIMARY KEY, word TEXT)")
    db.rows("INSERT INTO said VALUES(1, 'cat'), (2, 'dog owl'), (3, 'cat OR owl')")
    db.alone = {name: db.rows(f"SELECT rowid, bm25 FROM docs WHERE {match} ORDER BY rank") for name, match in TEXTS.items()}
    return db


def expected(docs, names, keep=lambda rowid: True):
    """The ranking of the first text, without the rows that the others do not match."""
    others = [{rowid for rowid, _ in docs.alone[name]} for name in names[1:]]
    rows = [row for row in docs.alone[names[0]] if all(row[0] in other for other in others) and keep(row[0])]
    assert len(rows) > 20
    return rows


ORDERS = [names for count in (2, 3) for names in itertools.permutations(TEXTS, count)]


@pytest.mark.parametrize("names", ORDERS, ids="-".join)
def test_the_first_of_several_texts_ranks(docs, names):
    where = " AND ".join(TEXTS[name] for name in names)
    rows = expected(docs, names)
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {where} ORDER BY rank") == rows
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {where} ORDER BY bm25 DESC LIMIT 7") == rows[:7]
    assert ", ".join(PLAN[name] for name in names) in docs.plan(f"SELECT rowid FROM docs WHERE {where}")
    bound = rows[9][1]
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {where} AND bm25 > {bound!r} ORDER BY rank") == [row for row in rows if row[1] > bound]


@pytest.mark.parametrize("names", ORDERS, ids="-".join)
def test_other_terms_between_the_texts_change_nothing(docs, names):
    others = ["lang LIKE 'e%' AND year IS NOT NULL", "year <> 77 AND lang GLOB 'e*'", "lang IS NOT 'x' AND year < 99"]
    where = " AND ".join(f"{other} AND {TEXTS[name]}" for other, name in zip(others, names))
    rows = expected(docs, names, lambda rowid: rowid % 2 == 0)
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {where} ORDER BY rank") == rows
    # From the 16th term on SQLite checks terms again; the texts then stand on both sides of the 32nd.
    many = " AND ".join(f"year < {bound}" for bound in range(20, 35))
    more = " AND ".join(f"lang <> 'x{nth}'" for nth in range(20))
    where = f"{TEXTS[names[0]]} AND {more} AND {' AND '.join(TEXTS[name] for name in names[1:])} AND {many}"
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {where} ORDER BY rank") == expected(docs, names)


def test_texts_from_elsewhere_keep_their_order(docs):
    said = lambda nth: f"(SELECT word FROM said WHERE n = {nth})"
    title_first, body_first, docs_first = (expected(docs, names) for names in (("title", "body"), ("body", "title"), ("docs", "body")))
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE title MATCH {said(1)} AND body MATCH {said(2)} ORDER BY rank") == title_first
    assert docs.rows(f"SELECT rowid, bm25 FROM docs WHERE body MATCH {said(2)} AND title MATCH {said(1)} ORDER BY rank") == body_first
    assert docs.rows("SELECT rowid, bm25 FROM (SELECT rowid, rank, bm25, body FROM docs WHERE title MATCH 'cat') WHERE body MATCH 'dog owl' ORDER BY rank") == title_first
    for join in ("JOIN", "LEFT JOIN"):
        for on, rows in (("d.title MATCH s.word AND d.body MATCH 'dog owl'", title_first), ("d.body MATCH 'dog owl' AND d.title MATCH s.word", body_first)):
            assert docs.rows(f"SELECT d.rowid, d.bm25 FROM said s {join} docs d ON {on} WHERE s.n = 1 ORDER BY d.rank") == rows
    # The terms of WHERE stand in front of those of ON.
    assert docs.rows("SELECT d.rowid, d.bm25 FROM said s JOIN docs d ON d.title MATCH s.word WHERE s.n = 1 AND d.body MATCH 'dog owl' ORDER BY d.rank") == body_first
    # What is written with `=`, or as an argument of the table, stands in front of what is written with MATCH.
    for source in ("docs WHERE docs = 'cat OR owl' AND body MATCH 'dog owl'", "docs WHERE body MATCH 'dog owl' AND docs = 'cat OR owl'", "docs('cat OR owl') WHERE body MATCH 'dog owl'"):
        assert docs.rows(f"SELECT rowid, bm25 FROM {source} ORDER BY rank") == docs_first, source


def test_the_first_text_is_fused_with_a_vector(docs):
    for at in range(3):
        for first, second in (("title", "body"), ("body", "title")):
            terms = [TEXTS[first], TEXTS[second]]
            terms.insert(at, "e MATCH '[1,50]'")
            got = docs.rows(f"SELECT rowid, bm25 FROM docs WHERE {' AND '.join(terms)} ORDER BY rank")
            assert sorted(got) == sorted(expected(docs, (first, second))), terms

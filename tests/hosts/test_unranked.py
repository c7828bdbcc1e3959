"""Texts whose scores nobody reads, over enough rows that they are not all matched at once: the rows of an ordinary table."""

import json

import numpy as np
import pytest

import conftest
import hosts

ROWS = 12_000
WORDS = ["common", "often", "seldom", "rare"]
SHARES = [0.35, 0.05, 0.004, 0.0005]
STATES = ["segment", "segments", "scattered"]


def is_word(word):
    return f"(' ' || body || ' ') LIKE '% {word} %'"


SEARCHES = {
    **{word: (word, is_word(word)) for word in WORDS},
    "nothing": ("absent", "0"),
    "and": ("common AND often", f"{is_word('common')} AND {is_word('often')}"),
    "or": ("seldom OR rare", f"({is_word('seldom')} OR {is_word('rare')})"),
    "not": ("-common", f"NOT {is_word('common')}"),
    "without": ("common -often", f"{is_word('common')} AND NOT {is_word('often')}"),
    "phrase": ('"common often"', "(' ' || body || ' ') LIKE '% common often %'"),
    "prefix": ("com*", is_word("common")),
    "prefixed phrase": ('"common oft"*', "(' ' || body || ' ') LIKE '% common often %'"),
    # So many words that all are evaluated window by window.
    "heavy": (" ".join(f"x{n}" for n in range(80)) + " rare often", f"({is_word('rare')} OR {is_word('often')})"),
}


@pytest.fixture(scope="module", params=hosts.HOSTS, ids=str)
def host(request):
    return request.param


@pytest.fixture(scope="module", params=STATES)
def table(host, request):
    """One segment with ascending rowids; several, with dead rows and a log; several with rowids in any order."""
    print(f"NEARLITE_SEED={conftest.SEED}")
    rng = np.random.default_rng(conftest.SEED)
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, year INTEGER, lang TEXT)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 1000000)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('automerge', 64)")
    held = rng.random((ROWS, len(WORDS))) < SHARES
    rowids = np.arange(1, ROWS + 1) * 3
    if request.param == "scattered":
        rowids = rng.permutation(rowids)
    rows = [
        (int(rowid), "title " + WORDS[int(rng.integers(4))], " ".join(["filler"] + [word for word, has in zip(WORDS, row) if has]), int(rng.integers(2000, 2010)), "en" if rng.random() < 0.5 else "de")
        for rowid, row in zip(rowids, held)
    ]
    insert = "INSERT OR REPLACE INTO docs(rowid, title, body, year, lang) VALUES(?, ?, ?, ?, ?)"
    if request.param == "segment":
        db.many_in_transaction(insert, rows)
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    else:
        for start in range(0, ROWS, 5_000):
            db.many_in_transaction(insert, rows[start : start + 5_000])
            if start < 10_000:
                db.rows("INSERT INTO docs(docs) VALUES('flush')")
        # Rows of each segment are written again, into the log, and some are gone.
        db.many_in_transaction(insert, rows[:10_000:700])
        db.rows("DELETE FROM docs WHERE rowid % 101 = 0")
        rows = [row for row in rows if row[0] % 101 != 0]
    db.rows("CREATE TABLE plain(id INTEGER PRIMARY KEY, title, body, year, lang)")
    db.many_in_transaction("INSERT INTO plain VALUES(?, ?, ?, ?, ?)", rows)
    db.state = request.param
    yield db
    db.close()


LISTS = [
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid LIMIT 10",
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid DESC LIMIT 10",
    "SELECT rowid, year FROM {t} WHERE {m} ORDER BY rowid LIMIT 10 OFFSET 300",
    "SELECT rowid, year FROM {t} WHERE {m} ORDER BY rowid DESC LIMIT 10 OFFSET 300",
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid",
    "SELECT rowid FROM {t} WHERE {m} ORDER BY rowid DESC",
    "SELECT rowid FROM {t} WHERE {m} AND year = 2003 ORDER BY rowid LIMIT 20",
    "SELECT rowid FROM {t} WHERE {m} AND year = 2003 AND lang = 'en' ORDER BY rowid DESC LIMIT 20 OFFSET 2",
    "SELECT rowid FROM {t} WHERE {m} AND rowid BETWEEN 9000 AND 9100 ORDER BY rowid",
    "SELECT EXISTS(SELECT 1 FROM {t} WHERE {m})",
    "SELECT EXISTS(SELECT 1 FROM {t} WHERE {m} AND rowid > 30000)",
    "SELECT count(*) FROM {t} WHERE {m}",
    "SELECT count(*) FROM {t} WHERE {m} AND year > 2004",
    "SELECT count(*) FROM {t} WHERE {m} AND lang = 'en'",
    "SELECT count(*) FROM {t} WHERE {m} AND lang = 'en' AND year < 2008",
    "SELECT count(*), min(lang), max(lang) FROM {t} WHERE {m} AND lang = 'de'",
    "SELECT count(*) FROM (SELECT 1 FROM {t} WHERE {m} AND year > 2001 LIMIT 100 OFFSET 30)",
    "SELECT count(*) FROM {t} JOIN (VALUES(1), (2)) WHERE {m} AND year > 2004",
]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("column", ["docs", "body"])
def test_rows_come_as_from_an_ordinary_table(table, search, column):
    text, like = SEARCHES[search]
    if column == "docs" and search != "nothing":
        text = text.replace('"common', 'body:"common') if '"' in text else f"body:({text})"
    for sql in LISTS:
        got = table.rows(sql.format(t="docs", m=f"{column} MATCH ?"), text)
        assert got == table.rows(sql.format(t="plain", m=f"({like})").replace("rowid", "id")), sql


@pytest.mark.parametrize("value", ["en", "de", "xx", "", None, 5])
def test_a_bound_text_filters_what_is_counted(table, value):
    for rest in ("lang = ?", "lang = ? AND year > 2003", "lang = ? AND lang > 'd'"):
        got = table.one(f"SELECT count(*) FROM docs WHERE body MATCH 'common' AND {rest}", value)
        assert got == table.one(f"SELECT count(*) FROM plain WHERE {is_word('common')} AND {rest}", value), (rest, value)


@pytest.mark.parametrize("order", ["ORDER BY rowid", "ORDER BY rowid DESC"])
def test_a_caller_who_takes_ten_rows_does_not_pay_for_all(table, order):
    """All matching rows were once found before the first was given."""
    told = json.loads(table.rows(f"SELECT explain FROM docs WHERE docs MATCH 'body:filler' {order} LIMIT 10")[-1][0])
    assert told["unranked"]
    if table.state != "scattered":
        assert 10 <= told["text_hits"] <= 7_000, told


def test_rows_that_are_looked_at_late_are_the_ranked_ones(table):
    """Nobody looks at the rows that OFFSET skips, or that a condition without columns drops; then the rest is ranked."""
    whole = table.column("SELECT rowid FROM docs WHERE body MATCH 'common often' ORDER BY rank")
    titles = dict(table.rows("SELECT id, title FROM plain"))
    for offset in (0, 10, 19, 20, 21, 50, 333, 2_000, len(whole) - 1, len(whole)):
        sql = f"SELECT rowid, title, body MATCH 'common' FROM docs WHERE body MATCH 'common often' LIMIT 10 OFFSET {offset}"
        page = whole[offset : offset + 10]
        assert [row[:2] for row in table.rows(sql)] == [(rowid, titles[rowid]) for rowid in page], offset
    late = "SELECT group_concat(id) FROM (SELECT docs.rowid AS id, n.i FROM docs CROSS JOIN (SELECT 0 AS i) n WHERE body MATCH 'common often' LIMIT -1 OFFSET 100)"
    assert table.one(late) == ",".join(map(str, whole[100:]))
    marked = table.rows("SELECT rowid, highlight(docs, 'body', '[', ']') FROM docs WHERE body MATCH 'common often' LIMIT 5 OFFSET 1000")
    bodies = dict(table.rows("SELECT id, body FROM plain"))
    assert marked == [(rowid, bodies[rowid].replace("common", "[common]").replace("often", "[often]")) for rowid in whole[1000:1005]]


def test_rows_that_are_deleted_while_they_are_counted_are_not_looked_at(host):
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER)")
    db.many_in_transaction("INSERT INTO docs(rowid, body, year) VALUES(?, 'word', 1)", [(rowid,) for rowid in range(1, 201)])
    for first in (1, 30, 60):
        db.rows("BEGIN")
        cursor = db.cursor("SELECT 1 FROM docs WHERE body MATCH 'word' AND year = 1")
        assert sum(1 for _ in range(first) if next(cursor)) == first
        db.rows("DELETE FROM docs WHERE rowid > 100")
        # Rows that were fetched before are among those that are left.
        assert first + sum(1 for _ in cursor) in range(100, 103)
        db.rows("ROLLBACK")
    db.close()


# ---- equal scores ----


@pytest.mark.parametrize("limit", [1, 2, 15, 16, 17, 20, 63, 64, 65, 100, 256, 1_000, 1_024, 1_025, 5_000])
def test_equal_scores_come_in_rowid_order_wherever_a_batch_ends(table, limit):
    """Those at the end of a batch once came in the order of segments: a row written again came last."""
    scores = table.rows("SELECT rowid, bm25 FROM docs WHERE body MATCH 'common' ORDER BY rank")
    assert len({score for _, score in scores}) < 30, "a test of equals"
    expected = [rowid for rowid, _ in sorted(scores, key=lambda row: (-row[1], row[0]))]
    assert [row[0] for row in scores] == expected
    assert table.column(f"SELECT rowid FROM docs WHERE body MATCH 'common' ORDER BY rank LIMIT {limit}") == expected[:limit]
    assert table.column(f"SELECT rowid FROM docs WHERE body MATCH 'common' AND k = {limit} ORDER BY rank") == expected[:limit]
    cursor = table.cursor("SELECT rowid FROM docs WHERE body MATCH 'common' ORDER BY rank")
    assert [next(cursor)[0] for _ in range(min(limit, len(expected)))] == expected[:limit]
    mask = [rowid for rowid in expected if rowid % 2 == 0]
    assert table.column(f"SELECT rowid FROM docs WHERE body MATCH 'common' AND rowid IN (SELECT id FROM plain WHERE id % 2 = 0) ORDER BY rank LIMIT {limit}") == mask[:limit]
    few = [rowid for rowid in expected if rowid <= 300]
    assert table.column(f"SELECT rowid FROM docs WHERE body MATCH 'common' AND rowid <= 300 ORDER BY rank LIMIT {limit}") == few[:limit]


@pytest.mark.parametrize("text", ["filler", "filler often", "filler common often seldom", " ".join(f"x{n}" for n in range(80)) + " filler"])
def test_equal_scores_of_more_words_come_in_rowid_order(table, text):
    scores = table.rows("SELECT rowid, bm25 FROM docs WHERE body MATCH ? ORDER BY rank", text)
    expected = [rowid for rowid, _ in sorted(scores, key=lambda row: (-row[1], row[0]))]
    for limit in (1, 10, 100, 700):
        assert table.column(f"SELECT rowid FROM docs WHERE body MATCH ? ORDER BY rank LIMIT {limit}", text) == expected[:limit]

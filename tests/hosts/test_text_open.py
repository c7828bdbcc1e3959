"""Prefixes, phrases that end in one, fuzzy words: every row that a scan finds, whatever state the index is in; and their rank."""

import json

import pytest

STEPS = ["inserted", "committed", "flushed", "updated", "deleted", "optimized", "rebuilt"]


def text(rng):
    """A text of few common words and one of 4,000 rare ones, so that `x` has far more than a thousand continuations."""
    words = []
    for _ in range(int(rng.integers(2, 9))):
        kind = int(rng.integers(0, 4))
        if kind == 0:
            words.append(f"x{int(rng.integers(0, 4000)):04d}")
        elif kind == 1:
            words.append(f"y{int(rng.integers(0, 40))}")
        else:
            words.append(("alpha", "beta", "gamma")[int(rng.integers(0, 3))])
    return " ".join(words)


def phrases(rng, count):
    for _ in range(count):
        first = ("alpha", "beta", "y7", "alpha beta", "gamma y1", "alpha alpha", "x0001")[int(rng.integers(0, 7))]
        last = ("x", "x0", "x1", "x39", "y", "y1", "a", "alpha", "zz")[int(rng.integers(0, 9))]
        yield first, last


def holds(text, first, last):
    return f" {first} {last}" in f" {text}"


def test_a_phrase_that_ends_in_a_prefix_finds_every_row_that_a_scan_and_fts5_find(db, rng):
    """Once it tried the first 1,024 continuations of each segment: rows were lost, and others after a commit than before."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.rows("CREATE VIRTUAL TABLE peer USING fts5(body)")
    data = {rowid: text(rng) for rowid in range(1, 3001)}
    tables = ("docs", "peer")
    db.rows("BEGIN")
    for table in tables:
        db.many(f"INSERT INTO {table}(rowid, body) VALUES(?, ?)", list(data.items()))
    most = 0
    for step in STEPS:
        if step == "committed":
            db.rows("COMMIT")
        elif step == "flushed":
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
        elif step == "updated":
            for rowid in range(1, 3001, 3):
                data[rowid] = text(rng)
            for table in tables:
                db.many_in_transaction(f"UPDATE {table} SET body = ? WHERE rowid = ?", [(data[rowid], rowid) for rowid in range(1, 3001, 3)])
        elif step == "deleted":
            gone = [rowid for rowid in data if rowid % 5 == 0]
            for table in tables:
                db.many_in_transaction(f"DELETE FROM {table} WHERE rowid = ?", [(rowid,) for rowid in gone])
            for rowid in gone:
                del data[rowid]
        elif step == "optimized":
            db.rows("INSERT INTO docs(docs) VALUES('optimize')")
        elif step == "rebuilt":
            db.rows("INSERT INTO docs(docs) VALUES('rebuild')")
        for first, last in phrases(rng, 25):
            query = f'"{first} {last}"*'
            expected = sorted(rowid for rowid, body in data.items() if holds(body, first, last))
            most = max(most, len(expected))
            assert sorted(db.column("SELECT rowid FROM docs WHERE docs MATCH ?", query)) == expected, (step, query)
            assert sorted(db.column("SELECT rowid FROM peer WHERE peer MATCH ?", f'"{first} {last}"*')) == expected, (step, query)
            assert db.one("SELECT count(*) FROM docs WHERE docs MATCH 'alpha OR beta OR gamma OR y*' AND docs MATCH ?", query) == len(
                [rowid for rowid in expected if any(word[0] in "abgy" for word in data[rowid].split())]), (step, query)
    assert most > 500


def test_a_split_word_with_a_star_is_such_a_phrase(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.many_in_transaction("INSERT INTO docs(rowid, body) VALUES(?, ?)", [(i, f"shut s{i:05d}") for i in range(1, 2001)])
    db.rows("INSERT INTO docs(rowid, body) VALUES(9999, 'an open-system of open doors'), (9998, 'open source'), (9997, 'system, open')")
    for command in (None, "flush", "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert sorted(db.column("SELECT rowid FROM docs WHERE docs MATCH 'open-s*'")) == [9998, 9999]
        assert db.one("SELECT count(*) FROM docs WHERE docs MATCH '\"shut s\"*'") == 2000


@pytest.mark.parametrize("query, best", [("java*", "java"), ("quick~", "quick"), ('"a java"*', "a java"), ("quick~2", "quick")])
def test_the_word_itself_comes_before_its_continuations_and_typos(db, query, best):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.many("INSERT INTO docs(body) VALUES(?)", [("a javascript tutorial",), ("a java tutorial",), ("a quikc tutorial",), ("a quick tutorial",)])
    for command in ("flush", "optimize"):
        assert best in db.column("SELECT body FROM docs WHERE docs MATCH ? ORDER BY rank", query)[0]
        db.rows("INSERT INTO docs(docs) VALUES(?)", command)


def test_a_prefix_ranks_by_how_often_it_stands_and_by_length(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.many("INSERT INTO docs(rowid, body) VALUES(?, ?)", [(1, "vector and many other words that make this a long text"), (2, "vector search"), (3, "vectors, vector, vectorised, vector"), (4, "none")])
    order = db.column("SELECT rowid FROM docs WHERE docs MATCH 'vecto*' ORDER BY rank")
    assert order[-1] == 1 and order[0] == 3
    scores = [db.column(f"SELECT bm25 FROM docs WHERE docs MATCH '{query}' ORDER BY rank") for query in ("search", "sear*", "searhc~")]
    assert scores[0] == scores[1] == scores[2]


def test_boosts_of_boosts_keep_the_order(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    db.many("INSERT INTO docs(body) VALUES(?)", [("b c d",), ("a b c d e f",), ("a a",)])
    query = "a"
    for _ in range(9):
        query = f"({query}^999999)^999999"
    rows = db.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH ? ORDER BY rank", query)
    assert [row[0] for row in rows] == [3, 2]
    assert rows[0][1] > rows[1][1] > 0 and rows[0][1] < 1e38


@pytest.mark.parametrize("joint", [" ", " AND ", "* ", "~1 "])
def test_many_words_find_what_a_scan_finds(db, rng, joint):
    """Beyond some dozens of words a query is evaluated in another way."""
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT)")
    vocabulary = [f"word{i}q" for i in range(300)]
    data = {rowid: set(rng.choice(vocabulary, size=int(rng.integers(1, 290)))) for rowid in range(1, 401)}
    db.many_in_transaction("INSERT INTO docs(rowid, body) VALUES(?, ?)", [(rowid, " ".join(sorted(words))) for rowid, words in data.items()])
    wanted = vocabulary[100:200] if joint != " AND " else vocabulary[100:103] * 40
    suffix = joint.strip() if joint.strip() in ("*", "~1") else ""
    query = joint.join(wanted) + suffix
    def found(words):
        if joint == " AND ":
            return set(wanted) <= words
        if joint == "~1 ":
            return any(near(a, b) for a in wanted for b in words)
        return bool(set(wanted) & words)
    expected = sorted(rowid for rowid, words in data.items() if found(words))
    for command in (None, "flush", "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert sorted(db.column("SELECT rowid FROM docs WHERE docs MATCH ?", query)) == expected
        assert db.column("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank LIMIT 10", query) == db.column("SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rank", query)[:10]


def near(a, b):
    """One typing error at most, between words that differ in their number alone."""
    a, b = a[4:-1], b[4:-1]
    if abs(len(a) - len(b)) > 1:
        return False
    if len(a) == len(b):
        different = [i for i in range(len(a)) if a[i] != b[i]]
        return len(different) <= 1 or (len(different) == 2 and different[1] == different[0] + 1 and a[different[0]] == b[different[1]] and a[different[1]] == b[different[0]])
    if len(a) > len(b):
        a, b = b, a
    return any(b[:i] + b[i + 1:] == a for i in range(len(b)))


def test_forbidden_words_leave_out_rows_of_both_legs_of_a_hybrid_query(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(2) METRIC l2)")
    db.many("INSERT INTO docs(rowid, body, v) VALUES(?, ?, ?)", [(i, "use help" if i % 3 == 0 else "use it", json.dumps([100 - i, 0])) for i in range(1, 61)])
    for query in ("--help", "-help", "NOT help"):
        rows = db.column("SELECT rowid FROM docs WHERE docs MATCH hybrid_query(?, '[0, 0]') ORDER BY rank", query)
        assert sorted(rows) == [i for i in range(1, 61) if i % 3]

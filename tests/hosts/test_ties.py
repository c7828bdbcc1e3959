"""Equals in a hybrid query: they share a rank, a cut does not part them, and a leg of equals leaves the order to the other."""

import itertools
import json

import pytest

import hosts

FUSIONS = ["rrf", "convex", "dbsf"]
# How the rows are stored: in the log, in one segment, or in two segments with dead rows and a log.
STATES = ["delta", "optimized", "mixed"]
COUNTS = [100, 1_000, 20_000]


def filled(host, count, state, texts, vectors):
    """A table of `count` rows; `texts` and `vectors` are SQL of the row number `n`."""
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(4) METRIC l2)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 1000000)")

    def insert(first, last, shift=0):
        db.rows(
            f"WITH RECURSIVE r(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM r WHERE n < {last}) "
            f"INSERT OR REPLACE INTO docs(rowid, body, v) SELECT n + {shift}, {texts}, {vectors} FROM r"
        )

    if state == "mixed":
        insert(1, count // 2)
        insert(1, 20, shift=1_000_000)
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.rows("DELETE FROM docs WHERE rowid > 1000000")
        insert(count // 4, 3 * count // 4)
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        insert(3 * count // 4, count)
    else:
        insert(1, count)
        if state == "optimized":
            db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    return db


# The farther, the smaller the row number; the better the text (a word among fewer words), the larger it is.
FARTHEST_FIRST = "json_array(100000 - n, 0, 0, 0)"
BEST_LAST = "'cat' || replace(hex(zeroblob((20100 - n) / 1000)), '00', ' dog')"


@pytest.fixture(scope="module", params=list(itertools.product(hosts.HOSTS, COUNTS, STATES)), ids=lambda p: "-".join(map(str, p)))
def case(request):
    return request.param


def drawn(db, fusion, limit, columns="rowid", depth=None):
    options = {"fusion": fusion} | ({} if depth is None else {"depth": depth})
    sql = f"SELECT {columns} FROM docs WHERE docs MATCH hybrid_query('cat', '[0,0,0,0]', ?) ORDER BY rank LIMIT ?"
    return db.rows(sql, json.dumps(options), limit)


def test_equal_texts_leave_the_order_to_the_vectors(case):
    """All rows once had the ranks 1, 2, 3, ... of their rowids in the text leg, and the farthest row came first."""
    host, count, state = case
    db = filled(host, count, state, "'cat'", FARTHEST_FIRST)
    nearest = list(range(count, 0, -1))
    for fusion in FUSIONS:
        for limit in (1, 10, 150, 2 * count):
            assert [row[0] for row in drawn(db, fusion, limit)] == nearest[:limit], (fusion, limit)
    assert [row[0] for row in drawn(db, "rrf", 10, depth=3)] == nearest[:10]
    db.close()


def test_equal_vectors_leave_the_order_to_the_texts(case):
    host, count, state = case
    db = filled(host, count, state, BEST_LAST, "'[1,2,3,4]'")
    # A thousand rows have one text; of rows with one score the smaller rowid comes first.
    best = [rowid for rowid, _ in sorted(db.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'cat'"), key=lambda row: (-row[1], row[0]))]
    assert len(best) == count
    for fusion in FUSIONS:
        for limit in (10, 150, 2 * count):
            assert [row[0] for row in drawn(db, fusion, limit)] == best[:limit], (fusion, limit)
    db.close()


def test_rows_that_are_equal_in_both_legs_come_in_order_of_rowid_with_one_score(case):
    host, count, state = case
    db = filled(host, count, state, "'cat'", "'[1,2,3,4]'")
    for fusion in FUSIONS:
        for limit in (10, 2 * count):
            rows = drawn(db, fusion, limit, "rowid, score, vector_rank, text_rank")
            assert [row[0] for row in rows] == list(range(1, min(limit, count) + 1)), (fusion, limit)
            assert len({row[1:] for row in rows}) == 1, (fusion, limit)
    db.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("host", hosts.HOSTS, ids=str)
def test_every_member_of_a_group_of_equals_gets_the_same_from_its_leg(host, state):
    """Ten texts of 300 rows each, so that every cut of the text leg is inside a group."""
    db = filled(host, 3_000, state, "'cat' || replace(hex(zeroblob(n % 10)), '00', ' dog')", "json_array((n * 7919) % 3001, 0, 0, 0)")
    for depth in (100, 299, 300, 301, 450):
        # All of these rows are of the first round.
        rows = drawn(db, "rrf", 50, "rowid, score, bm25, vector_rank, text_rank", depth)
        assert len({row[0] for row in rows}) == len(rows) == 50
        ranks = {}
        for _, _, bm25, _, text_rank in rows:
            ranks.setdefault(bm25, set()).add(text_rank)
        assert all(len(of) == 1 for of in ranks.values()), (depth, ranks)
        assert {1} in ranks.values()
    for depth in (1, 100, 299, 300, 301, 450):
        assert sorted(row[0] for row in drawn(db, "rrf", 5_000, depth=depth)) == list(range(1, 3_001)), depth
    whole = drawn(db, "rrf", 3_000, "rowid, score, bm25, vector_rank, text_rank", 3_000)
    places = {bm25: 1 + 300 * at for at, bm25 in enumerate(sorted({row[2] for row in whole}, reverse=True))}
    for _, score, bm25, vector_rank, text_rank in whole:
        assert score == pytest.approx(1 / (60 + vector_rank) + 1 / (60 + text_rank), rel=1e-5)
        assert text_rank == places[bm25]
    db.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("host", hosts.HOSTS, ids=str)
def test_a_long_group_counts_the_same_for_every_row_of_the_other_leg(host, state):
    """12,000 equal texts behind 5 better ones, which are the farthest rows; the leg draws a few of the 12,000."""
    db = filled(host, 12_005, state, "CASE WHEN n <= 5 THEN 'cat cat' ELSE 'cat' END", FARTHEST_FIRST)
    rows = drawn(db, "rrf", 80, "rowid, score, vector_rank, text_rank", 80)
    for rowid, score, vector_rank, text_rank in rows:
        assert (vector_rank, text_rank) == ((None, 1) if rowid <= 5 else (12_006 - rowid, 6))
        assert score == pytest.approx((1 / (60 + vector_rank) if vector_rank else 0) + 1 / (60 + text_rank), rel=1e-5)
    assert [row[0] for row in rows] == list(range(12_005, 12_005 - 80, -1))
    db.close()


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("text, forbidden", [("--help", "help"), ("-v", "v"), ("-5", "5"), ("NOT help", "help"), ("-help -v", "help v")])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("host", hosts.HOSTS, ids=str)
def test_a_text_of_forbidden_words_only_restricts_and_ranks_nothing(host, state, text, forbidden, fusion):
    """The text leg once gave every other row in order of rowid, and half of the first ten were the rowids 1 to 5."""
    words = "CASE n % 5 WHEN 0 THEN 'help' WHEN 1 THEN 'v' WHEN 2 THEN '5' WHEN 3 THEN 'other' END"
    db = filled(host, 400, state, words, FARTHEST_FIRST)
    held = {"help": 0, "v": 1, "5": 2}
    gone = {held[word] for word in forbidden.split()}
    sql = "SELECT rowid, bm25, text_rank FROM docs WHERE docs MATCH hybrid_query(?, '[0,0,0,0]', ?) ORDER BY rank LIMIT ?"
    for limit in (10, 1_000):
        rows = db.rows(sql, text, json.dumps({"fusion": fusion}), limit)
        assert [row[0] for row in rows] == [n for n in range(400, 0, -1) if n % 5 not in gone][:limit]
        assert {row[1:] for row in rows} == {(None, None)}
    also = db.column("SELECT rowid FROM docs WHERE v MATCH '[0,0,0,0]' AND docs MATCH ? ORDER BY rank LIMIT 10", text)
    assert also == [n for n in range(400, 0, -1) if n % 5 not in gone][:10]
    db.close()


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("host", hosts.HOSTS, ids=str)
def test_a_single_hit_of_a_leg_comes_first_where_the_other_leg_is_of_equals(host, fusion):
    db = filled(host, 300, "mixed", "CASE WHEN n = 77 THEN 'cat' ELSE 'dog' END", "'[1,2,3,4]'")
    assert [row[0] for row in drawn(db, fusion, 4)] == [77, 1, 2, 3]
    db.close()

"""Any number of legs in one search, groups and diversity, and what each leg gave to a row."""

import itertools
import json

import numpy as np
import pytest

import model

DIM = 6
TOPICS = ["red", "green", "blue", None]


@pytest.fixture(params=["delta", "optimized", "mixed"])
def docs(host, request, rng):
    """300 rows with two texts and two vectors, some of them missing."""
    db = host.open()
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, topic TEXT, a VECTOR({DIM}), b VECTOR({DIM}) METRIC l2)")
    words = lambda count: " ".join(rng.choice(model.WORDS, count))
    blob = lambda missing: None if missing else model.blob(rng.standard_normal(DIM))
    rows = [(n, words(3), words(int(rng.integers(4, 20))), TOPICS[n % 4], blob(n % 11 == 0), blob(n % 13 == 0)) for n in range(1, 301)]
    insert = "INSERT INTO docs(rowid, title, body, topic, a, b) VALUES(?, ?, ?, ?, ?, ?)"
    db.many_in_transaction(insert, rows[:200] if request.param == "mixed" else rows)
    if request.param != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    if request.param == "mixed":
        db.many_in_transaction(insert, rows[200:])
        db.rows("UPDATE docs SET title = title WHERE rowid % 5 = 0")
    db.a, db.b = (model.blob(rng.standard_normal(DIM)) for _ in range(2))
    return db


def bound(sql, values):
    """The statement with its parameters written out."""
    for name, value in values.items():
        literal = f"x'{value.hex()}'" if isinstance(value, bytes) else "'" + value.replace("'", "''") + "'"
        sql = sql.replace(f":{name}", literal)
    return sql


def named(db, sql, values):
    return db.rows(bound(sql, values))


def ranks(rows):
    """Rowid to rank, equals sharing it."""
    first = {}
    return {rowid: first.setdefault(raw, place) for place, (rowid, raw) in enumerate(rows, 1)}


LEGS = {
    "near('a', :a)": "SELECT rowid, distance FROM docs WHERE a MATCH :a ORDER BY distance",
    "near('b', :b)": "SELECT rowid, distance FROM docs WHERE b MATCH :b ORDER BY distance",
    "words('falcon onyx')": "SELECT rowid, bm25 FROM docs WHERE docs MATCH 'falcon onyx' ORDER BY rank",
    "text_query('amber', '{\"column\":\"title\"}')": "SELECT rowid, bm25 FROM docs WHERE title MATCH 'amber' ORDER BY rank",
}


def search(db, legs, options="", columns="rowid, score", where="1", limit=1000):
    arguments = ", ".join([*legs, *([f"'{json.dumps(options)}'"] if options else [])])
    sql = f"SELECT {columns} FROM docs WHERE docs MATCH hybrid_query({arguments}) AND {where} ORDER BY rank LIMIT {limit}"
    return named(db, sql, {"a": db.a, "b": db.b})


@pytest.mark.parametrize("legs", [legs for count in (2, 3, 4) for legs in itertools.combinations(LEGS, count)], ids=lambda legs: str(len(legs)))
def test_the_score_is_the_sum_of_the_reciprocal_ranks_of_all_legs(docs, legs):
    for where in ["1", "topic = 'red'", "rowid % 2 = 0 OR topic IS NULL"]:
        inside = "OR" not in where
        expected = {}
        for leg in legs:
            sql = LEGS[leg].replace("ORDER", f"AND {where} ORDER") if inside else LEGS[leg]
            for rowid, rank in ranks(named(docs, sql, {"a": docs.a, "b": docs.b})).items():
                expected[rowid] = expected.get(rowid, 0) + 1 / (60 + rank)
        if not inside:
            kept = set(docs.column(f"SELECT rowid FROM docs WHERE {where}"))
            expected = {rowid: score for rowid, score in expected.items() if rowid in kept}
        got = search(docs, legs, {"fusion": "rrf", "depth": 1000}, where=f"({where})")
        assert dict(got) == pytest.approx(expected, rel=1e-5)
        assert [score for _, score in got] == sorted((score for _, score in got), reverse=True)


@pytest.mark.parametrize("fusion", ["rrf", "convex", "dbsf"])
def test_rows_beyond_the_depth_come_once_and_pages_fit_together(docs, fusion):
    legs = list(LEGS)
    whole = [rowid for rowid, _ in search(docs, legs, {"fusion": fusion, "depth": 5})]
    assert len(whole) == len(set(whole))
    known = {rowid for leg in LEGS.values() for rowid, _ in named(docs, leg, {"a": docs.a, "b": docs.b})}
    assert set(whole) == known
    assert [rowid for rowid, _ in search(docs, legs, {"fusion": fusion, "depth": 5}, limit=4)] == whole[:4]


def test_a_leg_has_a_weight_a_depth_and_a_bound_of_its_own(docs):
    a = named(docs, LEGS["near('a', :a)"], {"a": docs.a})
    b = named(docs, LEGS["near('b', :b)"], {"b": docs.b})
    least = a[9][1]
    legs = [f"near('a', :a, '{{\"weight\":3,\"max_distance\":{least!r}}}')", "near('b', :b, '{\"depth\":7}')"]
    got = dict(search(docs, legs, {"fusion": "rrf"}, limit=10))
    ten, seven = ranks(a[:10]), ranks(b[:7])
    expected = {rowid: 3 / (60 + ten[rowid]) if rowid in ten else 0 for rowid in {*ten, *seven}}
    for rowid, rank in seven.items():
        expected[rowid] += 1 / (60 + rank)
    best = dict(sorted(expected.items(), key=lambda pair: -pair[1])[:10])
    # A page of ten makes each leg at least ten deep.
    assert {rowid for rowid in got} >= {rowid for rowid in best if rowid in ten}
    bounded = search(docs, [f"near('a', :a, '{{\"max_distance\":{least!r}}}')"], columns="rowid, distance")
    assert bounded == a[:10]
    words = docs.rows("SELECT rowid, bm25 FROM docs WHERE docs MATCH 'falcon' ORDER BY rank")
    for arguments in ("text_query('falcon', :o)", "hybrid_query(text_query('falcon', :o), NULL)"):
        sql = f"SELECT rowid, bm25 FROM docs WHERE docs MATCH {arguments} ORDER BY rank"
        assert named(docs, sql, {"o": json.dumps({"min_bm25": words[4][1]})}) == [row for row in words if row[1] >= words[4][1]]


def test_a_null_leg_is_left_out_and_one_leg_is_an_ordinary_search(docs):
    alone = named(docs, "SELECT rowid, distance FROM docs WHERE a MATCH :a ORDER BY distance LIMIT 20", {"a": docs.a})
    for legs in (["near('a', :a)"], ["near('a', :a)", "NULL"], ["near('a', :a)", "words(NULL)", "near('b', NULL)"], ["near(NULL, :a)"]):
        assert search(docs, legs, columns="rowid, distance", limit=20) == alone
    assert search(docs, ["near('a', NULL)", "words(NULL)"]) == []
    classic = named(docs, "SELECT rowid, score FROM docs WHERE docs MATCH hybrid_query('falcon', :a) ORDER BY rank LIMIT 30", {"a": docs.a})
    assert search(docs, ["near('a', :a)", "'falcon'"], limit=30) == classic == search(docs, ["text_query('falcon')", "near('a', :a)"], limit=30)


def test_a_row_is_explained_by_what_each_leg_gave(docs):
    legs = list(LEGS)
    for fusion in ("rrf", "convex", "dbsf"):
        rows = search(docs, legs, {"fusion": fusion}, columns="rowid, score, distance, bm25, explain_row(docs)", limit=25)
        for place, (rowid, score, distance, bm25, explained) in enumerate(rows, 1):
            found = json.loads(explained)
            assert found["position"] == place and found["score"] == pytest.approx(score, abs=1e-6)
            parts = found["legs"]
            assert len(parts) == 4
            assert [(part["kind"], part["column"]) for part in parts if part] == [named for part, named in zip(parts, [("vector", "a"), ("vector", "b"), ("text", None), ("text", "title")]) if part]
            assert sum(part["contribution"] for part in parts if part) == pytest.approx(score, abs=1e-5)
            if parts[0]:
                assert parts[0]["distance"] == pytest.approx(distance, abs=1e-6)
    one = named(docs, "SELECT explain_row(docs), distance FROM docs WHERE a MATCH :a ORDER BY distance LIMIT 2", {"a": docs.a})
    assert [json.loads(row[0])["legs"] for row in one] == [[{"kind": "vector", "column": "a", "rank": n, "distance": row[1]}] for n, row in enumerate(one, 1)]
    assert docs.column("SELECT explain_row(docs) FROM docs LIMIT 1") == [None]


@pytest.mark.parametrize("rows", [1, 3])
def test_groups_hold_the_best_rows_of_each_value(docs, rows):
    for legs in (["near('a', :a)"], ["words('falcon')"], ["near('a', :a)", "words('falcon')"], list(LEGS)):
        options = {"group_by": "topic", "group_rows": rows}
        whole = search(docs, legs, {"depth": 1000} if len(legs) > 1 else "", columns="rowid, topic")
        expected, taken = [], {}
        for rowid, topic in whole:
            taken[topic] = taken.get(topic, 0) + 1
            if taken[topic] <= rows:
                expected.append((rowid, topic))
        assert search(docs, legs, options | {"depth": 1000}, columns="rowid, topic") == expected
        assert search(docs, legs, options | {"depth": 1000}, columns="rowid, topic", limit=2) == expected[:2]


def test_diversity_picks_rows_that_are_unlike_each_other(docs):
    vectors = {rowid: model.floats(blob) for rowid, blob in docs.rows("SELECT rowid, a FROM docs WHERE a IS NOT NULL")}
    cosine = lambda x, y: 1 - model.distance("cosine", x, y)
    pool = named(docs, "SELECT rowid, distance FROM docs WHERE a MATCH :a ORDER BY distance LIMIT 40", {"a": docs.a})
    for weight in (1.0, 0.5, 0.2):
        picked = []
        while len(picked) < 10:
            left = [(rowid, distance) for rowid, distance in pool if rowid not in picked]
            gain = lambda row: weight * (1 - row[1]) - ((1 - weight) * max(cosine(vectors[row[0]], vectors[other]) for other in picked) if picked else 0)
            picked.append(max(left, key=gain)[0])
        sql = "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('a', :a), :o) AND k = 10"
        assert [row[0] for row in named(docs, sql, {"a": docs.a, "o": json.dumps({"mmr": weight})})] == picked, weight
    everything = [row[0] for row in named(docs, "SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('a', :a), '{\"mmr\":0.5}')", {"a": docs.a})]
    assert sorted(everything) == sorted(vectors)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("near('nothing', '[1]')", ["nothing"]),
        ("near('title', '[1]')", ["title"]),
        ("near('a', '[1,2]')", ["docs.a", "6", "2"]),
        ("near('a', x'00000000')", ["docs.a"]),
        ("text_query('x', '{\"column\":\"topic\"}')", ["topic", "FULLTEXT"]),
        ("near('a', :a), '{\"group_by\":\"colour\"}'", ["colour", "topic"]),
        ("near('a', :a), '{\"group_rows\":2}'", ["group_by"]),
        ("words('x'), near('a', NULL), '{\"mmr\":0.5}'", ["vector"]),
        ("near('a', :a), '{\"mmr\":2}'", ["mmr"]),
        ("near('a', :a), 7", ["argument 2"]),
        ("near('a', :a, '{\"depth\":0}')", ["depth"]),
        ("near('a', :a, '[]')", ["object"]),
    ],
)
def test_a_wrong_leg_is_named(docs, arguments, words):
    failure = docs.failure(bound(f"SELECT rowid FROM docs WHERE docs MATCH hybrid_query({arguments})", {"a": docs.a}))
    assert failure.says(*words), failure
    assert docs.failure(bound("SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('a', :a)) AND b MATCH :b", {"a": docs.a, "b": docs.b})).says("near")


def test_a_leg_that_is_left_out_may_stand_before_a_text(docs):
    alone = docs.rows("SELECT rowid FROM docs WHERE docs MATCH 'amber' ORDER BY rank LIMIT 10")
    for leg in ["NULL", "near('a', NULL)", "like_row(NULL)"]:
        for options in ["", """, '{"fusion":"rrf"}'"""]:
            query = f"SELECT rowid FROM docs WHERE docs MATCH hybrid_query({leg}, 'amber'{options}) ORDER BY rank LIMIT 10"
            assert docs.rows(query) == alone, query


def test_texts_of_forbidden_words_alone_find_every_other_row(docs):
    rows = lambda query: sorted(docs.rows(f"SELECT rowid FROM docs WHERE docs MATCH {query} LIMIT 1000"))
    both = rows("'-amber -badger'")
    assert 0 < len(both) < 300
    assert rows("hybrid_query(text_query('-amber'), text_query('-badger'))") == both
    assert rows("hybrid_query(text_query('-badger'), text_query(''), text_query('-amber'))") == both
    assert rows("hybrid_query('amber', text_query('-badger'))") == rows("'amber -badger'")


def test_a_bound_that_a_row_reported_keeps_that_row(docs):
    near = docs.rows(bound("SELECT rowid, distance FROM docs WHERE a MATCH :a AND k = 300 ORDER BY distance", {"a": docs.a}))
    texts = docs.rows("SELECT rowid, bm25(docs) FROM docs WHERE docs MATCH 'amber' ORDER BY rank")
    assert len(near) > 200 and len(texts) > 20
    for at, (rowid, distance) in enumerate(near):
        options = json.dumps({"max_distance": distance})
        query = bound(f"SELECT count(*) FROM docs WHERE docs MATCH hybrid_query(near('a', :a, '{options}')) AND k = 300", {"a": docs.a})
        assert docs.rows(query)[0][0] >= at + 1, (rowid, distance)
    for at, (rowid, bm25) in enumerate(texts):
        options = json.dumps({"min_bm25": bm25})
        found = docs.rows(f"SELECT count(*) FROM docs WHERE docs MATCH text_query('amber', '{options}')")[0][0]
        assert found >= at + 1, (rowid, bm25)


def test_picks_depend_on_k_or_the_size_of_a_page_but_not_on_the_offset(docs, host):
    sql = """SELECT rowid FROM docs WHERE docs MATCH hybrid_query(near('a', :a), '{"mmr":0.5}')"""
    picks = lambda more: [row for (row,) in named(docs, f"{sql} {more}", {"a": docs.a})]
    fixed = picks("AND k = 30 ORDER BY rank LIMIT 30")
    assert len(fixed) == 30
    for offset in [0, 10, 20]:
        assert picks(f"AND k = 30 ORDER BY rank LIMIT 10 OFFSET {offset}") == fixed[offset : offset + 10]
    if host.version >= (3, 41):
        pages = [picks(f"ORDER BY rank LIMIT 10 OFFSET {offset}") for offset in [0, 10, 20]]
        assert len(set(itertools.chain(*pages))) == 30


def test_the_column_on_the_left_and_that_of_the_options_must_agree(docs):
    same = docs.rows("""SELECT rowid FROM docs WHERE title MATCH text_query('amber', '{"column":"TITLE"}') ORDER BY rank LIMIT 10""")
    assert same == docs.rows("SELECT rowid FROM docs WHERE title MATCH 'amber' ORDER BY rank LIMIT 10") and same
    failure = docs.failure("""SELECT rowid FROM docs WHERE title MATCH text_query('amber', '{"column":"body"}')""")
    assert failure.says("docs.title MATCH text_query", "name the column 'body'")


def test_a_row_is_explained_whatever_order_rows_come_in(docs):
    explained = lambda order: {
        rowid: json.loads(text)["legs"]
        for rowid, text in docs.rows(f"SELECT rowid, explain_row(docs) FROM docs WHERE docs MATCH 'amber' ORDER BY {order}")
    }
    ranked = explained("rank")
    assert len(ranked) > 20 and all(legs[0]["bm25"] > 0 for legs in ranked.values())
    assert explained("rowid") == explained("topic") == ranked

"""A nearest or text query under a WHERE returns exactly the rows that SQLite itself would keep, nearest first, k of them."""

import pytest

import model

FILTERS = [
    # equality and its opposites
    "lang = 'en'", "lang <> 'en'", "NOT lang = 'en'", "lang IS 'en'", "lang IS NOT 'en'", "lang IS NULL", "lang IS NOT NULL",
    "lang = 'nowhere'", "lang = NULL", "lang <> NULL", "year = 2003", "year <> 2003", "price = 12.5", "free = 1", "free = 0", "free", "NOT free",
    "free = TRUE", "free IS TRUE", "free IS NOT TRUE", "price IS NULL", "price IS NOT NULL", "lang IS NOT DISTINCT FROM 'de'",
    # ranges
    "year > 2005", "year >= 2005", "year < 2005", "year <= 2005", "2005 < year", "year > 2001 AND year < 2010", "year BETWEEN 2002 AND 2004", "year NOT BETWEEN 2002 AND 2004",
    "year > 2010 AND year < 2005", "price > 50", "price > 50.5", "price < 1e300", "price > -1e300", "price <= 0", "lang > 'de'", "lang < 'en' AND lang >= 'de'",
    # sets
    "lang IN ('en', 'de')", "lang IN ('en')", "lang IN ()", "lang IN ('en', NULL)", "lang NOT IN ('en')", "lang NOT IN ('en', 'de')", "lang NOT IN ('en', NULL)",
    "year IN (2001, 2002, 2003)", "year IN (2001)", "year NOT IN (2000, 2001)", "year IN (2001, 2002) AND lang IN ('en', 'fr')", "price IN (1, 2.5, NULL)",
    "year IN (SELECT 2000 + value FROM json_each('[1,2,3]'))", "lang IN (SELECT lang FROM plain WHERE year = 2001)", "lang IN (VALUES ('de'), ('ja'))",
    # types that meet: the column's affinity decides, as in any table
    "year = '2003'", "year = 2003.0", "year = '2003x'", "year > 2002.5", "year < '2005'", "year = 'abc'", "year < 'abc'", "year > 'abc'", "lang = 5", "lang > 5", "lang < 5", "price = 5", "price > '50'",
    "year IN ('2001', 2002.0)", "year > 9223372036854775807", "year < 9223372036854775808", "year > -9e99", "year = x'00'", "year < x'00'", "free = '1'", "lang = x'656e'",
    # collations
    "lang = 'EN' COLLATE NOCASE", "lang COLLATE NOCASE = 'EN'", "lang COLLATE NOCASE IN ('EN', 'De')", "lang > 'EN' COLLATE NOCASE", "lang <> 'EN' COLLATE NOCASE", "lang = 'en  ' COLLATE RTRIM",
    # patterns
    "lang LIKE 'en%'", "lang LIKE 'EN'", "lang LIKE '%n'", "lang LIKE 'e_'", "lang NOT LIKE 'e%'", "lang LIKE NULL", "lang GLOB 'e*'", "lang GLOB 'E*'", "lang GLOB '*'", "lang LIKE 'e#n' ESCAPE '#'",
    "payload LIKE 'payload 1%'", "payload GLOB 'payload [12]*'", "title LIKE 'amber%'", "body LIKE '%falcon%'",
    # connectives
    "lang = 'en' OR year = 2001", "(lang = 'en' AND year > 2003) OR (lang = 'de' AND year < 2003)", "NOT (lang = 'en' OR year > 2003)", "lang = 'en' AND lang = 'de'", "lang = 'en' AND year > 2001 AND free = 0 AND price > 20",
    "(lang IS NULL) = (price IS NULL)", "CASE WHEN free THEN year > 2003 ELSE lang = 'en' END", "1", "0", "NULL", "1 = 1 AND lang = 'fr'",
    # expressions that only SQLite can work out
    "year % 2 = 0", "year + 1 = 2004", "length(title) > 20", "upper(lang) = 'EN'", "coalesce(lang, 'none') = 'none'", "abs(price - 50) < 10", "year = 2000 + length(lang)", "price > year - 1960", "lang || free = 'en1'", "typeof(price) = 'null'",
    "hex(embedding) LIKE 'A%'", "payload IS NULL", "payload = 'payload 7'", "EXISTS (SELECT 1 FROM plain p WHERE p.rowid = docs.rowid AND p.free)",
    # rowids
    "rowid = 7", "rowid IN (7)", "rowid IN (7, 8, 9, 100000)", "rowid IN (SELECT rowid FROM plain WHERE year = 2002)", "rowid IN (SELECT rowid FROM plain WHERE rowid = 9)", "rowid NOT IN (SELECT rowid FROM plain WHERE year = 2000)", "rowid NOT IN (7)", "rowid <> 7",
    "rowid > 300", "rowid >= 300", "rowid < 50", "rowid BETWEEN 100 AND 160", "rowid > 100 AND rowid <= 160 AND lang = 'en'", "rowid = 7 OR rowid = 70", "rowid % 7 = 0", "rowid = '7'", "rowid = 7.0", "rowid > 7.5", "rowid = 7.5", "rowid IN (7.5, 8, 'x')", "rowid = 'x'", "rowid IS NULL", "rowid IN (NULL)",
    "rowid > -9223372036854775808", "rowid < 9223372036854775807", "rowid = 9223372036854775807", "+rowid = 7", "rowid IN (SELECT -1)",
]


def qualified(where):
    """The same WHERE for the twin, whose table has another name."""
    return where.replace("docs.rowid", "plain.rowid")


@pytest.mark.parametrize("where", FILTERS)
def test_nearest_under_a_filter_equals_brute_force(corpus, query, where):
    kept = corpus.kept_by(qualified(where))
    expected = model.nearest(corpus.vectors, query, keep=kept)
    for limit in (1, 9, 1000):
        got = corpus.db.rows(f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND ({where}) ORDER BY distance LIMIT ?", model.blob(query), limit)
        model.same_ranking(got, expected[:limit])
        assert {row[0] for row in got} <= kept


@pytest.mark.parametrize("where", FILTERS)
def test_a_scan_under_a_filter_equals_sqlites_own(corpus, where):
    assert corpus.db.column(f"SELECT rowid FROM docs WHERE {where} ORDER BY rowid") == sorted(corpus.kept_by(qualified(where)))


@pytest.mark.parametrize("where", FILTERS)
def test_a_text_query_under_a_filter_keeps_the_same_rows(corpus, where):
    kept = corpus.kept_by(f"' ' || title || ' ' || body || ' ' LIKE '% falcon %' AND ({qualified(where)})")
    got = corpus.db.column(f"SELECT rowid FROM docs WHERE docs MATCH 'falcon' AND ({where}) ORDER BY rank")
    assert sorted(got) == sorted(kept)
    assert got[:5] == corpus.db.column(f"SELECT rowid FROM docs WHERE docs MATCH 'falcon' AND ({where}) ORDER BY rank LIMIT 5")


@pytest.mark.parametrize("value", ["en", "de", None, 5, 2.5, b"en", "", "x" * 10_000])
@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"])
def test_bound_values_of_any_type_mean_what_they_mean_in_a_table(corpus, query, operator, value):
    for column in ("lang", "year", "price", "free"):
        got = corpus.db.rows(f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND {column} {operator} ? ORDER BY distance LIMIT 20", model.blob(query), value)
        model.same_ranking(got, corpus.expected(query, f"{column} {operator} ?", (value,))[:20])


@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">="])
def test_two_columns_compared_with_each_other_mean_what_they_mean_in_a_table(corpus, query, operator):
    corpus.check_nearest(query, f"year {operator} price")
    corpus.check_nearest(query, f"rowid {operator} price")


@pytest.mark.parametrize("count", [0, 1, 2, 10, 200, 380])
def test_k_rows_come_back_at_every_pass_rate(corpus, query, count):
    """`count` rows pass: the nearest ones, the farthest ones, and evenly spread ones."""
    ranked = [rowid for rowid, _ in corpus.expected(query)]
    for passing in (ranked[:count], ranked[len(ranked) - count :], ranked[:: max(1, len(ranked) // max(count, 1))][:count]):
        listed = ",".join(map(str, passing))
        got = corpus.db.rows(f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND rowid IN ({listed}) ORDER BY distance LIMIT 10", model.blob(query))
        model.same_ranking(got, model.nearest(corpus.vectors, query, keep=set(passing))[:10])


def test_a_filter_meets_rows_as_they_are_after_updates(docs, query):
    for table in ("docs", "plain"):
        docs.db.rows(f"UPDATE {table} SET lang = 'zz' WHERE year = 2001")
        docs.db.rows(f"UPDATE {table} SET year = NULL, price = 1.0 WHERE lang = 'de'")
        docs.db.rows(f"DELETE FROM {table} WHERE lang = 'fr'")
    docs.data = {rowid: row for rowid, row in docs.data.items() if rowid in docs.kept_by("1")}
    for where in ("lang = 'zz'", "lang <> 'zz'", "year IS NULL", "year = 2001", "price = 1", "lang = 'fr'", "lang IS NULL OR year IS NULL"):
        docs.check_nearest(query, where, limit=500)
    docs.db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    for where in ("lang = 'zz'", "year IS NULL", "lang = 'fr'"):
        docs.check_nearest(query, where, limit=500)


def test_text_keys_filter_too(db, rng):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, embedding VECTOR(8) METRIC l2)")
    vectors = {f"key-{i}": v for i, v in enumerate(model.random_vectors(rng, 200))}
    db.many_in_transaction("INSERT INTO docs(id, embedding) VALUES(?, ?)", [(key, model.blob(v)) for key, v in vectors.items()])
    query = model.random_vectors(rng, 1)[0]
    ranked = [key for key, _ in sorted(vectors.items(), key=lambda item: model.distance("l2", item[1], query))]
    tests = [
        ("id = 'key-5'", lambda key: key == "key-5"),
        ("id IN ('key-5')", lambda key: key == "key-5"),
        ("id IN ('key-5', 'key-9', 'nobody')", lambda key: key in ("key-5", "key-9")),
        ("id NOT IN ('key-5')", lambda key: key != "key-5"),
        ("id LIKE 'key-1%'", lambda key: key.startswith("key-1")),
        ("id GLOB 'key-1?'", lambda key: key.startswith("key-1") and len(key) == 6),
        ("id > 'key-5'", lambda key: key > "key-5"),
        ("id = 'KEY-5'", lambda key: False),
        ("id = 'KEY-5' COLLATE NOCASE", lambda key: key == "key-5"),
        ("id IS NULL", lambda key: False),
    ]
    for command in (None, "flush", "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        for where, passes in tests:
            got = db.column(f"SELECT id FROM docs WHERE embedding MATCH ? AND {where} ORDER BY distance LIMIT 6", model.blob(query))
            assert got == [key for key in ranked if passes(key)][:6], where


def test_text_with_null_bytes_and_any_unicode_is_compared_whole(db):
    values = ["a", "a\0b", "a\0", "", "é", "e\u0301", "日本", "😀", "a" * 5000]
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(tag TEXT, embedding VECTOR(2))")
    db.many_in_transaction("INSERT INTO docs(rowid, tag, embedding) VALUES(?, ?, '[1,1]')", list(enumerate(values, 1)))
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        for rowid, value in enumerate(values, 1):
            assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,1]' AND tag = ? ORDER BY distance LIMIT 9", value) == [rowid], value
            assert db.column("SELECT tag FROM docs WHERE rowid = ?", rowid) == [value]


def test_extreme_integers_and_reals_are_compared_exactly(db):
    integers = [-(2**63), -(2**53) - 1, -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER, x REAL, embedding VECTOR(2))")
    db.rows("CREATE TABLE plain(rowid INTEGER PRIMARY KEY, n INTEGER, x REAL)")
    rows = [(i, n, float(n)) for i, n in enumerate(integers, 1)]
    db.many_in_transaction("INSERT INTO docs(rowid, n, x, embedding) VALUES(?, ?, ?, '[1,1]')", rows)
    db.many_in_transaction("INSERT INTO plain(rowid, n, x) VALUES(?, ?, ?)", rows)
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        for column in ("n", "x"):
            for operator in ("=", "<", "<=", ">", ">="):
                for value in integers + [9007199254740992.0, 9007199254740993.5, -0.0, 1e19, -1e19]:
                    sql = f"SELECT rowid FROM {{}} WHERE {{}}{column} {operator} ? ORDER BY rowid"
                    want = db.column(sql.format("plain", ""), value)
                    got = db.column(f"SELECT rowid FROM docs WHERE embedding MATCH '[1,1]' AND {column} {operator} ? ORDER BY distance LIMIT 99", value)
                    assert got == want, f"{column} {operator} {value!r}"

"""Tables whose hidden columns have a prefix, so that columns can be called score, rank or distance."""

import json

import pytest

import hosts

RESERVED = ["rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain"]
CREATE = """CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, score REAL, rank INTEGER, distance TEXT, k INTEGER, e VECTOR(2) METRIC l2,
            hidden_prefix = 'nl_')"""


@pytest.fixture
def docs(db):
    db.rows(CREATE)
    rows = [(n, f"word{n % 3}", n / 2, 100 - n, f"d{n % 4}", n % 5, f"[{n},0]") for n in range(1, 31)]
    db.many("INSERT INTO docs(rowid, body, score, rank, distance, k, e) VALUES(?, ?, ?, ?, ?, ?, ?)", rows)
    return db


@pytest.mark.parametrize("sealed", [False, True])
def test_both_kinds_of_names_mean_what_they_say(docs, sealed):
    if sealed:
        docs.rows("INSERT INTO docs(docs) VALUES('flush')")
    found = docs.rows("SELECT rowid, nl_distance, distance, score FROM docs WHERE e MATCH '[4,0]' AND score > 1 AND k = 4 ORDER BY nl_distance LIMIT 2")
    assert found == [(4, 0.0, "d0", 2.0), (9, 5.0, "d1", 4.5)]
    found = docs.rows("SELECT rowid FROM docs WHERE e MATCH '[4,0]' AND nl_k = 3 AND nl_ef_search = 50 AND nl_exact = 1 ORDER BY rank DESC")
    assert found == [(3,), (4,), (5,)]
    assert docs.column("SELECT rowid FROM docs WHERE docs MATCH 'word1' AND rank < 95 ORDER BY nl_rank, rowid LIMIT 3") == [7, 10, 13]
    hybrid = "SELECT rowid, nl_score, nl_vector_rank, nl_text_rank, nl_bm25 > 0 FROM docs WHERE docs MATCH hybrid_query('word1', '[4,0]') ORDER BY nl_rank LIMIT 1"
    assert docs.rows(hybrid) == [(4, 1.0, 1, 1, 1)]
    assert json.loads(docs.one("SELECT nl_explain FROM docs WHERE e MATCH '[4,0]' LIMIT 1"))["kind"] == "nearest"
    assert "TEMP B-TREE" not in docs.plan("SELECT rowid FROM docs WHERE e MATCH '[4,0]' ORDER BY nl_rank LIMIT 2")
    assert docs.column("SELECT rowid FROM docs WHERE e MATCH '[4,0]' AND nl_distance < 1.5") == [4, 3, 5]


def test_names_are_seen_by_tools(docs):
    visible = docs.column("SELECT name FROM pragma_table_info('docs')")
    assert visible == ["body", "score", "rank", "distance", "k", "e"]
    hidden = docs.column("SELECT name FROM pragma_table_xinfo('docs') WHERE hidden = 1")
    assert hidden == ["docs", *("nl_" + name for name in RESERVED)]
    assert docs.rows("SELECT value, declaration FROM nearlite_schema('docs') WHERE \"column\" = 'hidden_prefix'") == [("nl_", "hidden_prefix = 'nl_'")]


def test_commands_and_functions_work(docs):
    docs.rows("INSERT INTO docs(docs, nl_rank) VALUES('ef_search', 77)")
    assert docs.one("SELECT value FROM docs_config WHERE name = 'ef_search'") == 77
    assert docs.failure("INSERT INTO docs(docs) VALUES('ef_search')").says("INSERT INTO docs(docs, nl_rank)")
    assert docs.failure("INSERT INTO docs(body, nl_score) VALUES('a', 1)").says("docs.nl_score", "hidden")
    assert json.loads(docs.one("SELECT nearlite_maintain('docs')"))["finished"]
    assert docs.one("SELECT nearlite_recall('docs', 'e', 5, 3)") == 1.0
    docs.rows("SELECT nearlite_alter('docs', 'ADD COLUMN exact TEXT DEFAULT ''x''')")
    docs.rows("INSERT INTO docs(docs, nl_rank) VALUES('alter', 'DROP COLUMN k')")
    assert docs.failure("SELECT nearlite_alter('docs', 'ADD COLUMN nl_k TEXT')").says("docs.nl_k", "reserved")
    assert docs.column("SELECT rowid FROM docs WHERE e MATCH '[4,0]' AND exact = 'x' AND nl_k = 1") == [4]
    assert docs.failure("SELECT rowid FROM docs WHERE e MATCH '[4,0]' AND nl_k = 'x'").says("nl_k must be")
    docs.rows("INSERT INTO docs(docs) VALUES('optimize')")
    docs.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    assert docs.failure("ALTER TABLE docs RENAME TO nl_rank").says("nl_rank", "reserved")
    docs.rows("ALTER TABLE docs RENAME TO vector_rank")
    assert docs.column("SELECT rowid FROM vector_rank WHERE e MATCH '[4,0]' ORDER BY nl_rank LIMIT 1") == [4]


@pytest.mark.parametrize("prefix", ["", "1a", "a b", "ä", "x" * 33, "a-"])
def test_a_prefix_is_a_word(db, prefix):
    assert db.failure(f"CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(2), hidden_prefix = '{prefix}')").says("hidden_prefix", "nl_")


def test_without_a_prefix_the_error_names_it(db):
    for name in RESERVED:
        assert db.failure(f"CREATE VIRTUAL TABLE docs USING nearlite({name} TEXT)").says(f"docs.{name}", "hidden_prefix = 'nl_'")
    failure = db.failure("CREATE VIRTUAL TABLE docs USING nearlite(nl_score TEXT, hidden_prefix = 'nl_')")
    assert failure.says("docs.nl_score", "reserved")


def test_a_thread_maintains_such_a_table_too(host, path):
    db = host.open(path)
    db.rows(CREATE)
    db.rows("INSERT INTO docs(docs, nl_rank) VALUES('delta_rows', 50)")
    for n in range(400):
        db.rows("INSERT INTO docs(body, e) VALUES('a', ?)", f"[{n},1]")
    db.rows("SELECT nearlite_maintain('docs')")
    assert db.one("SELECT delta FROM nearlite_info('docs') WHERE kind = 'table'") == 0
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    db.close()

"""What went wrong in other systems and has no place among the other tests; README.md says which hole is tested where."""

import os
import pathlib
import re

import apsw
import pytest

import model


# ---- constraints that were taken and not applied, or applied to a part ----


@pytest.mark.parametrize("knobs", ["", "AND exact = 1", "AND ef_search = 500", "AND k = 300", "AND exact = 1 AND k = 300"])
def test_bounds_on_the_distance_and_sets_of_ids_hold_whatever_the_plan(corpus, query, knobs):
    expected = [pair for pair in corpus.expected(query, "rowid IN (SELECT rowid FROM plain WHERE rowid % 3 = 1)") if 0.2 < pair[1] <= 0.9]
    got = corpus.db.rows(
        f"SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND distance > 0.2 AND distance <= 0.9 AND rowid IN (SELECT rowid FROM plain WHERE rowid % 3 = 1) {knobs} ORDER BY distance",
        model.blob(query),
    )
    model.same_ranking(got, expected)


def test_a_bound_on_the_distance_of_a_search_without_a_vector_selects_nothing(corpus):
    assert corpus.db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon' AND distance < 1") == []
    assert corpus.db.column("SELECT rowid FROM docs WHERE distance < 1") == []


def test_a_bound_on_the_distance_of_a_hybrid_search_holds_for_every_row(corpus, query):
    rows = corpus.db.rows("SELECT rowid, distance FROM docs WHERE docs MATCH hybrid_query('falcon', ?) AND distance < 0.9 ORDER BY rank", model.blob(query))
    assert rows and all(distance < 0.9 for _, distance in rows)


def test_a_bound_that_is_no_number_means_what_it_means_in_a_table(corpus, query):
    everything = len(corpus.expected(query))
    for bound, count in (("< 'abc'", everything), ("< x'00'", everything), ("> 'abc'", 0), ("< NULL", 0), ("<= '9'", everything)):
        assert corpus.db.one(f"SELECT count(*) FROM docs WHERE embedding MATCH ? AND distance {bound}", model.blob(query)) == count, bound


def test_an_or_of_two_vector_matches_beside_a_k(corpus, query, rng):
    other = model.random_vectors(rng, 1)[0]
    got = corpus.db.column("SELECT rowid FROM docs WHERE (embedding MATCH ? OR embedding MATCH ?) AND k = 3", model.blob(query), model.blob(other))
    assert len(set(got)) == len(got) and len(got) >= 3


def test_each_of_forty_metadata_columns_filters(db):
    columns = [f"m{at} {kind}" for at, kind in enumerate(["TEXT", "INTEGER", "REAL", "BOOLEAN"] * 10)]
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({', '.join(columns)}, embedding VECTOR(2))")
    rows = [[str(i % (at + 2)) if at % 4 == 0 else i % (at + 2) if at % 4 < 3 else i % 2 for at in range(40)] for i in range(60)]
    db.many_in_transaction(f"INSERT INTO docs VALUES({', '.join('?' * 41)})", [(*row, model.blob([1, i])) for i, row in enumerate(rows)])
    for command in (None, "optimize"):
        if command:
            db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        for at in range(40):
            got = db.column(f"SELECT rowid FROM docs WHERE embedding MATCH '[1,0]' AND m{at} = ? ORDER BY rowid", rows[1][at])
            assert got == [i + 1 for i, row in enumerate(rows) if row[at] == rows[1][at]], f"m{at}"


def test_ids_of_an_outer_row_restrict_an_inner_search(corpus, query):
    """The list of an IN depends on the row outside, so it is another one for each run of the search."""
    got = corpus.db.rows(
        "SELECT o.i, (SELECT d.rowid FROM docs d WHERE d.embedding MATCH ? AND d.rowid IN (SELECT p.rowid FROM plain p WHERE p.year = 2000 + o.i) ORDER BY d.distance LIMIT 1) FROM (SELECT value AS i FROM json_each('[1,2,3,4,5]')) o",
        model.blob(query),
    )
    first = lambda year: next(iter(corpus.expected(query, "year = ?", (year,))), (None,))[0]
    assert got == [(i, first(2000 + i)) for i in range(1, 6)]


@pytest.mark.parametrize("column", ["rowid", "year", "price", "lang"])
def test_a_million_values_in_a_list_of_any_column(corpus, query, column):
    value = "'x' || i" if column == "lang" else "i"
    wanted = f"{column} IN (SELECT {value} FROM n{' UNION ALL SELECT ' + chr(39) + 'de' + chr(39) if column == 'lang' else ''})"
    with_n = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 2 FROM n WHERE i < 2000000)"
    got = corpus.db.rows(f"{with_n} SELECT rowid, distance FROM docs WHERE embedding MATCH ? AND {wanted} ORDER BY distance LIMIT 10", model.blob(query))
    where = {"rowid": "rowid % 2 = 0", "year": "year % 2 = 0", "price": "price = CAST(price AS INTEGER) AND CAST(price AS INTEGER) % 2 = 0 AND price >= 0", "lang": "lang = 'de'"}[column]
    model.same_ranking(got, corpus.expected(query, where)[:10])


@pytest.mark.parametrize("where", ["lang IN ()", "year IN ()", "rowid IN ()", "lang IN (SELECT 'en' WHERE 0)", "rowid IN (SELECT 1 WHERE 0)", "rowid IN (SELECT NULL)"])
def test_an_empty_list_selects_nothing_and_its_negation_everything(corpus, query, where):
    assert corpus.db.column(f"SELECT rowid FROM docs WHERE embedding MATCH ? AND {where}", model.blob(query)) == []
    corpus.check_nearest(query, f"NOT ({where})" if "NULL" not in where else "1")


# ---- declarations, names, orphans ----


def test_create_if_not_exists_keeps_the_old_dimension_and_the_next_write_says_so(db):
    db.rows("CREATE VIRTUAL TABLE IF NOT EXISTS docs USING nearlite(embedding VECTOR(3), model = 'old-model')")
    db.rows("CREATE VIRTUAL TABLE IF NOT EXISTS docs USING nearlite(embedding VECTOR(4), model = 'new-model')")
    assert db.failure("INSERT INTO docs(embedding) VALUES('[1,2,3,4]')").says("docs.embedding", "expected 3", "got 4", "old-model")
    assert db.failure("SELECT rowid FROM docs WHERE embedding MATCH '[1,2,3,4]'").says("expected 3", "got 4", "old-model")


def test_the_name_of_a_renamed_table_is_free_for_another_one(docs, query):
    before = docs.db.rows("SELECT rowid FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 20", model.blob(query))
    docs.db.rows("ALTER TABLE docs RENAME TO kept")
    docs.db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2))")
    docs.db.rows("INSERT INTO docs(rowid, embedding) VALUES(1, '[1,2]')")
    assert docs.db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,2]' ORDER BY distance") == [1]
    assert docs.db.rows("SELECT rowid FROM kept WHERE embedding MATCH ? ORDER BY distance LIMIT 20", model.blob(query)) == before
    docs.db.rows("DROP TABLE docs")
    docs.db.rows("ALTER TABLE kept RENAME TO docs")
    docs.check_nearest(query, limit=1000)


def test_a_trigger_keeps_a_table_of_base_rows_in_step(db):
    """Virtual tables have no foreign keys: orphans would take places among the k nearest."""
    db.rows("CREATE TABLE base(id INTEGER PRIMARY KEY, text TEXT)")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2))")
    db.rows("CREATE TRIGGER gone AFTER DELETE ON base BEGIN DELETE FROM docs WHERE rowid = old.id; END")
    db.many_in_transaction("INSERT INTO base VALUES(?, 'x')", [(i,) for i in range(1, 51)])
    db.many_in_transaction("INSERT INTO docs(rowid, embedding) VALUES(?, ?)", [(i, model.blob([1, i])) for i in range(1, 51)])
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    db.rows("DELETE FROM base WHERE id <= 45")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,0]' ORDER BY distance LIMIT 10") == [46, 47, 48, 49, 50]
    db.rows("BEGIN")
    db.rows("DELETE FROM base")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,0]' LIMIT 10") == []
    db.rows("ROLLBACK")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,0]' ORDER BY distance LIMIT 10") == [46, 47, 48, 49, 50]


# ---- work and space, counted and not timed ----


def log_bytes(path):
    return os.path.getsize(f"{path}-wal")


def test_a_row_written_by_itself_costs_the_same_however_many_were_written_before(host, path):
    """A system that writes a list of all its parts with each commit grows quadratically."""
    db = host.open(path)
    db.rows("PRAGMA journal_mode = WAL")
    db.rows("PRAGMA wal_autocheckpoint = 0")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, embedding VECTOR(8))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 100)")
    sizes = [log_bytes(path)]
    for block in range(8):
        for i in range(200):
            db.rows("INSERT INTO docs(body, embedding) VALUES(?, ?)", f"word{i % 10} of block {block}", model.blob([i, block, 1, 2, 3, 4, 5, 6]))
        sizes.append(log_bytes(path))
    written = [after - before for before, after in zip(sizes, sizes[1:])]
    # Merges make some blocks dearer; a quadratic cost would make the last half seven times as dear as the first.
    assert sum(written[4:]) < 2.5 * sum(written[:4]), written
    db.close()


def test_many_small_commits_leave_few_segments_and_a_small_file(host, path):
    db = host.open(path)
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, embedding VECTOR(8))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 10)")
    for i in range(1000):
        db.rows("INSERT OR REPLACE INTO docs(rowid, body, embedding) VALUES(?, ?, ?)", i % 400, f"word{i % 7} and {i}", model.blob([i % 13, 1, 2, 3, 4, 5, 6, 7]))
    segments, dead = db.rows("SELECT segments, dead FROM nearlite_info('docs') LIMIT 1")[0]
    assert segments <= 20 and dead <= 400, (segments, dead)
    small = db.one("PRAGMA page_count") - db.one("PRAGMA freelist_count")
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert small < 4 * (db.one("PRAGMA page_count") - db.one("PRAGMA freelist_count"))
    assert db.one("SELECT count(*) FROM docs") == 400
    db.close()


def test_searches_do_not_pile_up_memory(corpus, query):
    """Some 48 bytes for each search went missing elsewhere. SQLite counts what it was asked for."""
    if not isinstance(corpus.db.connection, apsw.Connection):
        pytest.skip("Python's sqlite3 does not tell")

    def search(times):
        for at in range(times):
            corpus.db.rows("SELECT rowid, distance, title FROM docs WHERE embedding MATCH ? AND lang = ? AND rowid IN (1, 2, ?) ORDER BY distance LIMIT 5", model.blob(query), "en", at)
            corpus.db.rows("SELECT snippet(docs, 'body', '', '', '', 5) FROM docs WHERE docs MATCH 'falcon' LIMIT 3")
        return apsw.memory_used()

    first = search(50)
    assert search(500) - first < 20_000


# ---- functions ----


def test_a_function_that_reads_a_table_is_not_deterministic(db):
    flags = [row[5] for row in db.rows("PRAGMA function_list") if row[0] == "nearlite_recall"]
    assert flags and all(not flag & 0x800 for flag in flags)
    db.rows("CREATE TABLE t(x)")
    with pytest.raises(db.errors):
        db.rows("CREATE INDEX i ON t(nearlite_recall('t', x, 1, 1))")


def test_recall_follows_the_table_within_one_statement_list(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(embedding VECTOR(2))")
    assert db.one("SELECT nearlite_recall('docs', 'embedding', 5, 1)") is None
    db.rows("INSERT INTO docs(embedding) VALUES('[1,2]'), ('[3,1]')")
    assert db.one("SELECT nearlite_recall('docs', 'embedding', 5, 1)") == 1.0


def test_every_test_that_the_list_of_holes_names_exists():
    folder = pathlib.Path(__file__).parent
    defined = set(re.findall(r"^def (test_\w+)", "\n".join(file.read_text("utf-8") for file in folder.glob("test_*.py")), re.MULTILINE))
    named = re.findall(r"`(test_\w+)`", (folder / "README.md").read_text("utf-8"))
    assert len(named) > 60 and set(named) <= defined, set(named) - defined

"""Reads see the transaction's own writes; rollback, savepoints and failed statements leave no trace."""

import pytest

import model

TABLE = "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, n INTEGER, embedding VECTOR(4) METRIC l2)"


def state_of(db):
    """All that can be seen of `docs`: the rows, a search by vector, by text, by filter."""
    return (
        db.rows("SELECT rowid, body, n, embedding FROM docs ORDER BY rowid"),
        db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT 500"),
        db.rows("SELECT rowid, n FROM docs WHERE docs MATCH 'falcon' ORDER BY rank"),
        db.column("SELECT rowid FROM docs WHERE embedding MATCH '[1,1,1,1]' AND n > 10 ORDER BY distance LIMIT 500"),
        db.one("SELECT count(*) FROM docs"),
    )


def insert(db, first, count, body="falcon"):
    db.many("INSERT INTO docs(rowid, body, n, embedding) VALUES(?, ?, ?, ?)", [(i, body, i, model.blob([i, i % 7, i % 3, 1])) for i in range(first, first + count)])


@pytest.fixture(params=["delta", "optimized"])
def filled(db, request):
    db.rows(TABLE)
    insert(db, 1, 60)
    if request.param == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
        insert(db, 61, 5)
    return db


WRITES = {
    "insert": lambda db: insert(db, 1000, 30),
    "delete": lambda db: db.rows("DELETE FROM docs WHERE n % 2"),
    "delete all": lambda db: db.rows("DELETE FROM docs"),
    "update the vector": lambda db: db.rows("UPDATE docs SET embedding = '[9,9,9,9]' WHERE n < 20"),
    "update the text": lambda db: db.rows("UPDATE docs SET body = 'owl' WHERE n < 20"),
    "update a number": lambda db: db.rows("UPDATE docs SET n = n + 100"),
    "move a row": lambda db: db.rows("UPDATE docs SET rowid = rowid + 5000 WHERE n < 10"),
    "replace": lambda db: db.rows("INSERT OR REPLACE INTO docs(rowid, body, embedding) VALUES(3, 'owl', '[0,0,0,0]')"),
    "flush": lambda db: db.rows("INSERT INTO docs(docs) VALUES('flush')"),
    "optimize": lambda db: db.rows("INSERT INTO docs(docs) VALUES('optimize')"),
    "insert and flush": lambda db: (insert(db, 1000, 30), db.rows("INSERT INTO docs(docs) VALUES('flush')")),
    "delete and optimize": lambda db: (db.rows("DELETE FROM docs WHERE n % 3 = 0"), db.rows("INSERT INTO docs(docs) VALUES('optimize')")),
    "rebuild": lambda db: db.rows("INSERT INTO docs(docs) VALUES('rebuild')"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_rollback_restores_every_answer(filled, write):
    before = state_of(filled)
    filled.rows("BEGIN")
    write(filled)
    during = state_of(filled)
    filled.rows("ROLLBACK")
    assert state_of(filled) == before
    write(filled)
    assert state_of(filled) == during


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_rollback_to_a_savepoint_restores_every_answer(filled, write):
    filled.rows("BEGIN")
    insert(filled, 500, 5)
    before = state_of(filled)
    filled.rows("SAVEPOINT s")
    write(filled)
    state_of(filled)
    filled.rows("ROLLBACK TO s")
    assert state_of(filled) == before
    write(filled)
    during = state_of(filled)
    filled.rows("RELEASE s")
    filled.rows("COMMIT")
    assert state_of(filled) == during


def test_reads_inside_a_transaction_see_its_own_writes(filled):
    filled.rows("BEGIN")
    filled.rows("INSERT INTO docs(rowid, body, embedding) VALUES(777, 'heron', '[70,70,70,70]')")
    assert filled.column("SELECT rowid FROM docs WHERE embedding MATCH '[70,70,70,70]' ORDER BY distance LIMIT 1") == [777]
    assert filled.column("SELECT rowid FROM docs WHERE docs MATCH 'heron'") == [777]
    filled.rows("UPDATE docs SET body = 'crane' WHERE rowid = 777")
    assert filled.column("SELECT rowid FROM docs WHERE docs MATCH 'heron'") == []
    filled.rows("DELETE FROM docs WHERE rowid = 777")
    assert filled.column("SELECT rowid FROM docs WHERE docs MATCH 'crane'") == []
    filled.rows("COMMIT")


def test_nested_savepoints_restore_their_own_level(filled):
    states = []
    for level in range(5):
        states.append(state_of(filled))
        filled.rows(f"SAVEPOINT s{level}")
        insert(filled, 2000 + 10 * level, 3)
        filled.rows("DELETE FROM docs WHERE rowid = ?", level + 1)
        if level == 2:
            filled.rows("INSERT INTO docs(docs) VALUES('flush')")
    for level in reversed(range(5)):
        filled.rows(f"ROLLBACK TO s{level}")
        assert state_of(filled) == states[level], f"level {level}"
        filled.rows(f"RELEASE s{level}")


def test_a_rowid_used_again_after_a_rollback_shows_the_new_row_only(filled):
    for text, vector in (("first", "[50,0,0,0]"), ("second", "[0,50,0,0]")):
        filled.rows("BEGIN")
        filled.rows("INSERT INTO docs(rowid, body, embedding) VALUES(900, ?, ?)", text, vector)
        assert filled.column("SELECT rowid FROM docs WHERE docs MATCH ?", text) == [900]
        filled.rows("INSERT INTO docs(docs) VALUES('flush')")
        filled.rows("ROLLBACK")
    filled.rows("INSERT INTO docs(rowid, body, embedding) VALUES(900, 'third', '[0,0,50,0]')")
    assert filled.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[0,0,50,0]' ORDER BY distance LIMIT 1") == [(900, 0.0)]
    assert filled.column("SELECT rowid FROM docs WHERE docs MATCH 'first OR second'") == []


def test_a_failing_row_leaves_nothing_of_its_statement(filled):
    before = state_of(filled)
    failure = filled.failure("INSERT INTO docs(rowid, embedding) VALUES(801, '[1,1,1,1]'), (802, '[2,2,2,2]'), (803, '[3,3,3]')")
    assert failure.says("embedding", "4", "3")
    assert state_of(filled) == before
    filled.rows("BEGIN")
    insert(filled, 700, 3)
    inside = state_of(filled)
    filled.failure("INSERT INTO docs(rowid, embedding) SELECT 810 + value, CASE value WHEN 7 THEN 'broken' ELSE '[1,1,1,1]' END FROM json_each('[1,2,3,4,5,6,7,8]')")
    assert state_of(filled) == inside
    filled.rows("COMMIT")
    assert state_of(filled) == inside


def test_an_update_that_fails_half_way_changes_nothing(filled):
    before = state_of(filled)
    filled.failure("UPDATE docs SET embedding = CASE WHEN n = 40 THEN '[1]' ELSE '[5,5,5,5]' END")
    assert state_of(filled) == before


def test_creating_a_table_is_undone_by_rollback(db):
    db.rows("BEGIN")
    db.rows(TABLE)
    insert(db, 1, 10)
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    db.rows("ROLLBACK")
    assert db.column("SELECT name FROM sqlite_schema") == []
    db.rows(TABLE)
    assert db.one("SELECT count(*) FROM docs") == 0
    assert db.rows("SELECT rowid FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT 5") == []


def test_dropping_a_table_is_undone_by_rollback(filled):
    before = state_of(filled)
    filled.rows("BEGIN")
    filled.rows("DROP TABLE docs")
    filled.rows("ROLLBACK")
    assert state_of(filled) == before


def test_two_tables_and_an_ordinary_one_commit_and_roll_back_together(db):
    db.rows(TABLE)
    db.rows(TABLE.replace("docs", "more"))
    db.rows("CREATE TABLE plain(x)")
    for ending, count in (("ROLLBACK", 0), ("COMMIT", 1)):
        db.rows("BEGIN")
        db.rows("INSERT INTO docs(embedding) VALUES('[1,1,1,1]')")
        db.rows("INSERT INTO plain VALUES(1)")
        db.rows("INSERT INTO more(embedding) VALUES('[2,2,2,2]')")
        db.rows(ending)
        assert [db.one(f"SELECT count(*) FROM {table}") for table in ("docs", "more", "plain")] == [count] * 3


def test_triggers_write_to_the_table(db):
    db.rows(TABLE)
    db.rows("CREATE TABLE source(id INTEGER PRIMARY KEY, body TEXT, vec TEXT)")
    db.rows("CREATE TRIGGER added AFTER INSERT ON source BEGIN INSERT INTO docs(rowid, body, embedding) VALUES(new.id, new.body, new.vec); END")
    db.rows("CREATE TRIGGER gone AFTER DELETE ON source BEGIN DELETE FROM docs WHERE rowid = old.id; END")
    db.rows("CREATE TRIGGER changed AFTER UPDATE ON source BEGIN UPDATE docs SET body = new.body, embedding = new.vec WHERE rowid = old.id; END")
    db.rows("INSERT INTO source VALUES(1, 'falcon', '[1,1,1,1]'), (2, 'owl', '[2,2,2,2]'), (3, 'wren', '[3,3,3,3]')")
    db.rows("DELETE FROM source WHERE id = 2")
    db.rows("UPDATE source SET body = 'eagle', vec = '[0,0,0,0]' WHERE id = 3")
    assert db.rows("SELECT rowid, distance FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT 5") == [(3, 0.0), (1, 2.0)]
    assert db.column("SELECT rowid FROM docs WHERE docs MATCH 'eagle OR falcon OR owl OR wren' ORDER BY rowid") == [1, 3]
    assert db.failure("INSERT INTO source VALUES(9, 'bad', '[1]')").says("embedding")
    assert db.column("SELECT id FROM source") == [1, 3]


# ---- conflicts ----


@pytest.fixture(params=["id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY"])
def keyed(db, request):
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({request.param}, body TEXT FULLTEXT, embedding VECTOR(2) METRIC l2)")
    db.key = (lambda n: f"key-{n}") if "TEXT" in request.param else (lambda n: n)
    for n in range(1, 6):
        db.rows("INSERT INTO docs(id, body, embedding) VALUES(?, 'old', ?)", db.key(n), model.blob([n, 0])) if n != 3 else None
    return db


def keys(db, vector="[0,0]"):
    return db.column("SELECT id FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 20", vector)


def test_a_second_row_of_one_key_is_a_constraint_error(keyed):
    failure = keyed.failure("INSERT INTO docs(id, embedding) VALUES(?, '[9,9]')", keyed.key(2))
    assert failure.code & 0xFF == 19, failure
    assert keys(keyed) == [keyed.key(n) for n in (1, 2, 4, 5)]


@pytest.mark.parametrize("sealed", [False, True])
def test_insert_or_replace_puts_the_new_row_in_the_place_of_the_old(keyed, sealed):
    if sealed:
        keyed.rows("INSERT INTO docs(docs) VALUES('optimize')")
    keyed.rows("INSERT OR REPLACE INTO docs(id, body, embedding) VALUES(?, 'new', '[0,0]'), (?, 'new', '[0,0.5]')", keyed.key(4), keyed.key(3))
    assert keys(keyed) == [keyed.key(n) for n in (4, 3, 1, 2, 5)]
    assert set(keyed.column("SELECT id FROM docs WHERE docs MATCH 'new'")) == {keyed.key(4), keyed.key(3)}
    assert keyed.column("SELECT id FROM docs WHERE docs MATCH 'old' AND id = ?", keyed.key(4)) == []
    keyed.rows("REPLACE INTO docs(id, body, embedding) VALUES(?, 'newer', '[7,7]')", keyed.key(4))
    assert keys(keyed)[-1] == keyed.key(4) and keyed.one("SELECT count(*) FROM docs") == 5


def test_insert_or_ignore_keeps_the_old_row(keyed):
    keyed.rows("INSERT OR IGNORE INTO docs(id, body, embedding) VALUES(?, 'new', '[0,0]'), (?, 'new', '[0,0.5]')", keyed.key(4), keyed.key(3))
    assert keys(keyed) == [keyed.key(n) for n in (3, 1, 2, 4, 5)]
    assert keyed.column("SELECT id FROM docs WHERE docs MATCH 'new'") == [keyed.key(3)]


@pytest.mark.parametrize("word, kept_rows, still_open", [("ABORT", 1, True), ("FAIL", 2, True), ("ROLLBACK", 0, False)])
def test_abort_fail_and_rollback_mean_what_they_mean_in_a_table(keyed, word, kept_rows, still_open):
    keyed.rows("BEGIN")
    keyed.rows("INSERT INTO docs(id, embedding) VALUES(?, '[1,1]')", keyed.key(10))
    keyed.failure(f"INSERT OR {word} INTO docs(id, embedding) VALUES(?, '[1,1]'), (?, '[1,1]')", keyed.key(11), keyed.key(1))
    if still_open:
        keyed.rows("COMMIT")
    else:
        assert keyed.failure("COMMIT").says("no transaction")
    assert len([key for key in keys(keyed) if key in (keyed.key(10), keyed.key(11))]) == kept_rows


def test_a_key_is_not_changed_to_null(keyed):
    before = keyed.rows("SELECT id, embedding FROM docs ORDER BY id")
    keyed.rows("UPDATE OR IGNORE docs SET id = NULL WHERE id = ?", keyed.key(2))
    for word in ["", "OR REPLACE "]:
        failure = keyed.failure(f"UPDATE {word}docs SET id = NULL WHERE id = ?", keyed.key(2))
        assert failure.code & 0xFF == 19 and failure.says("docs.id")
    assert keyed.rows("SELECT id, embedding FROM docs ORDER BY id") == before


def test_changing_a_key_to_one_that_is_taken_is_refused(keyed):
    before = keyed.rows("SELECT id, embedding FROM docs ORDER BY id")
    assert keyed.failure("UPDATE docs SET id = ? WHERE id = ?", keyed.key(1), keyed.key(2)).code & 0xFF == 19
    assert keyed.rows("SELECT id, embedding FROM docs ORDER BY id") == before
    keyed.rows("UPDATE docs SET id = ? WHERE id = ?", keyed.key(30), keyed.key(2))
    assert keys(keyed) == [keyed.key(n) for n in (1, 30, 4, 5)]
    keyed.rows("UPDATE OR REPLACE docs SET id = ? WHERE id = ?", keyed.key(1), keyed.key(30))
    assert keys(keyed) == [keyed.key(n) for n in (1, 4, 5)] and keyed.rows("SELECT distance FROM docs WHERE embedding MATCH '[0,0]' AND id = ? ORDER BY distance LIMIT 1", keyed.key(1)) == [(2.0,)]


def test_last_insert_rowid_is_the_row_of_the_user(db):
    db.rows(TABLE)
    for n in range(1, 4):
        db.rows("INSERT INTO docs(body, embedding) VALUES('falcon', '[1,1,1,1]')")
        assert db.one("SELECT last_insert_rowid()") == n
    db.rows("INSERT INTO docs(rowid, embedding) VALUES(500, '[1,1,1,1]')")
    assert db.one("SELECT last_insert_rowid()") == 500
    db.rows("INSERT INTO docs(embedding) VALUES('[1,1,1,1]')")
    assert db.one("SELECT last_insert_rowid()") == 501


def test_changes_counts_the_rows_of_the_user(filled):
    filled.rows("UPDATE docs SET n = 0 WHERE n <= 10")
    assert filled.one("SELECT changes()") == 10
    filled.rows("DELETE FROM docs WHERE n = 0")
    assert filled.one("SELECT changes()") == 10


def test_the_lowest_and_highest_rowid_work(db, state):
    db.rows(TABLE)
    extremes = [-(2**63), -1, 0, 1, 2**32, 2**63 - 1]
    for n, rowid in enumerate(extremes):
        db.rows("INSERT INTO docs(rowid, body, n, embedding) VALUES(?, 'falcon', ?, ?)", rowid, n, model.blob([n, 0, 0, 0]))
    if state != "delta":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert db.column("SELECT rowid FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT 9") == extremes
    assert db.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon' ORDER BY rank") == extremes
    for rowid in extremes:
        assert db.column("SELECT n FROM docs WHERE rowid = ?", rowid) == [extremes.index(rowid)]
        db.rows("DELETE FROM docs WHERE rowid = ?", rowid)
    assert db.one("SELECT count(*) FROM docs") == 0


def test_a_text_key_keeps_its_row_through_updates_of_other_columns(keyed):
    before = keyed.rows("SELECT rowid, id FROM docs ORDER BY id")
    keyed.rows("UPDATE docs SET body = 'changed', embedding = '[3,3]'")
    assert keyed.rows("SELECT rowid, id FROM docs ORDER BY id") == before


def test_setting_a_vector_to_null_takes_the_row_out_of_the_search(filled):
    filled.rows("UPDATE docs SET embedding = NULL WHERE n = 5")
    found = filled.column("SELECT rowid FROM docs WHERE embedding MATCH '[5,5,2,1]' ORDER BY distance LIMIT 500")
    assert 5 not in found and filled.column("SELECT embedding FROM docs WHERE rowid = 5") == [None]
    filled.rows("UPDATE docs SET embedding = '[5,5,2,1]' WHERE n = 5")
    assert filled.column("SELECT rowid FROM docs WHERE embedding MATCH '[5,5,2,1]' ORDER BY distance LIMIT 1") == [5]


def test_returning_gives_the_written_row_where_sqlite_allows_it(db):
    db.rows(TABLE)
    try:
        got = db.rows("INSERT INTO docs(body, n, embedding) VALUES('falcon', 4, '[1,1,1,1]') RETURNING n, body")
    except db.errors as error:
        assert "RETURNING" in str(error)
    else:
        assert got == [(4, "falcon")]


def test_upsert_is_refused_by_sqlite_itself_with_its_own_words(keyed):
    assert keyed.failure("INSERT INTO docs(id, embedding) VALUES(?, '[1,1]') ON CONFLICT(id) DO UPDATE SET body = 'x'", keyed.key(1)).says("upsert")

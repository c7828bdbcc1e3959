"""A statement that fails, wherever inside, leaves nothing of itself in the transaction that is open.

Every statement is run again and again, and in the n-th run its n-th inner step fails, until none does. After each failure
every shadow table is what it was, and so is every answer.
"""

import hashlib
import itertools

import pytest

import model

DIM = 100
TABLE = f"CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, n INTEGER, note UNINDEXED, v VECTOR({DIM}) METRIC l2)"
SHADOWS = ["config", "rows", "vectors", "delta", "segments", "chunks", "tombstones", "tiles"]
INSERT = "INSERT INTO docs(rowid, id, body, n, note, v) VALUES(?, ?, ?, ?, ?, ?)"


def vector(row):
    return model.blob([((row * 31 + i * 17) % 101) / 8 for i in range(DIM)])


def row(number):
    return number, f"k{number}", f"all w{number % 7}", number, f"note {number}", vector(number)


class Denied:
    """Lets the n-th question that SQLite asks of an authorizer be answered with no."""

    def __init__(self, db):
        self.connection = db.connection

    def arm(self, at):
        self.left = at

        def answer(*_):
            self.left -= 1
            return 1 if self.left == 0 else 0

        self._set(answer)

    def disarm(self):
        self._set(None)

    def _set(self, answer):
        if hasattr(self.connection, "set_authorizer"):
            self.connection.set_authorizer(answer)
        else:
            self.connection.authorizer = answer


class Raised:
    """Lets the n-th row that is written to a shadow table raise an error, before or after it is written."""

    def __init__(self, db):
        self.left = 0
        create = getattr(db.connection, "create_scalar_function", None)
        if create:
            create("nth", self._nth, 0)
        else:
            db.connection.create_function("nth", 0, self._nth)
        for shadow, (event, which), when in itertools.product(there(db), [("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")], ["BEFORE", "AFTER"]):
            db.rows(f"CREATE TEMP TRIGGER {when}_{event}_{shadow} {when} {event} ON main.docs_{shadow} BEGIN SELECT RAISE(ABORT, 'the n-th') WHERE nth(); END")

    def _nth(self):
        self.left -= 1
        return int(self.left == 0)

    def arm(self, at):
        self.left = at

    def disarm(self):
        self.left = 0


def fill(db, rows):
    db.many(INSERT, [row(number) for number in rows])


def in_the_log(db):
    fill(db, range(1, 31))


def in_tiles(db):
    """Rows in a segment, their vectors in tiles; some of them dead."""
    fill(db, range(1, 120))
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    assert db.one("SELECT count(*) FROM docs_tiles") > 0
    db.rows("DELETE FROM docs WHERE rowid IN (3, 50)")


def mixed(db):
    """Two segments, dead rows, rows in the log whose older form is in a segment, and rows that are new."""
    in_tiles(db)
    db.rows("UPDATE docs SET n = n + 1000 WHERE rowid BETWEEN 10 AND 20")
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    fill(db, range(200, 220))
    db.rows("UPDATE docs SET body = 'all anew' WHERE rowid BETWEEN 15 AND 25")


def one_entry_before_packing(db):
    """The 256th entry of the log makes tiles."""
    fill(db, range(1, 256))


STATES = {f.__name__: f for f in (in_the_log, in_tiles, mixed, one_entry_before_packing)}

STATEMENTS = {
    "insert": (INSERT, row(5000)),
    "insert without a rowid": ("INSERT INTO docs(id, body, v) VALUES(?, ?, ?)", ("new", "all", vector(7))),
    "replace by rowid": (INSERT.replace("INSERT", "REPLACE", 1), (7, "other", "all", 1, None, vector(8))),
    "replace by key": (INSERT.replace("INSERT", "REPLACE", 1), (5001, "k8", "all", 1, None, None)),
    "replace two rows": (INSERT.replace("INSERT", "REPLACE", 1), (11, "k12", "all", 1, None, vector(3))),
    "insert or ignore": (INSERT.replace("INSERT", "INSERT OR IGNORE", 1), row(5002)),
    "insert or fail": (INSERT.replace("INSERT", "INSERT OR FAIL", 1), row(5003)),
    "insert of many": ("INSERT INTO docs(id, body, n, v) SELECT id || 'x', body, n, v FROM docs WHERE rowid < 6", ()),
    "insert or ignore of many": ("INSERT OR IGNORE INTO docs(rowid, id, body, n, v) SELECT rowid + 6000, id || CASE WHEN rowid % 2 THEN '' ELSE 'x' END, body, n, v FROM docs WHERE rowid < 9", ()),
    "update of a number": ("UPDATE docs SET n = -1 WHERE rowid = 9", ()),
    "update of a text": ("UPDATE docs SET body = 'all the rest' WHERE rowid = 16", ()),
    "update of a note": ("UPDATE docs SET note = 'x' WHERE rowid = 9", ()),
    "update of a vector": ("UPDATE docs SET v = ? WHERE rowid = 9", (vector(99),)),
    "update to a vector that no tile can take": ("UPDATE docs SET v = ? WHERE rowid = 9", (model.blob([1e30, 1e-30] * (DIM // 2)),)),
    "update to no vector": ("UPDATE docs SET v = NULL WHERE rowid = 9", ()),
    "update of a rowid": ("UPDATE docs SET rowid = 7000 WHERE rowid = 9", ()),
    "update of a key": ("UPDATE docs SET id = 'moved' WHERE rowid = 9", ()),
    "update or replace": ("UPDATE OR REPLACE docs SET id = 'k10', rowid = 11 WHERE rowid = 9", ()),
    "update of many": ("UPDATE docs SET n = n + 1, v = NULL WHERE rowid BETWEEN 8 AND 10", ()),
    "delete": ("DELETE FROM docs WHERE rowid = 9", ()),
    "delete of many": ("DELETE FROM docs WHERE rowid BETWEEN 4 AND 24", ()),
    "setting": ("INSERT INTO docs(docs, rank) VALUES('ef_search', 77)", ()),
    "flush": ("INSERT INTO docs(docs) VALUES('flush')", ()),
    "optimize": ("INSERT INTO docs(docs) VALUES('optimize')", ()),
    "rebuild": ("INSERT INTO docs(docs) VALUES('rebuild')", ()),
}


def there(db):
    """The shadow tables there are: those of the index are made with it."""
    names = set(db.column("SELECT name FROM sqlite_schema WHERE type = 'table'"))
    return [shadow for shadow in SHADOWS if f"docs_{shadow}" in names]


def shadows(db):
    """All bytes of the shadow tables, and which there are."""
    tables = (db.rows(f"SELECT * FROM docs_{shadow} ORDER BY 1") for shadow in there(db))
    return there(db), [hashlib.sha256(repr(rows).encode()).hexdigest() for rows in tables]


def answers(db):
    return (
        db.rows("SELECT rowid, id, body, n, note, v FROM docs ORDER BY rowid"),
        db.rows("SELECT rowid, distance FROM docs WHERE v MATCH ? ORDER BY distance", vector(1)),
        db.rows("SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid"),
        db.rows("SELECT rowid FROM docs WHERE docs MATCH 'all' AND n > 20 AND rowid IN (8, 9, 10, 11, 5000, 7000) ORDER BY rowid"),
    )


def check_each_failure(db, fault, statement, transaction):
    """Lets each inner step fail once; returns how many there are."""
    sql, params = statement
    for at in itertools.count(1):
        if transaction:
            db.rows("BEGIN")
            fill(db, [9000])
        before, bytes_before = answers(db), shadows(db)
        fault.arm(at)
        try:
            db.rows(sql, *params)
            raised = False
        except db.errors:
            raised = True
        fired = fault.left <= 0
        fault.disarm()
        if not fired:
            if transaction:
                db.rows("ROLLBACK")
            return at - 1
        trouble = db.one("SELECT maintenance FROM nearlite_info('docs') LIMIT 1") or ""
        if not raised and "tables of its index cannot be made" in trouble:
            # Tiles can wait: the row is stored, and nothing is left of tables that could not all be made.
            assert there(db) == bytes_before[0]
            assert db.column("SELECT rowid FROM docs WHERE docs MATCH 'all' AND rowid = 5000") == [5000]
        # OR IGNORE takes what a trigger raises for a row that is in the way: that row is not stored, others may be.
        elif raised or "IGNORE" not in sql:
            assert raised and shadows(db) == bytes_before and answers(db) == before, f"step {at} of {sql}"
        db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
        if transaction:
            assert db.column("SELECT rowid FROM docs WHERE id = 'k9000'") == [9000], f"step {at} of {sql} ended the transaction"
            db.rows("ROLLBACK")


def cases():
    """Every statement in a transaction, in a table of every kind; and all of them alone, in the richest table."""
    for state, statement in itertools.product(["in_the_log", "mixed"], STATEMENTS):
        yield state, statement, True
    for statement in STATEMENTS:
        yield "mixed", statement, False
    yield "one_entry_before_packing", "insert", True
    yield "in_tiles", "delete of many", True


@pytest.mark.parametrize("fault", [Denied, Raised], ids=["denied", "raised"])
@pytest.mark.parametrize(("state", "statement", "transaction"), list(cases()))
def test_a_statement_whose_nth_step_fails_leaves_nothing_of_itself(db, state, statement, transaction, fault, record_property):
    """Rows were left that no index had, or were gone although their DELETE had failed."""
    db.rows(TABLE)
    db.rows("INSERT INTO docs(docs, rank) VALUES('automerge', 0)")
    # No statement fails because of maintenance, see test_maintenance.py.
    db.rows("INSERT INTO docs(docs, rank) VALUES('maintenance', 'manual')")
    STATES[state](db)
    steps = check_each_failure(db, fault(db), STATEMENTS[statement], transaction)
    record_property("steps", steps)
    assert steps > 0


@pytest.mark.parametrize("fault", [Denied, Raised], ids=["denied", "raised"])
def test_a_commit_whose_nth_step_fails_leaves_the_table_as_it_was(db, fault):
    """A commit that seals and merges does it all, or fails as a whole, or leaves the log for later."""
    db.rows(TABLE)
    db.rows("INSERT INTO docs(docs, rank) VALUES('automerge', 2)")
    mixed(db)
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 10)")
    fault = fault(db)
    before, bytes_before = answers(db), shadows(db)
    for at in itertools.count(1):
        db.rows("BEGIN")
        fill(db, range(9000, 9020))
        fault.arm(at)
        try:
            db.rows("COMMIT")
            break
        except db.errors:
            assert fault.left <= 0
        fault.disarm()
        if at == 1 and isinstance(fault, Denied):
            # The COMMIT itself was denied, and the transaction goes on.
            db.rows("ROLLBACK")
        assert shadows(db) == bytes_before and answers(db) == before, f"step {at}"
    fault.disarm()
    assert at > 20
    assert len(answers(db)[0]) == len(before[0]) + 20
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


def test_a_shadow_table_that_another_connection_has_locked(host, path):
    """In a shared cache a reader's lock on one shadow table let the first half of an INSERT stand."""
    if host.name != "stdlib":
        pytest.skip("apsw has no shared cache")
    uri = f"file:{path}?cache=shared"
    writer, reader = host.open(uri, timeout=0), host.open(uri, timeout=0)
    writer.rows(TABLE)
    in_tiles(writer)
    reader.rows("BEGIN")
    reader.rows("SELECT rowid, n FROM docs WHERE v MATCH ? LIMIT 5", vector(1))
    for statement, (sql, params) in STATEMENTS.items():
        writer.rows("BEGIN")
        error = writer.failure(sql, *params)
        assert error.says("locked"), (statement, error)
        writer.rows("COMMIT")
    reader.rows("COMMIT")
    writer.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    assert len(answers(writer)[0]) == 117
    writer.rows(*[INSERT], *row(777))
    assert answers(writer)[2][-1] == (777,)
    writer.close()
    reader.close()


def test_a_damaged_tile(db):
    """DELETE failed, and the row was gone."""
    db.rows(TABLE)
    in_tiles(db)
    damage = "UPDATE docs_tiles SET data = zeroblob(7) WHERE id = (SELECT max(id) - 1 FROM docs_tiles)"
    last = max(number for number in range(1, 120) if db.one("SELECT count(*) FROM docs_vectors WHERE rowid = ?", number) == 0)
    db.rows(damage)
    rows = db.column("SELECT rowid FROM docs")
    db.rows("BEGIN")
    failed = 0
    for number in range(last - 30, last + 1):
        for sql in ("DELETE FROM docs WHERE rowid = ?", "UPDATE docs SET rowid = rowid + 5000 WHERE rowid = ?", "UPDATE docs SET v = NULL WHERE rowid = ?"):
            db.rows("SAVEPOINT s")
            try:
                db.rows(sql, number)
            except db.errors as error:
                failed += 1
                assert "damaged" in str(error)
                assert db.column("SELECT rowid FROM docs") == rows
                assert sorted(db.column("SELECT rowid FROM docs WHERE docs MATCH 'all'")) == rows
            db.rows("ROLLBACK TO s")
    db.rows("COMMIT")
    assert failed > 0
    assert db.column("SELECT rowid FROM docs") == rows


def test_what_can_not_even_be_taken_back_is_not_committed(db):
    """From the n-th question on everything is denied, what takes the failed INSERT back included."""
    db.rows(TABLE)
    in_tiles(db)
    fault = Denied(db)
    before, bytes_before = answers(db), shadows(db)
    refused = 0
    for at in itertools.count(1):
        db.rows("BEGIN")
        asked = itertools.count(1)

        def deny_from_there_on(*_, asked=asked, at=at):
            return int(next(asked) >= at)

        fault._set(deny_from_there_on)
        try:
            db.rows(INSERT, *row(5000))
        except db.errors:
            failed = True
        else:
            failed = False
        fault.disarm()
        if not failed:
            db.rows("ROLLBACK")
            break
        if shadows(db) == bytes_before:
            db.rows("COMMIT")
        else:
            refused += 1
            assert db.failure("COMMIT").says("roll the transaction back")
        assert shadows(db) == bytes_before and answers(db) == before, f"step {at}"
    assert refused > 0
    db.rows(INSERT, *row(5000))
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")

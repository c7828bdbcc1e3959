"""`maintenance` = 'background' in real hosts: when the thread begins, when it ends, and who notices."""

import os
import pathlib
import struct
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the threads in /proc")


def threads():
    """How many such threads the process has."""
    names = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            pass
    return sum(name.startswith("nearlite backg") for name in names)


def eventually(holds):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def put(db, start, end):
    for row in range(start, end):
        db.rows("INSERT INTO docs(rowid, body, v) VALUES(?, 'all', ?)", row, struct.pack("8f", *range(row, row + 8)))


@pytest.fixture
def table(host, path):
    db = host.open(path)
    db.rows("PRAGMA journal_mode = wal")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(8))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 300)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('maintenance', 'background')")
    db.rows("PRAGMA synchronous = off")
    return db


def is_settled(db):
    delta, segments = db.rows("SELECT delta, segments FROM nearlite_info('docs') LIMIT 1")[0]
    return delta < 20 and segments <= 2 and not db.rows("SELECT 1 FROM docs_config WHERE name LIKE 'claim %'")


def test_a_commit_that_begins_it_leaves_no_transaction_open(table):
    state = getattr(table.connection, "txn_state", None)
    if state is None:
        pytest.skip("this host does not tell the state of a transaction")
    for row in range(3):
        put(table, row, row + 1)
        # With a snapshot of before, the next write could not wait for the thread's.
        assert state() == 0


def test_writes_begin_it_and_the_last_close_ends_it(host, path, table):
    # Those of files that earlier tests have left open.
    others = threads()
    put(table, 0, 900)
    eventually(lambda: is_settled(table))
    assert threads() == others + 1
    # It takes no wal file along that its host would have removed.
    second = host.open(path)
    assert second.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(900,)]
    table.close()
    assert threads() == others + 1
    second.close()
    eventually(lambda: threads() == others)
    assert not os.path.exists(f"{path}-wal")
    # Reading does not begin it.
    reader = host.open(path)
    assert reader.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(900,)]
    reader.rows("SELECT * FROM nearlite_info('docs')")
    assert threads() == others
    put(reader, 900, 901)
    eventually(lambda: threads() == others + 1)


def test_a_fork_neither_hangs_nor_loses_anything(host, path, table):
    put(table, 0, 300)
    for round in range(5):
        put(table, 300 + round * 400, 600 + round * 400)
        child = os.fork()
        if child == 0:
            try:
                mine = host.open(path)
                mine.rows("PRAGMA busy_timeout = 60000")
                put(mine, 600 + round * 400, 700 + round * 400)
                os._exit(0)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    assert table.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(2300,)]
    eventually(lambda: is_settled(table))
    table.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


def test_a_full_disk_or_a_locked_file_stops_the_thread_and_no_statement(host, path, table):
    put(table, 0, 250)
    # The limit is the connection's; what the thread meets instead is a lock.
    other = host.open(path)
    other.rows("BEGIN IMMEDIATE")
    assert table.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(250,)]
    other.rows("COMMIT")
    put(table, 250, 900)
    other.rows("BEGIN IMMEDIATE")
    time.sleep(0.1)
    other.rows("INSERT INTO docs(rowid, body, v) VALUES(5000, 'all', ?)", struct.pack("8f", *range(8)))
    other.rows("COMMIT")
    eventually(lambda: is_settled(table))
    assert table.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(901,)]
    assert table.rows("SELECT maintenance FROM nearlite_info('docs') LIMIT 1") == [(None,)]


def test_it_goes_on_with_a_table_whose_columns_or_name_changed(table):
    def settled(name="docs"):
        delta, segments, trouble = table.rows("SELECT delta, segments, maintenance FROM nearlite_info(?) LIMIT 1", name)[0]
        assert trouble is None
        return delta < 20 and segments <= 2

    put(table, 0, 400)
    eventually(settled)
    # The alteration is the last write: nothing else wakes the thread for the rows before it.
    table.rows("BEGIN")
    put(table, 400, 1000)
    table.rows("SELECT nearlite_alter('docs', 'ADD COLUMN year INTEGER DEFAULT 5')")
    table.rows("COMMIT")
    eventually(settled)
    table.rows("SELECT nearlite_alter('docs', 'RENAME COLUMN year TO age')")
    put(table, 1000, 1400)
    eventually(settled)
    table.rows("ALTER TABLE docs RENAME TO others")
    table.rows("INSERT INTO others(body) SELECT 'all' FROM others LIMIT 400")
    eventually(lambda: settled("others"))
    table.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(8))")
    put(table, 0, 5)
    assert settled()

"""A table that is written by small commits, in the ways of real hosts: forked, closed in the middle, by two processes."""

import json
import os
import struct
import subprocess
import sys

import pytest

import hosts

WRITER = """
import random, sqlite3, struct, sys
path, extension, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(path, timeout=60, isolation_level=None)
db.enable_load_extension(True)
db.load_extension(extension)
draw = random.Random(seed)
for at in range(1500):
    vector = struct.pack("8f", *(draw.random() for _ in range(8)))
    db.execute("INSERT INTO docs(rowid, body, v) VALUES(?, ?, ?)", (seed * 10000 + at, f"all w{at % 9}", vector))
    if at % 300 == 299:
        db.execute("SELECT nearlite_maintain('docs', 20)").fetchone()
"""


@pytest.fixture
def grown(host, path):
    """A table in which work is in progress."""
    db = host.open(path)
    db.rows("PRAGMA journal_mode = wal")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(8))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 300)")
    db.rows("PRAGMA synchronous = off")
    at = 0
    while not db.rows("SELECT 1 FROM docs_config WHERE name LIKE 'claim %'"):
        at += 1
        db.rows("INSERT INTO docs(rowid, body, v) VALUES(?, ?, ?)", at, f"all w{at % 9}", struct.pack("8f", *range(at, at + 8)))
    return db, at


def test_a_table_is_left_in_order_by_close(grown, path):
    db, rows = grown
    db.close()
    assert not os.path.exists(f"{path}-wal")


def test_on_demand_it_comes_to_an_end(grown):
    db, rows = grown
    told = json.loads(db.rows("SELECT nearlite_maintain('docs')")[0][0])
    assert told["finished"] and told["segments"] == 1
    assert db.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(rows,)]
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


def test_two_processes_that_maintain_one_table_do_not_hurt_each_other(grown, path, host):
    db, rows = grown
    db.rows("DELETE FROM docs")
    extension = str(hosts.extension_file().with_suffix(""))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), extension, str(seed)]) for seed in (1, 2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert db.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(3000,)]
    told = json.loads(db.rows("SELECT nearlite_maintain('docs')")[0][0])
    # A small segment may stay beside one of 32 times its rows.
    assert told["finished"] and told["segments"] <= 2, told
    stored = db.rows("SELECT sum(length(data)) FROM docs_chunks")[0][0]
    assert db.rows("SELECT disk_bytes FROM nearlite_info('docs') LIMIT 1") == [(stored,)]
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_goes_on_without_the_threads_of_its_parent(grown, path, host):
    db, rows = grown
    child = os.fork()
    if child == 0:
        # What a fork may do with SQLite: open the file anew.
        try:
            mine = host.open(path)
            for at in range(rows + 1, rows + 1000):
                mine.rows("INSERT INTO docs(rowid, body, v) VALUES(?, 'all', ?)", at, struct.pack("8f", *range(8)))
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert db.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(rows + 999,)]
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_first_seal_of_a_fork_counts_threads_anew(grown, path, host, capfd):
    db, rows = grown
    # The parent has built something, and counts threads.
    db.rows("SELECT nearlite_maintain('docs')")
    child = os.fork()
    if child == 0:
        try:
            mine = host.open(path)
            for at in range(rows + 1, rows + 1000):
                mine.rows("INSERT INTO docs(rowid, body, v) VALUES(?, 'all', ?)", at, struct.pack("8f", *range(8)))
            told = json.loads(mine.rows("SELECT nearlite_maintain('docs')")[0][0])
            os._exit(0 if told["finished"] else 1)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    # A panic of a builder stays inside, but for its message.
    assert "panicked" not in capfd.readouterr().err
    assert db.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(rows + 999,)]

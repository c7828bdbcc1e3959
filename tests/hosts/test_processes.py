"""Several processes over one file: commits are seen, snapshots hold still, a killed writer loses nothing it committed."""

import json
import pathlib
import signal
import subprocess
import sys

import pytest

import hosts
import model

HERE = pathlib.Path(__file__).resolve().parent
TABLE = "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, n INTEGER, embedding VECTOR(4) METRIC l2)"
INSERT = "INSERT INTO docs(rowid, body, n, embedding) VALUES(?, 'falcon', ?, ?)"


class Other:
    """Another process with a connection of its own."""

    def __init__(self, host, path):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "reader_process.py"), host.name, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE,
        )
        assert json.loads(self.process.stdout.readline())["ready"]

    def ask(self, sql, *params):
        params = [{"blob": p.hex()} if isinstance(p, bytes) else p for p in params]
        self.process.stdin.write(json.dumps({"sql": sql, "params": params}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def rows(self, sql, *params):
        answer = self.ask(sql, *params)
        assert "error" not in answer, answer
        return [tuple(row) for row in answer["rows"]]

    def column(self, sql, *params):
        return [row[0] for row in self.rows(sql, *params)]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@pytest.fixture(params=["WAL", "DELETE"])
def writer(host, path, request):
    db = host.open(path)
    db.one(f"PRAGMA journal_mode = {request.param}")
    db.mode = request.param
    db.rows(TABLE)
    yield db
    db.close()


@pytest.fixture
def reader(host, path, writer):
    other = Other(host, path)
    yield other
    other.close()


def row(n):
    return (n, n, model.blob([n, 0, 0, 0]))


NEAREST = "SELECT rowid, distance FROM docs WHERE embedding MATCH '[0,0,0,0]' ORDER BY distance LIMIT 20"


def test_a_second_process_sees_each_commit_and_no_uncommitted_row(writer, reader):
    for n in range(1, 6):
        writer.rows(INSERT, *row(n))
        assert reader.column(NEAREST) == list(range(1, n + 1))
        assert sorted(reader.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon'")) == list(range(1, n + 1))
    writer.rows("BEGIN")
    writer.rows(INSERT, *row(6))
    assert reader.column(NEAREST) == [1, 2, 3, 4, 5]
    writer.rows("ROLLBACK")
    assert reader.column(NEAREST) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("command", ["flush", "optimize", "merge", "rebuild"])
def test_a_second_process_follows_maintenance(writer, reader, command):
    writer.many_in_transaction(INSERT, [row(n) for n in range(1, 400)])
    before = reader.rows(NEAREST)
    writer.rows("INSERT INTO docs(docs) VALUES(?)", command)
    assert reader.rows(NEAREST) == before
    writer.rows("DELETE FROM docs WHERE n <= 10")
    assert reader.column(NEAREST) == list(range(11, 31))
    writer.rows("UPDATE docs SET embedding = '[0,0,0,0]' WHERE n = 300")
    assert reader.column(NEAREST)[0] == 300


def test_a_readers_snapshot_holds_still_while_the_writer_seals_and_optimizes(writer, reader):
    if writer.mode != "WAL":
        pytest.skip("without WAL a writer waits for its readers")
    writer.many_in_transaction(INSERT, [row(n) for n in range(1, 400)])
    reader.rows("BEGIN")
    questions = [NEAREST, "SELECT rowid FROM docs WHERE docs MATCH 'falcon' ORDER BY rank LIMIT 30", "SELECT count(*) FROM docs", "SELECT rowid FROM docs WHERE embedding MATCH '[50,0,0,0]' AND n % 2 = 0 ORDER BY distance LIMIT 9"]
    before = [reader.rows(question) for question in questions]
    for change in ("INSERT INTO docs(docs) VALUES('flush')", "DELETE FROM docs WHERE n < 100", "UPDATE docs SET body = 'owl'", "INSERT INTO docs(docs) VALUES('optimize')", "INSERT INTO docs(rowid, embedding) VALUES(9999, '[0,0,0,0]')", "INSERT INTO docs(docs) VALUES('rebuild')", "DELETE FROM docs"):
        writer.rows(change)
        assert [reader.rows(question) for question in questions] == before, f"after {change}"
    reader.rows("COMMIT")
    assert [reader.rows(question) for question in questions] == [[], [], [(0,)], []]


def test_one_writer_and_two_readers_agree(host, path, writer):
    readers = [Other(host, path), Other(hosts.HOSTS[0], path)]
    live = {}
    for step in range(1, 40):
        live[step] = [step, 0, 0, 0]
        writer.rows(INSERT, *row(step))
        if step % 3 == 0:
            writer.rows("DELETE FROM docs WHERE rowid = ?", step - 1)
            del live[step - 1]
        if step % 10 == 0:
            writer.rows("INSERT INTO docs(docs) VALUES(?)", "optimize" if step % 20 == 0 else "flush")
        expected = model.nearest(live, [0, 0, 0, 0], "l2")[:20]
        for reader in readers:
            model.same_ranking(reader.rows(NEAREST), expected)
    for reader in readers:
        reader.close()


def test_two_writers_take_turns(writer, reader):
    for n in range(1, 31):
        if n % 2:
            writer.rows(INSERT, *row(n))
        else:
            reader.rows(INSERT, *row(n))
        if n == 15:
            writer.rows("INSERT INTO docs(docs) VALUES('flush')")
        if n == 20:
            reader.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert writer.column(NEAREST) == list(range(1, 21)) == reader.column(NEAREST)
    assert writer.one("SELECT count(*) FROM docs") == 30


def test_a_writer_that_is_locked_out_gets_busy_and_can_try_again(host, path, writer):
    second = host.open(path, timeout=0)
    writer.rows("BEGIN IMMEDIATE")
    writer.rows(INSERT, *row(1))
    failure = second.failure(INSERT, *row(2))
    assert failure.code & 0xFF == 5, failure
    writer.rows("COMMIT")
    second.rows(INSERT, *row(2))
    assert second.column(NEAREST) == [1, 2]
    second.close()


WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
import hosts, model
db = next(h for h in hosts.HOSTS if h.name == sys.argv[1]).open(sys.argv[2])
n = db.one("SELECT coalesce(max(rowid), 0) FROM docs")
while True:
    rows = [(n + i, n + i, model.blob([n + i, (n + i) % 5, 0, 0])) for i in range(1, 8)]
    db.many_in_transaction("INSERT INTO docs(rowid, body, n, embedding) VALUES(?, 'falcon', ?, ?)", rows)
    n += 7
    print(n, flush=True)
    if n % 5 == 0:
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
    if n % 11 == 0:
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
"""


def test_a_killed_writer_leaves_every_acknowledged_row_and_a_sound_index(host, path, writer):
    last = 0
    for kill in range(6):
        child = subprocess.Popen([sys.executable, "-c", WRITER, host.name, str(path), str(HERE)], stdout=subprocess.PIPE, text=True)
        for _ in range(5 + 9 * kill):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        last = int(rest[-1]) if rest else last
        stored = writer.column("SELECT rowid FROM docs ORDER BY rowid")
        assert len(stored) in (last, last + 7) and stored == list(range(1, len(stored) + 1))
        vectors = {n: [n, n % 5, 0, 0] for n in stored}
        model.same_ranking(writer.rows(NEAREST), model.nearest(vectors, [0, 0, 0, 0], "l2")[:20])
        assert sorted(writer.column("SELECT rowid FROM docs WHERE docs MATCH 'falcon'")) == stored
        writer.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
        assert writer.one("PRAGMA integrity_check") == "ok"
        last = len(stored)

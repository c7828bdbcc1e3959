"""A file that is set back to an earlier state, and transactions that end in an unusual order, while work is in progress."""

import json
import shutil
import threading

import pytest

ROWS = "INSERT INTO {}docs(rowid, body, year) VALUES(?, 'old', 2000)"


def begin_a_seal(db, schema=""):
    """Fills a table until its log is being sealed; returns the number of rows."""
    db.rows(f"CREATE VIRTUAL TABLE {schema}docs USING nearlite(body FULLTEXT, year INTEGER)")
    db.rows(f"INSERT INTO {schema}docs(docs, rank) VALUES('delta_rows', 600)")
    rows = 0
    while not db.rows(f"SELECT 1 FROM {schema}docs_config WHERE name LIKE 'claim %'"):
        rows += 1
        db.rows(ROWS.format(schema), rows)
    return rows


def check(db, schema, rows):
    db.rows(f"INSERT INTO {schema}docs(docs) VALUES('integrity-check')")
    assert db.rows(f"SELECT count(*) FROM {schema}docs WHERE docs MATCH 'new'") == [(0,)]
    assert db.rows(f"SELECT count(*) FROM {schema}docs WHERE docs MATCH 'old'") == [(rows,)]
    assert db.rows(f"SELECT count(*) FROM {schema}docs WHERE year = 2000") == [(rows,)]


@pytest.mark.parametrize("changed", [100, 140, 170])
def test_work_of_a_file_ends_when_the_file_is_set_back(host, path, changed):
    db = host.open(":memory:")
    db.rows("ATTACH ? AS f", str(path))
    db.rows("PRAGMA f.synchronous = off")
    rows = begin_a_seal(db, "f.")
    db.rows("DETACH f")
    shutil.copy(path, f"{path}.copy")
    db.rows("ATTACH ? AS f", str(path))
    for row in range(rows, rows - changed, -1):
        db.rows("UPDATE f.docs SET body = 'new', year = 3000 WHERE rowid = ?", row)
    db.rows("DETACH f")
    shutil.copy(f"{path}.copy", path)
    db.rows("ATTACH ? AS f", str(path))
    for row in range(rows + 1, rows + 700):
        db.rows(ROWS.format("f."), row)
    check(db, "f.", rows + 699)
    told = json.loads(db.rows("SELECT nearlite_maintain('f.docs')")[0][0])
    assert told["finished"], told
    check(db, "f.", rows + 699)


def test_what_a_transaction_has_read_does_not_count_when_another_one_is_committed(host, path):
    one = host.open(path)
    one.rows("PRAGMA journal_mode = wal")
    one.rows("PRAGMA synchronous = off")
    rows = begin_a_seal(one)
    # SQLite lets the next writer in before it takes back what was written here, and says so after that.
    one.rows("CREATE TEMP TABLE large(x)")
    count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    one.rows(f"{count} INSERT INTO large SELECT randomblob(3000) FROM n")
    one.rows("BEGIN IMMEDIATE")
    one.rows("UPDATE docs SET body = 'new', year = 3000")
    for _ in range(12):
        one.rows("INSERT INTO docs(docs) VALUES('maintain')")
    one.rows("UPDATE large SET x = randomblob(3000)")
    ready, over = threading.Event(), threading.Event()
    failures = []

    def write():
        nonlocal rows
        try:
            other = host.open(path, timeout=30)
            other.rows("SELECT count(*) FROM docs")
            ready.set()
            while not over.is_set() or rows % 400:
                other.rows(ROWS.format(""), rows + 1)
                rows += 1
            other.close()
        except Exception as error:
            failures.append(error)
            ready.set()

    writer = threading.Thread(target=write)
    writer.start()
    ready.wait()
    one.rows("ROLLBACK")
    over.set()
    writer.join()
    assert not failures
    check(one, "", rows)


@pytest.mark.parametrize("statement", ["INSERT INTO reports SELECT {}", "CREATE TABLE more AS SELECT {} AS report"])
def test_a_statement_that_writes_maintains_by_one_slice(host, statement):
    db = host.open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT)")
    db.rows("CREATE TABLE reports(report)")
    db.many_in_transaction("INSERT INTO docs(body) VALUES(?)", [("x",)] * 300)
    db.rows(statement.format("nearlite_maintain('docs')"))
    report = json.loads(db.rows(f"SELECT report FROM {'more' if 'more' in statement else 'reports'}")[0][0])
    assert report["slices"] <= 1 and "stopped" not in report
    assert json.loads(db.rows("SELECT nearlite_maintain('docs')")[0][0])["finished"]
    assert db.rows("SELECT count(*) FROM docs WHERE docs MATCH 'x'") == [(300,)]

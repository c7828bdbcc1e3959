"""What a statement reads of the file besides rows: root, log and settings once, however many rows are taken."""

import contextlib
import struct

import apsw
import pytest

import hosts

ROWS = 3_000

# The root is a row of t_config.
READS_ROOT = 'docs_config" WHERE id = 3'


@contextlib.contextmanager
def statements(db):
    """The SQL of the statements that run inside, those of the table itself among them."""
    seen = []
    db.connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: seen.append(event["sql"]))
    try:
        yield seen
    finally:
        db.connection.trace_v2(0, None)


def count(seen, words):
    return sum(words in sql for sql in seen)


@pytest.fixture(params=["delta", "optimized"])
def points(request):
    db = next(host for host in hosts.HOSTS if host.name == "apsw").open()
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, e VECTOR(2))")
    rows = [(f"k{i}", "owl" if i % 2 else "owl and cat", i % 7, struct.pack("<2f", i % 50, i // 50)) for i in range(ROWS)]
    db.many_in_transaction("INSERT INTO docs VALUES(?, ?, ?, ?)", rows)
    if request.param == "optimized":
        db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    yield db
    db.close()


@pytest.mark.parametrize(
    "where",
    [
        "e MATCH '[3,4]' ORDER BY distance",
        "e MATCH '[3,4]' AND year < 5 ORDER BY distance",
        "docs MATCH 'owl' ORDER BY rank",
        "docs MATCH 'owl'",
        "docs MATCH hybrid_query('owl', '[3,4]') ORDER BY rank",
    ],
)
def test_a_search_reads_root_and_settings_once(points, where):
    for rows in [1, 100, 1_000]:
        with statements(points) as seen:
            found = points.rows(f"SELECT rowid FROM docs WHERE {where} LIMIT {rows}")
        assert len(found) == rows
        assert count(seen, READS_ROOT) == 1, seen
        assert count(seen, "ORDER BY seq DESC LIMIT 1") == 1, seen
        assert count(seen, "docs_config") <= 5, "once more after the settings may have changed"
    with statements(points) as seen:
        points.rows(f"SELECT rowid FROM docs WHERE {where} LIMIT 10")
    assert count(seen, "docs_config") == 1, seen


def test_a_row_that_is_changed_reads_the_root_once(points):
    points.rows("UPDATE docs SET year = 1 WHERE id = 'k1'")
    with statements(points) as seen:
        points.rows("UPDATE docs SET year = 2 WHERE id = 'k1'")
    # For the row, for the table before the commit, and for the length of its log.
    assert count(seen, READS_ROOT) == 3, seen

"""Fixtures. `db` is an empty database in each host; `docs` a filled table, fresh for the test; `corpus` the same, shared."""

import os
import zlib

import numpy as np
import pytest

import hosts
import model

SEED = int(os.environ.get("NEARLITE_SEED", "1"))
# How much of the table is in segments: nothing, everything in one, or several segments, dead rows and a delta together.
STATES = ["delta", "optimized", "mixed"]

def pytest_report_header():
    versions = ", ".join(f"{host.name} SQLite {'.'.join(map(str, host.version))}" for host in hosts.HOSTS)
    return [f"nearlite: {hosts.extension_file()}", f"hosts: {versions}", f"NEARLITE_SEED={SEED}"]

@pytest.fixture(scope="session", autouse=True)
def extension_is_built():
    if not hosts.extension_file().exists():
        pytest.exit(f"no extension at {hosts.extension_file()}: run sqlite-ext/build.sh first", returncode=2)

@pytest.fixture
def rng(request):
    """Random numbers that depend on NEARLITE_SEED and on the test's name alone."""
    print(f"NEARLITE_SEED={SEED}")
    return np.random.default_rng([SEED, zlib.crc32(request.node.name.encode())])

@pytest.fixture(scope="session", params=hosts.HOSTS, ids=str)
def host(request):
    return request.param

@pytest.fixture(scope="session", params=STATES)
def state(request):
    return request.param

@pytest.fixture
def db(host):
    connection = host.open()
    yield connection
    connection.close()

@pytest.fixture
def path(tmp_path):
    """Where a test keeps its database file."""
    return tmp_path / "test.db"

class Docs:
    """The table `docs`, its twin `plain`, and the checks that compare the two."""

    def __init__(self, db, rows, state):
        self.db = db
        self.state = state
        self.data = {row[0]: row for row in rows}
        db.rows(model.CREATE)
        db.rows(model.CREATE_PLAIN)
        if state == "mixed":
            self._insert_mixed(rows)
        else:
            db.many_in_transaction(model.INSERT, rows)
        db.many_in_transaction(model.INSERT_PLAIN, rows)
        if state == "optimized":
            db.rows("INSERT INTO docs(docs) VALUES('optimize')")

    def _insert_mixed(self, rows):
        """Three segments, rows that were written twice, rows that were written and deleted, and a delta."""
        db, third = self.db, len(rows) // 3
        ghosts = [(row[0] + 100_000, *row[1:]) for row in rows[:40]]
        db.many_in_transaction(model.INSERT, ghosts + rows[:third])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.many_in_transaction(model.INSERT, [(row[0], "old", "old", "xx", 1, 1.0, 1, "old", row[8]) for row in rows[third : 2 * third]])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.rows("DELETE FROM docs WHERE rowid > 100000")
        db.many_in_transaction(model.INSERT.replace("INSERT", "INSERT OR REPLACE", 1), rows[third : 2 * third])
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
        db.many_in_transaction(model.INSERT, rows[2 * third :])

    @property
    def vectors(self):
        return model.vectors_of(self.data.values())

    def kept_by(self, where, *params):
        """The rowids that SQLite keeps in the ordinary twin."""
        return set(self.db.column(f"SELECT rowid FROM plain WHERE {where}", *params))

    def expected(self, query, where="1", params=(), metric="cosine"):
        return model.nearest(self.vectors, query, metric, self.kept_by(where, *params))

    def check_nearest(self, query, where="1", params=(), limit=10, offset=0, order="distance"):
        """The k nearest rows under a WHERE are exactly the model's."""
        condition = "" if where == "1" else f" AND ({where})"
        got = self.db.rows(
            f"SELECT rowid, distance FROM docs WHERE embedding MATCH ?{condition} ORDER BY {order} LIMIT ? OFFSET ?",
            model.blob(query), *params, limit, offset,
        )
        model.same_ranking(got, self.expected(query, where, params)[offset : offset + limit])
        return got

@pytest.fixture
def docs(db, rng, state):
    """A filled table of the test's own, in each host and state."""
    return Docs(db, model.random_rows(rng, 300), state)

@pytest.fixture(scope="session")
def corpus(host, state):
    """A filled table that is only read: made once for each host and state."""
    connection = host.open()
    yield Docs(connection, model.random_rows(np.random.default_rng(SEED), 400), state)
    connection.close()

@pytest.fixture
def query(rng):
    """A query vector."""
    return model.random_vectors(rng, 1)[0]

"""Random WHERE clauses: a scan and a search keep the rows that SQLite keeps of the same rows in an ordinary table.

The right sides have every affinity, since that decides what a comparison means. NEARLITE_SEED and NEARLITE_ROUNDS
choose other clauses and more of them; a failure names the seed, the round and the clause.
"""

import os
import random

import pytest

import conftest
import model

ROUNDS = int(os.environ.get("NEARLITE_ROUNDS", "500"))
TEXTS = ["", "a", "A", "ab", "aB", "b", "5", "05", "5.0", " 5", "5 ", "1e3", "-0", "0", "é", "zz", "2020", "2020.0", "9007199254740993", "abc%", "a_", "[a]", "0x10", "1e400", "-1", "+5", "5e", ".5", "5.", "inf", "nan", "true", "\u00a05", "5\n", "a\0b"]
INTEGERS = [0, 1, -1, 5, 10, 16, 1000, 2020, 2**53, 2**53 + 1, 2**53 - 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**62 + 1]
# -2^63 is left out: whether a list of floats finds it as a rowid depends on SQLite's version.
REALS = [0.0, -0.0, 0.5, 5.0, -5.5, 2020.0, 2.0**53, 2.0**53 + 2, 1e300, -1e300, 2.0**63, 5e-324, 1e16, 1.5]
ROWIDS = [1, 2, 3, 4, 5, 7, 9, 10, 16, 0, -1, 2020, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), *range(100, 140)]
OUTER = 12
KINDS = {"i": "INTEGER", "n": "INTEGER", "x": "REAL", "t": "TEXT", "f": "BOOLEAN"}


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return " || char(0) || ".join("'" + part.replace("'", "''") + "'" for part in value.split("\0"))
    return "(-9223372036854775807 - 1)" if value == -(2**63) else repr(value)


class Clauses:
    """Makes clauses from one seed; `params` are those of the last one."""

    def __init__(self, seed, keyed):
        self.random = random.Random(seed)
        self.columns = ["i", "n", "x", "t", "t", "f", "rowid", "key" if keyed else "id"]
        self.params = []

    def value(self):
        pick = self.random.choice
        return pick([None, pick(INTEGERS), pick(INTEGERS), pick(REALS), pick(TEXTS), pick(TEXTS), pick([b"", b"a", b"5"]), self.random.randrange(12), pick(ROWIDS)])

    def subquery(self, limit):
        return f"SELECT {self.random.choice('ixtu')} FROM o ORDER BY rowid LIMIT {limit} OFFSET {self.random.randrange(OUTER)}"

    def right(self):
        value, kind = self.value(), self.random.random()
        if kind < 0.35:
            self.params.append(value)
            return "?"
        if kind < 0.65:
            return f"({literal(value)})"
        if kind < 0.7:
            return "+" + f"({literal(value)})"
        if kind < 0.82:
            return f"CAST({literal(value)} AS {self.random.choice(['INTEGER', 'REAL', 'TEXT', 'NUMERIC', 'BLOB'])})"
        return f"({self.subquery(1)})"

    def list(self):
        if self.random.random() < 0.35:
            return f"({self.subquery(self.random.randrange(OUTER))})"
        return "(" + ", ".join(self.right() for _ in range(self.random.choice([0, 1, 1, 2, 3, 8]))) + ")"

    def term(self, depth=0):
        pick, column, kind = self.random.choice, self.random.choice(self.columns), self.random.random()
        if kind < 0.4:
            operator = pick(["=", "=", "<>", "<", "<=", ">", ">="])
            if self.random.random() < 0.15:
                return f"{self.right()} {operator} {column}"
            return f"{column} {operator} {self.right()}" + pick([""] * 12 + [" COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"])
        if kind < 0.48:
            return f"{column} BETWEEN {self.right()} AND {self.right()}"
        if kind < 0.68:
            return f"{column} {pick(['', '', 'NOT '])}IN {self.list()}"
        if kind < 0.73:
            return f"({pick('it')}, n) IN ({pick(['SELECT u, i FROM o', 'SELECT i, n FROM plain WHERE n > 6', 'SELECT t, n FROM plain'])})"
        if kind < 0.8:
            return f"{column} IS {pick(['', 'NOT '])}" + ("NULL" if self.random.random() < 0.5 else self.right())
        if kind < 0.88:
            return f"{column} {pick(['LIKE', 'GLOB', 'NOT LIKE'])} {self.right()}"
        if kind < 0.93 or depth > 1:
            return pick(["f", "NOT f", "f IS TRUE", "+i > 3", "t COLLATE NOCASE = 'AB'", "abs(n) > 4", "u = 1", "x = i", "n < x", "t = u", "t < n"])
        return f"({self.term(depth + 1)} {pick(['AND', 'OR'])} {self.term(depth + 1)})" if self.random.random() < 0.8 else f"NOT ({self.term(depth + 1)})"

    def clause(self):
        """Terms and their parameters; now and then more than SQLite omits (15), or hands over lists of (32)."""
        self.params = []
        terms = [self.term() for _ in range(self.random.choice([1, 1, 1, 2, 2, 3]))]
        filler = [f"{self.random.choice(['n < 1000000', 'n >= -1000000', 'i <= 9223372036854775807'])}" for _ in range(self.random.choice([0] * 8 + [16, 33]))]
        return " AND ".join(filler + terms)


def filled(db, r, keyed):
    key = "key TEXT PRIMARY KEY" if keyed else "id INTEGER PRIMARY KEY"
    columns = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    db.rows(f"CREATE VIRTUAL TABLE docs USING nearlite({key}, {columns}, u UNINDEXED, body TEXT FULLTEXT, v VECTOR(2))")
    db.rows(f"CREATE TABLE plain({'id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL' if keyed else key}, {columns}, u, body TEXT, v BLOB)")
    db.rows("CREATE TABLE o(i INTEGER, x REAL, t TEXT, u)")
    keys = r.sample(TEXTS, len(TEXTS)) + [f"k{at}" for at in range(len(ROWIDS))]
    maybe = lambda value: None if r.random() < 0.2 else value
    for at, rowid in enumerate(ROWIDS):
        row = [maybe(r.choice(INTEGERS)), maybe(r.randrange(12)), maybe(r.choice(REALS)), maybe(r.choice(TEXTS)), maybe(r.randrange(2)), r.choice([None, 1, "a", "5", 2.5, b"z"]), "word", model.blob([1, r.random()])]
        ids = [rowid, keys[at]] if keyed else [rowid]
        db.rows(f"INSERT INTO docs({'rowid, key' if keyed else 'id'}, i, n, x, t, f, u, body, v) VALUES({','.join('?' * (len(ids) + 8))})", *ids, *row)
        db.rows(f"INSERT INTO plain VALUES({','.join('?' * (len(ids) + 8))})", *ids, *row)
        if at == 30:
            db.rows("INSERT INTO docs(docs) VALUES('flush')")
    for _ in range(OUTER):
        db.rows("INSERT INTO o VALUES(?,?,?,?)", r.choice([*INTEGERS, None]), r.choice([*REALS, None]), r.choice(TEXTS), r.choice([*INTEGERS, *REALS, *TEXTS, None, b"a"]))


@pytest.mark.parametrize("keyed", [False, True], ids=["integer key", "text key"])
def test_random_clauses_keep_the_rows_that_an_ordinary_table_keeps(db, keyed):
    seed = conftest.SEED
    clauses = Clauses(seed, keyed)
    filled(db, clauses.random, keyed)
    for at in range(ROUNDS):
        where = clauses.clause()
        match = clauses.random.choice(["v MATCH '[1,0]'", "body MATCH 'word'", "docs MATCH hybrid_query('word', '[1,0]')"])
        told = f"NEARLITE_SEED={seed}, round {at}: {where} with {clauses.params!r}"
        try:
            expected = db.column(f"SELECT rowid FROM plain WHERE {where} ORDER BY rowid", *clauses.params)
        except db.errors:
            continue
        assert db.column(f"SELECT rowid FROM docs WHERE {where} ORDER BY rowid", *clauses.params) == expected, f"scan, {told}"
        # In front of the others or behind them.
        both = f"{match} AND {where}" if at % 2 else f"{where} AND {match}"
        assert sorted(db.column(f"SELECT rowid FROM docs WHERE {both}", *clauses.params)) == expected, f"{match}, {told}"
        near = db.column(f"SELECT rowid FROM docs WHERE v MATCH '[1,0]' AND {where} ORDER BY distance LIMIT 3", *clauses.params)
        every = db.column("SELECT rowid FROM docs WHERE v MATCH '[1,0]' ORDER BY distance")
        assert near == [rowid for rowid in every if rowid in set(expected)][:3], f"nearest, {told}"

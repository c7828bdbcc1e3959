"""Imports the installed package, connects and searches. Needs nothing else."""

import sqlite3
import sys

import nearlite

db = nearlite.connect(":memory:")
db.execute("CREATE VIRTUAL TABLE t USING nearlite(body TEXT FULLTEXT, e VECTOR(2))")
db.executemany("INSERT INTO t(body, e) VALUES(?, ?)", [("owl", nearlite.serialize_float32([1, 0])), ("wolf", "[0, 1]")])
assert db.execute("SELECT body FROM t WHERE e MATCH ? ORDER BY distance LIMIT 1", ["[0.9, 0.2]"]).fetchall() == [("owl",)]
assert db.execute("SELECT body FROM t WHERE t MATCH 'wolf'").fetchall() == [("wolf",)]
assert db.execute("SELECT nearlite_version()").fetchone() == ("v" + nearlite.__version__,)
loading = "with" if hasattr(db, "enable_load_extension") else "without"
print(f"smoke test: Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {loading} extension loading: passed")

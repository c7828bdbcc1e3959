"""A host in the manner of one written in C: registers the library by sqlite3_auto_extension and opens many connections.

Arguments: the library, SQLite's own library. Fails by an assertion, or by dying of what it provokes.
"""

import ctypes
import sys

library, sqlite = sys.argv[1], ctypes.CDLL(sys.argv[2])

OK, ROW = 0, 100
READWRITE, CREATE, MEMORY, EXRESCODE = 0x2, 0x4, 0x80, 0x2000000

sqlite.sqlite3_errmsg.restype = ctypes.c_char_p
sqlite.sqlite3_errmsg.argtypes = [ctypes.c_void_p]
sqlite.sqlite3_column_int64.restype = ctypes.c_int64
for name in ("errcode", "extended_errcode", "close", "step", "finalize"):
    getattr(sqlite, "sqlite3_" + name).argtypes = [ctypes.c_void_p]
sqlite.sqlite3_column_int64.argtypes = [ctypes.c_void_p, ctypes.c_int]
sqlite.sqlite3_exec.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
sqlite.sqlite3_prepare_v2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
sqlite.sqlite3_auto_extension.argtypes = [ctypes.c_void_p]


def open_memory(flags):
    db = ctypes.c_void_p()
    code = sqlite.sqlite3_open_v2(b":memory:", ctypes.byref(db), READWRITE | CREATE | MEMORY | flags, None)
    assert code == OK, (code, sqlite.sqlite3_errmsg(db))
    assert sqlite.sqlite3_errcode(db) == OK and sqlite.sqlite3_extended_errcode(db) == OK
    assert sqlite.sqlite3_errmsg(db) == b"not an error", sqlite.sqlite3_errmsg(db)
    return db


def run(db, sql):
    assert sqlite.sqlite3_exec(db, sql, None, None, None) == OK, (sql, sqlite.sqlite3_errmsg(db))


def number(db, sql):
    statement = ctypes.c_void_p()
    assert sqlite.sqlite3_prepare_v2(db, sql, -1, ctypes.byref(statement), None) == OK, sqlite.sqlite3_errmsg(db)
    assert sqlite.sqlite3_step(statement) == ROW, sqlite.sqlite3_errmsg(db)
    found = sqlite.sqlite3_column_int64(statement, 0)
    sqlite.sqlite3_finalize(statement)
    return found


calls = []
entry_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
later = entry_type(lambda db, message, api: calls.append(db) or OK)

for entry in ("sqlite3_nearlite_init", "sqlite3_extension_init"):
    nearlite = ctypes.CDLL(library)
    assert sqlite.sqlite3_auto_extension(ctypes.cast(getattr(nearlite, entry), ctypes.c_void_p)) == OK
    assert sqlite.sqlite3_auto_extension(ctypes.cast(later, ctypes.c_void_p)) == OK
    for flags in (0, EXRESCODE):
        del calls[:]
        for _ in range(20):
            db = open_memory(flags)
            run(
                db,
                b"CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(2));"
                b"INSERT INTO docs VALUES('all', '[1,2]'), ('other', '[2,1]');"
                b"INSERT INTO docs(docs) VALUES('flush');",
            )
            assert number(db, b"SELECT rowid FROM docs WHERE v MATCH '[1,2]' LIMIT 1") == 1
            assert number(db, b"SELECT rowid FROM docs WHERE docs MATCH 'other'") == 2
            assert sqlite.sqlite3_close(db) == OK
        assert len(calls) == 20, "the automatic extension after nearlite did not run"
    sqlite.sqlite3_reset_auto_extension()
    # Threads and caches of the library live on: unloading it must not take their code away.
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = [ctypes.c_void_p]
    for _ in range(3):
        dlclose(nearlite._handle)
    if sys.platform == "linux":
        assert library in open("/proc/self/maps").read(), "the library was unloaded"
print("fine")

#!/usr/bin/env python3
"""Loads the built extension into the SQLite of this Python (and of apsw, where installed) and calls a few functions.

Run after sqlite-ext/build.sh, with a Python whose sqlite3 module can load extensions.
"""

import os
import subprocess
import sys

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dist", "nearlite")


def check(connection):
    def rows(sql, *args):
        return [tuple(row) for row in connection.execute(sql, args)]

    def refused(sql):
        try:
            rows(sql)
        except Exception as error:
            return str(error)
        raise AssertionError(f"{sql} was not refused")

    assert rows("SELECT vec_to_json(vec_f32('[1,2]'))") == [("[1.0,2.0]",)]
    assert rows("SELECT value FROM vec_each(vec_int8('[1,-2]'))") == [(1,), (-2,)]
    assert rows("SELECT vec_distance_l2(?, '[3,4]')", bytes(8)) == [(5.0,)]
    assert "index 1" in refused("SELECT vec_f32('[1,x]')")
    assert "vec_each" in refused("SELECT * FROM vec_each(1)")
    rows("CREATE VIEW v AS SELECT value FROM vec_each('[1]')")
    rows("PRAGMA trusted_schema = 0")
    assert rows("SELECT * FROM v") == [(1.0,)]
    print(rows("SELECT sqlite_version(), nearlite_version(), vec_version()")[0])


def main(which):
    if which == "apsw":
        import apsw

        connections = [apsw.Connection(":memory:") for _ in range(2)]
        for connection in connections:
            connection.enable_load_extension(True)
    else:
        import sqlite3

        connections = [sqlite3.connect(":memory:") for _ in range(2)]
        for connection in connections:
            connection.enable_load_extension(True)
    for connection in connections:
        connection.load_extension(LIBRARY)
        connection.load_extension(LIBRARY)
        assert list(connection.execute("SELECT load_extension(?)", (LIBRARY,))) == [(None,)]
        check(connection)
        connection.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        # One SQLite a process: the library serves the first one that loads it.
        subprocess.run([sys.executable, __file__, "sqlite3"], check=True)
        if subprocess.run([sys.executable, "-c", "import apsw"], stderr=subprocess.DEVNULL).returncode == 0:
            subprocess.run([sys.executable, __file__, "apsw"], check=True)

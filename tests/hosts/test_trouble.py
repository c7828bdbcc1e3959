"""What maintenance does where it cannot work: the user's statements go on, and nearlite_info says what is the matter."""

import os
import subprocess
import sys
import textwrap
import time

import apsw
import pytest

import hosts
from test_background import eventually, put, threads
from test_processes import Other

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the threads in /proc")
HERE = os.path.dirname(__file__)
NOBODY = 65534


def create(db, mode):
    db.rows("PRAGMA journal_mode = wal")
    db.rows("PRAGMA synchronous = off")
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(8))")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 300)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('maintenance', ?)", mode)


def info(db):
    return db.rows("SELECT delta, segments, maintenance FROM nearlite_info('docs') LIMIT 1")[0]


def count(db):
    return db.one("SELECT count(*) FROM docs WHERE docs MATCH 'all'")


READ_ONLY = """
    import os, sys, time
    path, name = sys.argv[1:]
    import hosts
    from test_background import put
    from test_trouble import count, create, info
    host = next(host for host in hosts.HOSTS if host.name == name)
    if os.getuid() == 0:
        # Root may write any file.
        os.chown(hosts._copies.name, 65534, 65534)
        os.seteuid(65534)
    db = host.open(path)
    create(db, "auto")
    # The thread comes too late; who has the file open may go on.
    os.chmod(path, 0o444)
    db.rows("INSERT INTO docs(docs, rank) VALUES('maintenance', 'background')")
    put(db, 0, 1500)
    until = time.monotonic() + 60
    while not (why := info(db)[2]) and time.monotonic() < until:
        put(db, 5000, 5001)
        db.rows("DELETE FROM docs WHERE rowid = 5000")
        time.sleep(0.01)
    assert why and ("readonly" in why or "read-only" in why or "unable to open" in why or "permission" in why.lower()), why
    put(db, 1500, 1600)
    assert count(db) == 1600
    # It is tried again later.
    os.chmod(path, 0o644)
    until = time.monotonic() + 150
    while info(db)[0] >= 300 or info(db)[2]:
        assert time.monotonic() < until, info(db)
        put(db, 5000, 5001)
        db.rows("DELETE FROM docs WHERE rowid = 5000")
        time.sleep(0.05)
    assert count(db) == 1600
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    db.close()
    os.seteuid(os.getuid())
    print("passed")
"""


def test_a_file_that_the_thread_may_not_write_is_told_and_taken_up_later(host, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    if os.getuid() == 0:
        for place in (folder, tmp_path):
            os.chown(place, NOBODY, NOBODY)
        for place in tmp_path.parents:
            if place != place.parent and place.stat().st_uid == 0 and len(place.parts) > 2:
                place.chmod(place.stat().st_mode | 0o011)
    script = folder / "script.py"
    script.write_text(textwrap.dedent(READ_ONLY))
    run = subprocess.run([sys.executable, str(script), str(folder / "test.db"), host.name], cwd=HERE, capture_output=True,
                         text=True, timeout=280, env={**os.environ, "PYTHONPATH": HERE, "PYTHONDONTWRITEBYTECODE": "1"})
    assert run.stdout.endswith("passed\n"), run.stderr[-2000:]


@pytest.mark.parametrize("mode", ["auto", "background"])
def test_a_file_that_is_opened_as_immutable_is_read_without_a_thread(host, path, mode):
    db = host.open(path)
    create(db, mode)
    put(db, 0, 700)
    db.rows("PRAGMA wal_checkpoint(truncate)")
    db.close()
    others = threads()
    for how in ("immutable=1", "mode=ro"):
        reader = host.open(f"file:{path}?{how}")
        assert count(reader) == 700
        assert reader.failure("INSERT INTO docs(body) VALUES('all')").says("readonly")
        assert reader.failure("SELECT nearlite_maintain('docs')").says("readonly")
        # That of the writer may come to its end.
        assert count(reader) == 700 and threads() <= others
        reader.close()


class Hidden(apsw.VFS):
    """Keeps all bytes of its files inverted, as one that encrypts would."""

    def __init__(self):
        super().__init__("hidden", "")

    def xOpen(self, name, flags):
        return HiddenFile(name, flags)


class HiddenFile(apsw.VFSFile):
    def __init__(self, name, flags):
        super().__init__("", name, flags)

    def xRead(self, amount, offset):
        return bytes(255 - byte for byte in super().xRead(amount, offset))

    def xWrite(self, data, offset):
        super().xWrite(bytes(255 - byte for byte in data), offset)


@pytest.mark.parametrize("mode", ["auto", "background", "commit"])
def test_a_file_behind_a_vfs_of_the_application_is_maintained_by_its_commits(path, mode):
    vfs = Hidden()
    db = hosts.ApswDb.__new__(hosts.ApswDb)
    db.connection = apsw.Connection(str(path), vfs="hidden")
    db.connection.enable_load_extension(True)
    db.connection.load_extension(hosts.own_copy("apsw"))
    others = threads()
    db.rows("PRAGMA journal_mode = delete")
    db.rows("PRAGMA synchronous = off")
    create(db, mode)
    for start in range(0, 2000, 100):
        db.rows("BEGIN")
        put(db, start, start + 100)
        db.rows("COMMIT")
    assert threads() <= others
    delta, segments, why = info(db)
    # A limit of the log is kept even where no thread can do the work.
    assert delta < 16 * 300 and count(db) == 2000
    if mode == "background":
        assert "VFS" in why and delta < 1500 and segments >= 1
    else:
        assert why is None
    db.rows("SELECT nearlite_maintain('docs')")
    assert info(db)[:2] == (0, 1) and count(db) == 2000
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    db.close()
    with open(path, "rb") as file:
        assert bytes(255 - byte for byte in file.read(15)) == b"SQLite format 3"
    del vfs


def shared(host, path, mode):
    """A table, another process that has its file open, and how many rows there are."""
    db = host.open(path, timeout=60)
    create(db, mode)
    other = Other(host, path)
    other.rows("PRAGMA busy_timeout = 60000")
    put(db, 0, 320)
    # The first seal makes tables, which a statement that is prepared at that moment may meet.
    db.rows("SELECT nearlite_maintain('docs')")
    return db, other, 320


@pytest.mark.parametrize("mode", ["auto", "background", "commit"])
def test_another_process_alters_the_table_while_it_is_maintained(host, path, mode):
    db, other, written = shared(host, path, mode)
    for change in ("ADD COLUMN year INTEGER DEFAULT 5", "RENAME COLUMN year TO age", "ADD COLUMN note TEXT", "DROP COLUMN age"):
        put(db, written, written + 330)
        other.rows("SELECT nearlite_alter('docs', ?)", change)
        put(db, written + 330, written + 400)
        written += 400
        assert count(db) == written
    db.rows("INSERT INTO docs(body, note) SELECT 'all', 'late' FROM docs LIMIT 10")
    assert other.rows("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == [(written + 10,)]
    assert db.one("SELECT count(*) FROM docs WHERE note = 'late'") == 10
    eventually(lambda: info(db)[2] is None)
    db.rows("SELECT nearlite_maintain('docs')")
    delta, segments, why = info(db)
    assert delta == 0 and segments <= 2 and why is None and count(db) == written + 10
    other.close()
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    db.close()


@pytest.mark.parametrize("mode", ["auto", "background"])
def test_another_process_drops_or_renames_the_table_while_it_is_maintained(host, path, mode):
    db, other, written = shared(host, path, mode)
    put(db, written, 1700)
    other.rows("ALTER TABLE docs RENAME TO texts")
    assert db.failure("INSERT INTO docs(body) VALUES('all')").says("no such table")
    assert db.one("SELECT count(*) FROM texts WHERE texts MATCH 'all'") == 1700
    db.rows("INSERT INTO texts(body) SELECT 'all' FROM texts LIMIT 500")
    other.rows("DROP TABLE texts")
    assert db.failure("SELECT * FROM texts").says("no such table")
    assert db.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'texts%' OR name LIKE 'docs%'") == []
    time.sleep(0.1)
    create(db, mode)
    put(db, 0, 700)
    assert count(db) == 700 and info(db)[2] is None
    db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    other.close()
    db.close()

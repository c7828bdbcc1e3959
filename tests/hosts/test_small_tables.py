"""A table has few pages until it has an index: the tables of the index are made by the first write that needs one.

That write may be a commit, a statement in the middle of a transaction, one that fails. Another connection may see the file
as it was before. Something else may have one of the names by then, or somebody may forbid tables. Rows are never lost, and
an index is never overlooked.
"""

import itertools
import struct

import pytest

import hosts

DIM = 100
TABLE = f"CREATE VIRTUAL TABLE {{}} USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, n INTEGER, v VECTOR({DIM}) METRIC l2)"
FIRST = ["docs_config", "docs_delta", "docs_rows", "docs_vectors"]
INDEX = ["docs_chunks", "docs_segments", "docs_tiles", "docs_tombstones"]


def vector(number):
    return struct.pack(f"<{DIM}f", *(((number * 31 + i * 17) % 101) / 8 for i in range(DIM)))


def row(number):
    return number, f"k{number}", f"all w{number % 7}", number, vector(number)


def insert(db, numbers, table="docs"):
    db.many(f"INSERT INTO {table}(rowid, id, body, n, v) VALUES(?, ?, ?, ?, ?)", [row(number) for number in numbers])


def tables(db, schema="main", name="docs"):
    return sorted(db.column(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' AND name LIKE '{name}@_%' ESCAPE '@'"))


def has(db, numbers, table="docs", check=True):
    """Every answer is that of a table of these rows. `check`, which is an INSERT, takes the lock of a writer."""
    numbers = list(numbers)
    assert db.rows(f"SELECT rowid, id, body, n, v FROM {table} ORDER BY rowid") == [row(number) for number in numbers]
    name = table.split(".")[-1]
    assert db.column(f"SELECT rowid FROM {table} WHERE {name} MATCH 'all' ORDER BY rowid") == numbers
    for number in numbers[:: max(1, len(numbers) // 5)]:
        near = db.rows(f"SELECT rowid, distance FROM {table} WHERE v MATCH ? ORDER BY distance LIMIT 1", vector(number))
        assert near and near[0][1] == 0 and vector(near[0][0]) == vector(number)
    assert len(db.column(f"SELECT rowid FROM {table} WHERE v MATCH ? AND n >= 0 ORDER BY distance", vector(1))) == len(numbers)
    if check:
        db.rows(f"INSERT INTO {table}({name}) VALUES('integrity-check')")


def trouble(db, table="docs"):
    return db.rows(f"SELECT maintenance FROM nearlite_info('{table}') LIMIT 1")[0][0]


def flush(db, table="docs"):
    db.rows(f"INSERT INTO {table}({table}) VALUES('flush')")


def forbid_tables(db, forbidden):
    """Lets an authorizer deny CREATE TABLE, or nothing."""
    deny = (lambda action, *_: 1 if action == 2 else 0) if forbidden else None
    if hasattr(db.connection, "set_authorizer"):
        db.connection.set_authorizer(deny)
    else:
        db.connection.authorizer = deny


@pytest.fixture
def file_db(host, path):
    db = host.open(path)
    db.rows("PRAGMA journal_mode = WAL")
    db.rows(TABLE.format("docs"))
    yield db
    db.close()


def test_a_new_table_has_four_shadow_tables_and_the_first_seal_makes_the_others(file_db):
    assert tables(file_db) == FIRST
    insert(file_db, range(1, 20))
    assert tables(file_db) == FIRST
    has(file_db, range(1, 20))
    assert tables(file_db) == FIRST
    flush(file_db)
    assert tables(file_db) == sorted(FIRST + INDEX)
    has(file_db, range(1, 20))


def test_commands_on_a_table_without_rows_make_no_tables(file_db):
    for command in ["flush", "merge", "maintain", "optimize", "rebuild", "integrity-check"]:
        file_db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        file_db.rows("SELECT nearlite_maintain('docs')")
        assert tables(file_db) == FIRST, command
        has(file_db, [])
    insert(file_db, [1, 2])
    file_db.rows("DELETE FROM docs")
    flush(file_db)
    assert tables(file_db) == FIRST
    assert file_db.rows("SELECT rows, segments, dead_bytes FROM nearlite_info('docs') LIMIT 1") == [(0, 0, 0)]


def test_without_vectors_there_is_no_table_for_them(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT)")
    assert tables(db) == ["docs_config", "docs_delta", "docs_rows"]
    db.rows("INSERT INTO docs VALUES('a', 'all one'), ('b', 'all two')")
    for command in ["flush", "optimize", "rebuild", "integrity-check"]:
        db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert db.column("SELECT id FROM docs WHERE docs MATCH 'all' ORDER BY id") == ["a", "b"]
    db.rows("UPDATE docs SET body = 'all three' WHERE id = 'a'")
    db.rows("DELETE FROM docs WHERE id = 'b'")
    db.rows("SELECT nearlite_alter('docs', 'ADD COLUMN n INTEGER')")
    db.rows("ALTER TABLE docs RENAME TO notes")
    assert db.rows("SELECT id, body, n FROM notes") == [("a", "all three", None)]
    db.rows("DROP TABLE notes")
    assert db.rows("SELECT * FROM sqlite_schema") == []


@pytest.mark.parametrize("write", ["flush", "commit", "tiles", "maintain"])
def test_a_snapshot_from_before_the_index_is_read_on(host, path, file_db, write):
    if write == "commit":
        file_db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 50)")
    insert(file_db, range(1, 40))
    reader = host.open(path)
    has(reader, range(1, 40))
    reader.rows("BEGIN")
    cursor = reader.cursor("SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid")
    assert next(cursor)[0] == 1
    has(reader, range(1, 40), check=False)
    if write == "flush":
        flush(file_db)
    elif write == "commit":
        file_db.rows("BEGIN")
        insert(file_db, range(40, 120))
        file_db.rows("COMMIT")
    elif write == "tiles":
        file_db.rows("BEGIN")
        insert(file_db, range(40, 400))
        assert file_db.one("SELECT count(*) FROM docs_tiles") > 0
        file_db.rows("COMMIT")
    else:
        file_db.rows("SELECT nearlite_maintain('docs')")
    assert set(INDEX) <= set(tables(file_db))
    has(reader, range(1, 40), check=False)
    assert tables(reader) == FIRST
    assert [found[0] for found in cursor] == list(range(2, 40))
    has(reader, range(1, 40), check=False)
    reader.rows("COMMIT")
    now = range(1, {"commit": 120, "tiles": 400}.get(write, 40))
    has(reader, now)
    assert set(INDEX) <= set(tables(reader))
    insert(reader, [5000])
    has(file_db, [*now, 5000])
    reader.close()


@pytest.mark.parametrize("way", ["rollback", "savepoint", "statement"])
def test_tables_that_were_taken_back_are_made_again(host, path, file_db, way):
    other = host.open(path)
    insert(file_db, range(1, 10))
    has(other, range(1, 10))
    file_db.rows("BEGIN")
    kept = range(1, 10)
    if way == "rollback":
        insert(file_db, range(10, 400))
        flush(file_db)
        file_db.rows("ROLLBACK")
    elif way == "savepoint":
        file_db.rows("SAVEPOINT a")
        insert(file_db, range(10, 400))
        flush(file_db)
        has(file_db, range(1, 400))
        file_db.rows("ROLLBACK TO a")
        has(file_db, range(1, 10))
        insert(file_db, [7000])
        kept = [*kept, 7000]
        file_db.rows("COMMIT")
    else:
        # It makes tiles, and fails at its last row.
        failure = file_db.failure(
            "WITH n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT 500) INSERT INTO docs(rowid, id, body, v) "
            "SELECT CASE i WHEN 500 THEN 1 ELSE i END, 'k' || i, 'all', ? FROM n",
            vector(3),
        )
        assert failure.says("UNIQUE")
        # Nothing is compiled before the commit, and another connection gives its schema the number of the one taken back.
        file_db.rows("COMMIT")
        other.rows("CREATE TABLE x(a)")
        other.rows("INSERT INTO x VALUES(1)")
    assert tables(file_db) == FIRST
    has(file_db, kept)
    has(other, kept)
    insert(file_db, range(1000, 1400))
    flush(file_db)
    now = sorted([*kept, *range(1000, 1400)])
    has(file_db, now)
    has(other, now)
    insert(other, range(2000, 2300))
    flush(other)
    has(file_db, [*(number for number in now if number < 2000), *range(2000, 2300), *(number for number in now if number > 2300)])
    assert file_db.one("PRAGMA integrity_check") == "ok"
    other.close()


@pytest.mark.parametrize("kind", ["table", "view", "index"])
@pytest.mark.parametrize("suffix", ["config", "rows", "chunks", "tiles", "root"])
def test_a_name_that_is_taken_is_refused_when_the_table_is_made(db, kind, suffix):
    db.rows("CREATE TABLE mine(a)")
    db.rows({"table": "CREATE TABLE DOCS_{0}(a)", "view": "CREATE VIEW docs_{0} AS SELECT 1", "index": "CREATE INDEX docs_{0} ON mine(a)"}[kind].format(suffix))
    before = db.rows("SELECT * FROM sqlite_schema")
    failure = db.failure(TABLE.format("docs"))
    assert failure.says(f"there is a {kind}" if kind != "index" else "there is an index", f"docs_{suffix}", "rename"), failure
    assert db.rows("SELECT * FROM sqlite_schema") == before


@pytest.mark.parametrize("kind", ["table", "view", "index"])
def test_a_stranger_with_the_name_of_a_table_that_is_still_to_be_made(host, path, file_db, kind):
    insert(file_db, range(1, 30))
    file_db.rows("CREATE TABLE mine(a)")
    stranger = {
        "table": "CREATE TABLE docs_tiles(id INTEGER PRIMARY KEY, data BLOB)",
        "view": "CREATE VIEW docs_tiles AS SELECT rowid AS id, v AS data FROM docs",
        "index": "CREATE INDEX docs_tiles ON mine(a)",
    }[kind]
    file_db.rows(stranger)
    if kind == "table":
        file_db.rows("INSERT INTO docs_tiles SELECT value, zeroblob(4057) FROM json_each('[0,1,2,3,4,5,6,7]')")
    other = host.open(path)
    for db in (file_db, other):
        has(db, range(1, 30))
        assert db.failure("INSERT INTO docs(docs) VALUES('flush')").says("docs_tiles", "tables of its index cannot be made")
        has(db, range(1, 30))
    # Commits and loads go on; why there is no index is told.
    file_db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 10)")
    file_db.rows("BEGIN")
    insert(file_db, range(30, 600))
    file_db.rows("COMMIT")
    insert(other, range(600, 630))
    assert "docs_tiles" in trouble(file_db)
    has(file_db, range(1, 630))
    has(other, range(1, 630))
    assert not {"docs_chunks", "docs_segments"} & set(tables(file_db))
    # The stranger is not ours to rename or to drop.
    file_db.rows("ALTER TABLE docs RENAME TO notes")
    has(file_db, range(1, 630), "notes")
    assert file_db.failure("ALTER TABLE notes RENAME TO docs").says("docs_tiles", "rename")
    file_db.rows(f"DROP {kind} docs_tiles")
    file_db.rows("ALTER TABLE notes RENAME TO docs")
    flush(file_db)
    assert trouble(file_db) is None
    has(file_db, range(1, 630))
    has(other, range(1, 630))
    other.close()


def test_dropping_a_table_leaves_the_table_of_a_stranger(file_db):
    file_db.rows("CREATE TABLE docs_chunks(mine)")
    file_db.rows("INSERT INTO docs_chunks VALUES('keep')")
    insert(file_db, range(1, 5))
    file_db.rows("DROP TABLE docs")
    assert file_db.rows("SELECT name FROM sqlite_schema") == [("docs_chunks",)]
    assert file_db.one("SELECT mine FROM docs_chunks") == "keep"


def test_a_new_name_must_be_free_for_the_tables_to_come(file_db):
    file_db.rows("CREATE TABLE notes_chunks(mine)")
    assert file_db.failure("ALTER TABLE docs RENAME TO notes").says("notes_chunks", "rename")
    insert(file_db, range(1, 5))
    has(file_db, range(1, 5))


@pytest.mark.parametrize("load", ["rows", "transaction"])
def test_who_forbids_tables_has_a_table_without_an_index(file_db, load):
    file_db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 20)")
    forbid_tables(file_db, True)
    if load == "transaction":
        file_db.rows("BEGIN")
    insert(file_db, range(1, 700))
    if load == "transaction":
        file_db.rows("COMMIT")
    file_db.rows("UPDATE docs SET n = n + 0, body = body || '' WHERE rowid < 20")
    assert file_db.failure("INSERT INTO docs(docs) VALUES('optimize')").says("docs", "cannot be made", "not authorized", "rows are stored")
    file_db.rows("INSERT INTO docs(docs) VALUES('maintain')")
    file_db.rows("SELECT nearlite_maintain('docs', 0)")
    assert "not authorized" in trouble(file_db)
    has(file_db, range(1, 700))
    assert tables(file_db) == FIRST
    forbid_tables(file_db, False)
    for number in itertools.count(700):
        insert(file_db, [number])
        if number % 20 == 0 and set(INDEX) <= set(tables(file_db)):
            break
        assert number < 3_000
    assert trouble(file_db) is None
    has(file_db, range(1, number + 1))


def test_a_table_that_is_altered_renamed_and_dropped_before_and_after_its_first_seal(host, path, file_db):
    other = host.open(path)
    insert(file_db, range(1, 30))
    for seal in (False, True):
        if seal:
            flush(file_db)
        for db in (file_db, other):
            db.rows("SELECT nearlite_alter('docs', 'ADD COLUMN more INTEGER')")
            has(other, range(1, 30))
            db.rows("SELECT nearlite_alter('docs', 'RENAME COLUMN more TO less')")
            db.rows("SELECT nearlite_alter('docs', 'DROP COLUMN less')")
            db.rows("SELECT nearlite_alter('docs', 'RENAME COLUMN v TO w')")
            assert other.one("SELECT count(w) FROM docs") == 29
            db.rows("SELECT nearlite_alter('docs', 'RENAME COLUMN w TO v')")
            db.rows("ALTER TABLE docs RENAME TO notes")
            has(other, range(1, 30), "notes")
            db.rows("ALTER TABLE notes RENAME TO docs")
            has(other, range(1, 30))
            has(file_db, range(1, 30))
        file_db.rows("BEGIN")
        file_db.rows("DROP TABLE docs")
        assert file_db.rows("SELECT * FROM sqlite_schema") == []
        file_db.rows("ROLLBACK")
        has(file_db, range(1, 30))
    other.rows("DROP TABLE docs")
    assert file_db.rows("SELECT * FROM sqlite_schema") == []
    other.close()


@pytest.mark.parametrize("lost", INDEX)
def test_an_index_whose_table_is_gone_is_not_overlooked(host, path, file_db, lost):
    insert(file_db, range(1, 400))
    flush(file_db)
    file_db.rows("DELETE FROM docs WHERE rowid = 7")
    flush(file_db)
    file_db.rows(f"DROP TABLE {lost}")
    for db in (file_db, host.open(path)):
        failures = 0
        for sql in ["SELECT rowid, v FROM docs", "SELECT rowid FROM docs WHERE v MATCH zeroblob(400) LIMIT 5", "INSERT INTO docs(docs) VALUES('integrity-check')"]:
            try:
                db.rows(sql)
            except db.errors as error:
                failures += lost in str(error)
        assert failures
    file_db.rows("DROP TABLE docs")


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("damage", ["DELETE FROM docs_config WHERE id = 3", "UPDATE docs_config SET value = zeroblob(16) WHERE id = 3", "UPDATE docs_config SET value = NULL WHERE id = 3"])
def test_a_damaged_root_hides_nothing_and_is_healed(host, path, file_db, sealed, damage):
    insert(file_db, range(1, 300))
    if sealed:
        flush(file_db)
    file_db.rows(damage)
    for db in (file_db, host.open(path)):
        try:
            assert db.one("SELECT count(*) FROM docs WHERE docs MATCH 'all'") == 299
        except db.errors as error:
            assert "docs" in str(error)
        db.rows("INSERT INTO docs(docs) VALUES('rebuild')")
        has(db, range(1, 300))
    file_db.rows(damage)
    file_db.rows("DROP TABLE docs")
    assert file_db.rows("SELECT * FROM sqlite_schema") == []


@pytest.mark.parametrize("schema", ["temp", "aux", "memory"])
def test_attached_and_temporary_tables(host, path, tmp_path, schema):
    db = host.open(path)
    file = tmp_path / "other.db" if schema == "aux" else ":memory:"
    if schema != "temp":
        db.rows(f"ATTACH '{file}' AS {schema}")
    db.rows(TABLE.format(f"{schema}.docs"))
    db.rows(TABLE.format("main.docs"))
    assert tables(db, schema) == FIRST
    insert(db, range(1, 9), "main.docs")
    db.rows("BEGIN")
    insert(db, range(1, 400), f"{schema}.docs")
    db.rows("SAVEPOINT a")
    db.rows(f"INSERT INTO {schema}.docs(docs) VALUES('flush')")
    db.rows("ROLLBACK TO a")
    has(db, range(1, 400), f"{schema}.docs")
    db.rows("COMMIT")
    db.rows(f"INSERT INTO {schema}.docs(docs) VALUES('flush')")
    assert tables(db, schema) == sorted(FIRST + INDEX)
    assert tables(db, "main") == FIRST
    has(db, range(1, 400), f"{schema}.docs")
    has(db, range(1, 9), "main.docs")
    db.close()


def test_vacuum_and_a_backup_before_and_after_the_first_seal(host, path, tmp_path, file_db):
    insert(file_db, range(1, 300))
    for step in range(2):
        copy = tmp_path / f"copy{step}.db"
        file_db.rows(f"VACUUM INTO '{copy}'")
        other = host.open(copy)
        has(other, range(1, 300))
        flush(other)
        has(other, range(1, 300))
        other.close()
        file_db.rows("VACUUM")
        has(file_db, range(1, 300))
        flush(file_db)


@pytest.mark.parametrize("vacuum", ["FULL", "INCREMENTAL"])
def test_the_first_seal_beside_open_statements_in_a_file_that_moves_pages(host, path, vacuum):
    """With auto_vacuum a new table takes the place of a page that belongs to another one."""
    db = host.open(path)
    db.rows(f"PRAGMA auto_vacuum = {vacuum}")
    db.rows(TABLE.format("docs"))
    insert(db, range(1, 200))
    db.rows("CREATE TABLE plain(a, b)")
    db.many("INSERT INTO plain VALUES(?, ?)", [(number, b"x" * 9_000) for number in range(50)])
    open_ones = [
        db.cursor("SELECT rowid FROM docs ORDER BY rowid"),
        db.cursor("SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid"),
        db.cursor("SELECT a, length(b) FROM plain ORDER BY a"),
    ]
    first = [next(cursor) for cursor in open_ones]
    assert [found[0] for found in first] == [1, 1, 0]
    insert(db, range(200, 600))
    assert db.one("SELECT count(*) FROM docs_tiles") > 0
    flush(db)
    assert [found[0] for found in open_ones[2]] == list(range(1, 50))
    assert [found[0] for found in open_ones[1]] == list(range(2, 200))
    for _ in open_ones[0]:
        pass
    has(db, range(1, 600))
    assert db.one("PRAGMA integrity_check") == "ok"
    db.close()


def test_defensive_mode_lets_the_tables_be_made():
    import apsw

    db = next(host for host in hosts.HOSTS if host.name == "apsw").open()
    db.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    db.rows(TABLE.format("docs"))
    assert db.failure("CREATE TABLE docs_chunks(a)").says("reserved")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 50)")
    insert(db, range(1, 400))
    assert set(INDEX) <= set(tables(db))
    has(db, range(1, 400))
    db.close()


def test_a_connection_that_only_queries_finds_a_table_without_an_index(host, path, file_db):
    insert(file_db, range(1, 30))
    reader = host.open(path)
    reader.rows("PRAGMA query_only = 1")
    has_read = lambda: reader.column("SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid")
    assert has_read() == list(range(1, 30))
    flush(file_db)
    assert has_read() == list(range(1, 30))
    reader.close()


def test_a_small_table_takes_less_than_20_kb(host, path):
    db = host.open(path)
    db.rows("BEGIN")
    for number in range(100):
        db.rows(f"CREATE VIRTUAL TABLE docs{number} USING nearlite(id INTEGER PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, v VECTOR(4))")
    db.rows("COMMIT")
    for number in range(100):
        db.many(f"INSERT INTO docs{number} VALUES(?, 'all', 2000, '[1,2,3,4]')", [(at,) for at in range(10)])
    assert db.one("PRAGMA page_count") * 4096 / 100 < 20_000
    db.close()


def test_why_maintenance_gave_up_is_noted_of_the_table_and_not_of_its_name(file_db):
    file_db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 20)")
    forbid_tables(file_db, True)
    insert(file_db, range(1, 50))
    forbid_tables(file_db, False)
    assert "not authorized" in trouble(file_db)
    file_db.rows("ALTER TABLE docs RENAME TO notes")
    file_db.rows(TABLE.format("docs"))
    assert trouble(file_db) is None and "not authorized" in trouble(file_db, "notes")
    file_db.rows("DROP TABLE notes")
    file_db.rows(TABLE.format("notes"))
    assert trouble(file_db, "notes") is None

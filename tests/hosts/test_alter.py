"""Columns that are added, dropped and renamed: in the log, in segments, in other connections, and after everything that may undo it."""

import sqlite3

import apsw
import pytest

import hosts
from test_processes import Other

PROCEDURE = ["INSERT INTO it SELECT", "one transaction"]


def alter(db, text, table="docs", by="function"):
    """The change, by one of the two ways to say it."""
    if by == "function":
        return db.one("SELECT nearlite_alter(?, ?)", table, text)
    db.rows(f"INSERT INTO {table}({table}, rank) VALUES('alter', ?)", text)


def fill(db, first, count, columns="", values=""):
    for n in range(first, first + count):
        db.rows(f"INSERT INTO docs(rowid, body, year, e{columns}) VALUES(?, ?, ?, ?{values})", n, f"word{n % 3}", 2000 + n % 5, f"[{n % 7 + 1},1]")


def make(db, count=20):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER, e VECTOR(2) METRIC l2)")
    fill(db, 1, count)


def names(db, table="docs"):
    return db.column(f"SELECT name FROM pragma_table_info('{table}')")


def sound(db, table="docs"):
    db.rows(f"INSERT INTO {table}({table}) VALUES('integrity-check')")


def found(db, where, *params):
    """The rowids of a search inside which the condition holds."""
    return sorted(db.column(f"SELECT rowid FROM docs WHERE e MATCH '[1,1]' AND {where} ORDER BY distance", *params))


@pytest.fixture(params=["function", "command"])
def by(request):
    return request.param


@pytest.mark.parametrize("where", ["log", "segment", "both"])
def test_a_column_comes_and_goes(db, by, where):
    make(db)
    if where != "log":
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
    if where == "both":
        fill(db, 21, 10)
    count = db.one("SELECT count(*) FROM docs")
    alter(db, "ADD COLUMN lang TEXT", by=by)
    alter(db, "ADD COLUMN stars INTEGER DEFAULT 3", by=by)
    alter(db, "ADD COLUMN price REAL NOT NULL DEFAULT 0.5", by=by)
    alter(db, "ADD COLUMN note UNINDEXED DEFAULT 'n'", by=by)
    alter(db, """ADD COLUMN meta JSON DEFAULT '{"a": 1}'""", by=by)
    assert names(db) == ["body", "year", "e", "lang", "stars", "price", "note", "meta"]
    assert db.rows("SELECT DISTINCT lang, stars, price, note, meta FROM docs") == [(None, 3, 0.5, "n", '{"a": 1}')]
    assert len(found(db, "lang IS NULL AND stars = 3 AND price < 1 AND json_matches(meta, '{\"a\": 1}')")) == count
    assert found(db, "stars <> 3") == found(db, "lang = 'en'") == found(db, "json_matches(meta, '{\"a\": 2}')") == []
    # Rows that are written now have what they are given; a missing value is a default only where NULL is refused.
    db.rows("INSERT INTO docs(rowid, e, lang, meta) VALUES(100, '[1,1]', 'en', '{\"a\": 2}')")
    db.rows("UPDATE docs SET stars = 5, lang = 'de' WHERE rowid IN (3, 4)")
    read = "SELECT lang, stars, price, note, meta FROM docs WHERE rowid = ?"
    assert db.rows(read, 100) == [("en", None, 0.5, None, '{"a": 2}')]
    for change in ["SELECT 1", "INSERT INTO docs(docs) VALUES('flush')", "INSERT INTO docs(docs) VALUES('optimize')", "INSERT INTO docs(docs) VALUES('rebuild')"]:
        db.rows(change)
        assert found(db, "lang = 'de'") == found(db, "stars = 5") == [3, 4]
        assert found(db, "lang = 'en'") == found(db, "stars IS NULL") == found(db, "json_matches(meta, '{\"a\": 2}')") == [100]
        assert len(found(db, "stars = 3")) == count - 2
        sound(db)
    for name in ["stars", "meta", "note", "year"]:
        alter(db, f"DROP COLUMN {name}", by=by)
        assert found(db, "lang = 'de'") == [3, 4]
        assert db.failure(f"SELECT {name} FROM docs").says("no such column")
        sound(db)
    assert names(db) == ["body", "e", "lang", "price"]
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert found(db, "lang = 'de'") == [3, 4] and len(found(db, "price = 0.5")) == count + 1
    sound(db)
    assert "stars" not in db.one("SELECT sql FROM sqlite_schema WHERE name = 'docs_rows'")


def test_rows_of_the_log_that_a_search_has_read_have_the_columns_of_now(db, by):
    # They are kept in memory over a seal, and were kept over an alteration, too, with their values in the old places.
    make(db, 5)
    alter(db, "ADD COLUMN stars INTEGER DEFAULT 3", by=by)
    db.rows("UPDATE docs SET stars = 4 WHERE rowid = 2")
    assert found(db, "stars = 3") == [1, 3, 4, 5] and found(db, "year = 2002") == [2]
    alter(db, "DROP COLUMN year", by=by)
    assert found(db, "stars = 3") == [1, 3, 4, 5] and found(db, "stars = 4") == [2] and found(db, "stars > 2000") == []
    alter(db, "ADD COLUMN lang TEXT", by=by)
    assert found(db, "lang IS NULL AND stars = 4") == [2]
    alter(db, "ADD COLUMN mark TEXT NOT NULL DEFAULT 'x'", by=by)
    assert found(db, "mark = 'x'") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["TEXT", "INTEGER", "REAL", "BOOLEAN", "JSON"])
def test_a_column_of_a_name_that_was_there_never_shows_old_values(db, kind):
    make(db)
    value = {"TEXT": "'x'", "INTEGER": "7", "REAL": "7.5", "BOOLEAN": "1", "JSON": """'{"a": 1}'"""}[kind]
    alter(db, f"ADD COLUMN c {kind}")
    db.rows(f"UPDATE docs SET c = {value}")
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    is_value = f"json_matches(c, {value})" if kind == "JSON" else f"c = {value}"
    assert len(found(db, is_value)) == 20
    for _ in range(2):
        alter(db, "DROP COLUMN c")
        alter(db, f"ADD COLUMN c {kind}")
        assert found(db, is_value) == [] and len(found(db, "c IS NULL")) == 20
        sound(db)
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert found(db, is_value) == [] and db.column("SELECT DISTINCT c FROM docs") == [None]
    # Another type under the same name.
    alter(db, "DROP COLUMN c")
    alter(db, "ADD COLUMN c TEXT DEFAULT 'y'")
    assert len(found(db, "c = 'y'")) == 20
    sound(db)


def test_every_kind_of_column_can_be_renamed(db, by):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body FULLTEXT, a TEXT, b TEXT, meta JSON, raw UNINDEXED, e VECTOR(2))")
    rows = [(str(n), f"word{n}", f"a{n % 2}", f"b{n % 3}", f'{{"n": {n}}}', n, "[1,2]") for n in range(12)]
    db.many("INSERT INTO docs(id, body, a, b, meta, raw, e) VALUES(?, ?, ?, ?, ?, ?, ?)", rows[:6])
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    db.many("INSERT INTO docs(id, body, a, b, meta, raw, e) VALUES(?, ?, ?, ?, ?, ?, ?)", rows[6:])
    assert len(found(db, "a = 'a1'")) == 6
    # Two columns change places: what was remembered of a condition on one must not be said of the other.
    for text in ["RENAME COLUMN a TO c", "RENAME COLUMN b TO a", "RENAME COLUMN c TO b", "RENAME id TO \"the key\"", "RENAME body TO text",
                 "RENAME meta TO Meta", "RENAME raw TO raw2"]:
        alter(db, text, by=by)
    alter(db, "RENAME e TO vec", by=by)
    assert names(db) == ["the key", "text", "b", "a", "Meta", "raw2", "vec"]
    search = "SELECT rowid FROM docs WHERE vec MATCH '[1,1]' AND "
    assert db.column(search + "a = 'a1'") == [] and len(db.column(search + "b = 'a1'")) == 6
    assert db.column(search + "text MATCH 'word7'") == [8] and db.column("SELECT rowid FROM docs WHERE docs MATCH 'text:word7'") == [8]
    assert db.column(search + "json_matches(meta, '{\"n\": 4}')") == [5]
    assert db.rows("SELECT \"the key\", raw2 FROM docs WHERE \"the key\" = '4'") == [("4", 4)]
    assert db.failure("INSERT INTO docs(\"the key\") VALUES('4')").says("docs.the key")
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    sound(db)


@pytest.mark.parametrize(
    "text, words",
    [
        ("ADD COLUMN v VECTOR(3)", ["docs.v", "VECTOR", *PROCEDURE]),
        ("ADD COLUMN t FULLTEXT", ["docs.t", "FULLTEXT", *PROCEDURE]),
        ("ADD COLUMN k TEXT PRIMARY KEY", ["docs.k", "PRIMARY KEY", *PROCEDURE]),
        ("ADD COLUMN k TEXT UNIQUE", ["docs.k", "UNIQUE"]),
        ("ADD COLUMN k INTEGER NOT NULL", ["docs.k", "NOT NULL", "DEFAULT"]),
        ("ADD COLUMN k INTEGER DEFAULT 'x'", ["docs.k", "INTEGER"]),
        ("ADD COLUMN year INTEGER", ["docs.year", "already"]),
        ("ADD COLUMN YEAR INTEGER", ["docs.YEAR", "already"]),
        ("ADD COLUMN distance REAL", ["docs.distance", "reserved"]),
        ("ADD COLUMN k", ["docs.k", "type"]),
        ("ADD COLUMN", ["docs"]),
        ("ADD tokenizer = 'raw'", ["tokenizer", "option"]),
        ("DROP COLUMN e", ["docs.e", "VECTOR", *PROCEDURE]),
        ("DROP COLUMN body", ["docs.body", "FULLTEXT", *PROCEDURE]),
        ("DROP COLUMN nothing", ["no column nothing", "body, year, e"]),
        ("DROP COLUMN rowid", ["no column rowid"]),
        ("RENAME COLUMN nothing TO x", ["no column nothing"]),
        ("RENAME COLUMN year TO body", ["docs.body", "twice"]),
        ("RENAME COLUMN year TO rank", ["docs.rank", "reserved"]),
        ("RENAME COLUMN year TO docs", ["docs.docs", "reserved"]),
        ("RENAME TO other", ["RENAME COLUMN name TO name"]),
        ("ALTER TABLE docs ADD COLUMN x TEXT", ["ADD COLUMN name type"]),
        ("", ["ADD COLUMN name type"]),
    ],
)
def test_what_cannot_be_changed_is_refused_and_leaves_everything_as_it_was(db, by, text, words):
    make(db)
    before = db.rows("SELECT * FROM docs_config ORDER BY id"), db.rows("SELECT sql FROM sqlite_schema")
    if by == "function":
        failure = db.failure("SELECT nearlite_alter('docs', ?)", text)
    else:
        failure = db.failure("INSERT INTO docs(docs, rank) VALUES('alter', ?)", text)
    assert failure.says(*words), failure
    assert (db.rows("SELECT * FROM docs_config ORDER BY id"), db.rows("SELECT sql FROM sqlite_schema")) == before
    assert len(found(db, "year > 0")) == 20


def test_the_only_column_stays_and_an_alteration_is_a_text(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(year INTEGER)")
    assert db.failure("SELECT nearlite_alter('docs', 'DROP COLUMN year')").says("docs.year", "only column")
    assert db.failure("INSERT INTO docs(docs) VALUES('alter')").says("alter takes a text")
    assert db.failure("INSERT INTO docs(docs, rank) VALUES('alter', 5)").says("alter takes a text")
    assert db.failure("SELECT nearlite_alter('nothing', 'DROP COLUMN year')").says("no nearlite table 'nothing'")
    assert db.failure("SELECT nearlite_alter('docs', NULL)").says("texts")


def test_a_statement_that_reads_the_table_is_in_the_way(db, by):
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    for sql in ["SELECT rowid FROM docs", "SELECT rowid FROM docs WHERE e MATCH '[1,1]'", "SELECT rowid FROM docs WHERE docs MATCH 'word1'"]:
        cursor = db.cursor(sql)
        next(cursor)
        # An object that SQLite has made again does not forget the statement.
        db.rows("CREATE TABLE IF NOT EXISTS other(a)")
        for text in ["ADD COLUMN c TEXT", "DROP COLUMN year", "RENAME COLUMN year TO y"]:
            with pytest.raises(db.errors, match="cannot be altered while a statement reads it"):
                alter(db, text, by=by)
        assert len(list(cursor)) > 0
        del cursor
        alter(db, "ADD COLUMN c TEXT", by=by)
        alter(db, "DROP COLUMN c", by=by)
    assert names(db) == ["body", "year", "e"]


def test_rollback_takes_an_alteration_back(db, by):
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    expected = found(db, "year = 2001")
    db.rows("BEGIN")
    fill(db, 21, 3)
    alter(db, "ADD COLUMN lang TEXT DEFAULT 'en'", by=by)
    db.rows("UPDATE docs SET lang = 'de' WHERE rowid < 4")
    db.rows("SAVEPOINT one")
    alter(db, "DROP COLUMN year", by=by)
    db.rows("SAVEPOINT two")
    alter(db, "RENAME COLUMN lang TO language", by=by)
    db.rows("INSERT INTO docs(rowid, e, language) VALUES(90, '[1,1]', 'fr')")
    assert names(db) == ["body", "e", "language"] and found(db, "language = 'fr'") == [90]
    db.rows("ROLLBACK TO two")
    assert names(db) == ["body", "e", "lang"] and found(db, "lang = 'de'") == [1, 2, 3]
    db.rows("ROLLBACK TO one")
    assert names(db) == ["body", "year", "e", "lang"] and found(db, "lang = 'de' AND year > 2000") == [1, 2, 3]
    db.rows("RELEASE one")
    sound(db)
    db.rows("ROLLBACK")
    assert names(db) == ["body", "year", "e"] and found(db, "year = 2001") == expected
    assert db.failure("SELECT lang FROM docs").says("no such column")
    sound(db)
    # And the same for good.
    db.rows("BEGIN")
    fill(db, 21, 3)
    alter(db, "ADD COLUMN lang TEXT DEFAULT 'en'", by=by)
    fill(db, 31, 2, ", lang", ", 'de'")
    db.rows("COMMIT")
    assert found(db, "lang = 'de'") == [31, 32] and len(found(db, "lang = 'en'")) == 23
    sound(db)


def test_a_failed_statement_leaves_an_alteration_of_its_transaction(db):
    make(db)
    db.rows("BEGIN")
    alter(db, "ADD COLUMN lang TEXT NOT NULL DEFAULT 'en'")
    assert db.failure("SELECT nearlite_alter('docs', 'ADD COLUMN bad VECTOR(2)')")
    assert db.failure("INSERT INTO docs(rowid, e) VALUES(500, '[1,1]'), (501, '[1]')").says("dimensions")
    db.rows("COMMIT")
    assert names(db) == ["body", "year", "e", "lang"] and len(found(db, "lang = 'en'")) == 20
    sound(db)


def test_a_second_connection_sees_the_change_at_its_next_statement(host, path):
    one, two = host.open(path), host.open(path)
    one.rows("PRAGMA journal_mode = WAL")
    make(one)
    one.rows("INSERT INTO docs(docs) VALUES('flush')")
    assert len(found(two, "year > 0")) == 20
    alter(one, "ADD COLUMN lang TEXT")
    one.rows("UPDATE docs SET lang = 'en' WHERE rowid = 7")
    assert names(two) == ["body", "year", "e", "lang"] and found(two, "lang = 'en'") == [7]
    # A snapshot keeps what it has.
    two.rows("BEGIN")
    assert len(found(two, "year > 0")) == 20
    alter(one, "DROP COLUMN year")
    alter(one, "RENAME COLUMN lang TO tongue")
    alter(one, "ADD COLUMN year TEXT DEFAULT 'x'")
    assert len(found(two, "year > 0")) == 20 and found(two, "lang = 'en'") == [7]
    two.rows("COMMIT")
    assert names(two) == ["body", "e", "tongue", "year"]
    assert len(found(two, "year = 'x'")) == 20 and found(two, "tongue = 'en'") == [7]
    two.rows("INSERT INTO docs(rowid, e, tongue) VALUES(50, '[1,1]', 'fr')")
    assert found(one, "tongue = 'fr'") == [50]
    # One that another connection is reading is altered after it; a vector is renamed there, too.
    alter(two, "RENAME COLUMN e TO vec")
    assert one.column("SELECT rowid FROM docs WHERE vec MATCH '[1,1]' AND tongue = 'fr'") == [50]
    sound(one), sound(two)
    one.close(), two.close()


def test_another_process_sees_the_change(host, path):
    db = host.open(path)
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    other = Other(host, path)
    try:
        assert other.column("SELECT count(*) FROM docs WHERE year > 0") == [20]
        alter(db, "ADD COLUMN lang TEXT DEFAULT 'en'")
        alter(db, "DROP COLUMN year")
        search = "SELECT count(*) FROM docs WHERE e MATCH '[1,1]' AND lang = 'en'"
        assert other.column(search) == [20] and "error" in other.ask("SELECT year FROM docs")
        other.rows("INSERT INTO docs(rowid, e, lang) VALUES(50, '[1,1]', 'en')")
        other.rows("SELECT nearlite_alter('docs', 'RENAME COLUMN lang TO tongue')")
        assert len(found(db, "tongue = 'en'")) == 21
    finally:
        other.close()
    sound(db)
    db.close()


def test_an_attached_and_a_temporary_table_are_altered(db, path):
    db.rows(f"ATTACH '{path}' AS \"at 2\"")
    for target, name in [('"at 2"."my docs"', "at 2.my docs"), ("temp.docs", "temp.docs"), ("main.docs", "main.docs")]:
        db.rows(f"CREATE VIRTUAL TABLE {target} USING nearlite(e VECTOR(2))")
        db.rows(f"INSERT INTO {target}(e) VALUES('[1,1]')")
        declared = alter(db, "ADD COLUMN \"a b\" INTEGER DEFAULT 5", name)
        assert declared.endswith('"a b" INTEGER')
        assert db.rows(f"SELECT rowid FROM {target} WHERE e MATCH '[1,1]' AND \"a b\" = 5") == [(1,)]
    db.rows("""INSERT INTO "at 2"."my docs"("my docs", rank) VALUES('alter', 'RENAME "a b" TO c')""")
    assert db.column('SELECT c FROM "at 2"."my docs"') == [5]


def test_vacuum_rename_and_copies_keep_an_altered_table(host, path, tmp_path):
    db = host.open(path)
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    alter(db, "ADD COLUMN lang TEXT DEFAULT 'en'")
    alter(db, "DROP COLUMN year")
    db.rows("UPDATE docs SET lang = 'de' WHERE rowid = 3")
    db.rows("VACUUM")
    db.rows(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    copy = host.open(tmp_path / "copy.db")
    for each in (db, copy):
        assert found(each, "lang = 'de'") == [3] and len(found(each, "lang = 'en'")) == 19
        each.rows("ALTER TABLE docs RENAME TO notes")
        alter(each, "ADD COLUMN year INTEGER DEFAULT 1", "notes")
        each.rows("INSERT INTO notes(notes) VALUES('optimize')")
        assert each.column("SELECT rowid FROM notes WHERE e MATCH '[1,1]' AND lang = 'de' AND year = 1") == [3]
        sound(each, "notes")
        each.rows("ALTER TABLE notes RENAME TO docs")
        each.close()
    again = host.open(path)
    assert names(again) == ["body", "e", "lang", "year"] and len(found(again, "year = 1")) == 20
    again.rows("DROP TABLE docs")
    assert again.rows("SELECT name FROM sqlite_schema") == []
    again.close()


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 program")
def test_a_dump_of_an_altered_table_restores(host, path, tmp_path):
    db = host.open(path)
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    alter(db, "ADD COLUMN lang TEXT DEFAULT 'en'")
    alter(db, "DROP COLUMN year")
    alter(db, "ADD COLUMN year TEXT")
    db.rows("UPDATE docs SET lang = 'de', year = 'x' WHERE rowid = 3")
    assert "lang" not in db.one("SELECT sql FROM sqlite_schema WHERE name = 'docs'")
    db.close()
    dump = hosts.shell(".dump", path)
    restored = hosts.shell("\n".join(dump.lines), tmp_path / "restored.db")
    assert (restored.status, restored.errors) == (0, "")
    db = host.open(tmp_path / "restored.db")
    assert names(db) == ["body", "e", "lang", "year"]
    assert found(db, "lang = 'de' AND year = 'x'") == [3] and len(found(db, "lang = 'en' AND year IS NULL")) == 19
    db.rows("INSERT INTO docs(rowid, e) VALUES(30, '[1,1]')")
    sound(db)
    db.close()


def test_an_alteration_works_in_defensive_mode_and_without_trust(path):
    host = next(host for host in hosts.HOSTS if host.name == "apsw")
    db, other = host.open(path), host.open(path)
    make(db)
    db.rows("INSERT INTO docs(docs) VALUES('flush')")
    assert len(found(other, "year > 0")) == 20
    for each in (db, other):
        each.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        each.rows("PRAGMA trusted_schema = 0")
    for by in ["function", "command"]:
        alter(db, f"ADD COLUMN {by} TEXT DEFAULT 'x'", by=by)
        assert len(found(other, f"\"{by}\" = 'x'")) == 20
        alter(db, f"RENAME COLUMN {by} TO c", by=by)
        alter(db, "DROP COLUMN c", by=by)
        alter(db, "RENAME COLUMN e TO e2", by=by)
        alter(db, "RENAME COLUMN e2 TO e", by=by)
    assert names(other) == ["body", "year", "e"]
    assert db.failure("ALTER TABLE docs_rows ADD COLUMN x").says("may not be")
    db.close(), other.close()


def test_views_and_triggers_cannot_alter(db):
    make(db)
    db.rows("CREATE VIEW v AS SELECT nearlite_alter('docs', 'DROP COLUMN year')")
    assert db.failure("SELECT * FROM v").says("unsafe use of nearlite_alter")
    assert db.failure("CREATE INDEX i ON other(nearlite_alter('docs', 'DROP COLUMN year'))")
    assert names(db) == ["body", "year", "e"]


def test_a_view_that_reads_a_column_keeps_it_from_going(db):
    make(db)
    db.rows("CREATE VIEW v AS SELECT year FROM docs WHERE e MATCH '[1,1]'")
    for text in ["DROP COLUMN year", "RENAME COLUMN year TO y"]:
        assert db.failure("SELECT nearlite_alter('docs', ?)", text).says("error in view v", "year")
        assert names(db) == ["body", "year", "e"] and db.one("SELECT count(*) FROM v") == 20
    alter(db, "ADD COLUMN lang TEXT")
    db.rows("DROP VIEW v")
    alter(db, "DROP COLUMN year")
    assert names(db) == ["body", "e", "lang"]
    sound(db)


@pytest.mark.parametrize("begin", [[], ["BEGIN"], ["BEGIN", "SAVEPOINT s"]])
def test_a_statement_of_two_changes_is_refused_as_a_whole(db, begin):
    make(db)
    for sql in begin:
        db.rows(sql)
    db.rows("INSERT INTO docs(rowid, year, e) VALUES(50, 7, '[1,1]')")
    for second in ["ADD COLUMN b TEXT", "DROP COLUMN nothing"]:
        assert db.failure(f"INSERT INTO docs(docs, rank) VALUES('alter', 'ADD COLUMN a TEXT'), ('alter', '{second}')")
        assert names(db) == ["body", "year", "e"] and found(db, "year = 7") == [50]
        db.rows("UPDATE docs SET year = 7 WHERE rowid = 50")
    alter(db, "ADD COLUMN a TEXT DEFAULT 'x'")
    assert found(db, "a = 'x' AND year = 7") == [50]
    sound(db)
    if begin:
        db.rows("ROLLBACK")
        assert names(db) == ["body", "year", "e"] and found(db, "year = 7") == []
        sound(db)


def test_sqlites_own_procedure_is_what_the_error_says(db):
    make(db)
    db.rows("BEGIN")
    db.rows("CREATE VIRTUAL TABLE next USING nearlite(id INTEGER PRIMARY KEY, body TEXT FULLTEXT, title FULLTEXT, e VECTOR(2))")
    db.rows("INSERT INTO next(id, body, e) SELECT rowid, body, e FROM docs")
    db.rows("DROP TABLE docs")
    db.rows("ALTER TABLE next RENAME TO docs")
    db.rows("COMMIT")
    assert names(db) == ["id", "body", "title", "e"] and len(db.column("SELECT id FROM docs WHERE e MATCH '[1,1]'")) == 20
    sound(db)


def test_unfinished_maintenance_of_the_old_columns_is_given_up(db):
    db.rows("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER, e VECTOR(2) METRIC l2)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 20)")
    db.rows("INSERT INTO docs(docs, rank) VALUES('maintenance', 'commit')")
    next_id = 1
    for n in range(12):
        fill(db, next_id, 60)
        next_id += 60
        if n % 3 == 1:
            alter(db, f"ADD COLUMN c{n} INTEGER DEFAULT {n}")
        if n % 3 == 2:
            alter(db, f"DROP COLUMN c{n - 1}")
            assert len(found(db, "year > 0")) == next_id - 1
    db.rows("SELECT nearlite_maintain('docs')")
    assert names(db) == ["body", "year", "e"] and len(found(db, "year > 0")) == next_id - 1
    assert db.one("SELECT count(*) FROM nearlite_info('docs') WHERE maintenance IS NOT NULL") == 0
    sound(db)


@pytest.mark.parametrize("where", ["log", "segment"])
def test_a_default_that_is_a_whole_real_stays_one_in_the_rows_that_are_there(db, by, where):
    make(db)
    if where == "segment":
        db.rows("INSERT INTO docs(docs) VALUES('flush')")
    alter(db, "ADD COLUMN price REAL DEFAULT 5.0", by=by)
    alter(db, "ADD COLUMN note UNINDEXED DEFAULT 7.0", by=by)
    read = "SELECT DISTINCT typeof(price), price / 2, typeof(note), note / 2 FROM docs"
    expected = [("real", 2.5, "real", 3.5)]
    assert db.rows(read) == expected
    assert db.rows(f"{read} WHERE e MATCH '[1,1]' AND k = 100") == expected
    db.rows("UPDATE docs SET year = 1999 WHERE rowid % 2 = 0")
    db.rows("UPDATE docs SET body = 'other' WHERE rowid % 3 = 0")
    for change in ["SELECT 1", "INSERT INTO docs(docs) VALUES('optimize')", "INSERT INTO docs(docs) VALUES('rebuild')"]:
        db.rows(change)
        assert db.rows(read) == expected
        assert len(found(db, "price = 5")) == len(found(db, "price = 5.0")) == db.one("SELECT count(*) FROM docs")

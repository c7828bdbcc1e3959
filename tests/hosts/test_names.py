"""Names and existence of a table change inside a transaction: nothing of the transaction is lost, and the rows follow the name."""

import pytest

import model

COLUMNS = "body TEXT FULLTEXT, n INTEGER, v VECTOR(2) METRIC l2"
SCHEMAS = ["main", "temp", "other"]


class Tables:
    """Tables in one schema of a connection; `o` is an ordinary table that shares their transactions."""

    def __init__(self, db, schema, path):
        self.db, self.schema, self.path = db, schema, path
        if schema == "other":
            db.rows("ATTACH ? AS other", str(path))
        db.rows(f"CREATE TABLE {schema}.o(x)")

    def create(self, name, rows=(), columns=COLUMNS, bound=4):
        """A table whose log is sealed at `bound` entries, so that commits have work to do."""
        self.db.rows(f"CREATE VIRTUAL TABLE {self.schema}.{name} USING nearlite({columns})")
        self.db.rows(f"INSERT INTO {self.schema}.{name}({name}, rank) VALUES('delta_rows', ?)", bound)
        self.insert(name, rows)

    def insert(self, name, rows):
        self.db.many(f"INSERT INTO {self.schema}.{name}(rowid, body, n, v) VALUES(?, 'all', ?, ?)", [(i, i, model.blob([i, 0])) for i in rows])

    def run(self, script):
        """Statements, one a line; `$` stands for the schema. A line `name + 1..9` inserts rows."""
        for line in filter(None, (line.strip() for line in script.splitlines())):
            if "+" in line:
                name, numbers = line.split("+")
                first, last = numbers.split("..")
                self.insert(name.strip(), range(int(first), int(last) + 1))
            else:
                self.db.rows(line.replace("$", self.schema))

    def has(self, name, rows):
        """The table has these rows, each of its indexes has them, and it is sound."""
        rows, full = sorted(rows), f"{self.schema}.{name}"
        assert self.db.column(f"SELECT rowid FROM {full} ORDER BY rowid") == rows
        assert sorted(self.db.column(f"SELECT rowid FROM {full} WHERE v MATCH '[0,0]' AND exact = 1")) == rows
        assert sorted(self.db.column(f"SELECT rowid FROM {full} WHERE {name} MATCH 'all'")) == rows
        assert sorted(self.db.column(f"SELECT rowid FROM {full} WHERE {name} MATCH 'all' AND n > 2")) == [row for row in rows if row > 2]
        self.db.rows(f"INSERT INTO {full}({name}) VALUES('integrity-check')")

    def names(self):
        """The tables that are there, shadow tables aside."""
        names = self.db.column(f"SELECT name FROM {self.schema}.sqlite_schema WHERE type = 'table' AND name NOT LIKE '%\\_%' ESCAPE '\\' ORDER BY name")
        shadows = self.db.column(f"SELECT name FROM {self.schema}.sqlite_schema WHERE name LIKE '%\\_rows' ESCAPE '\\'")
        assert {name.removesuffix("_rows") for name in shadows} <= set(names)
        return names

    def log(self, name):
        return self.db.one(f"SELECT count(*) FROM {self.schema}.{name}_delta")


@pytest.fixture(params=SCHEMAS)
def tables(db, request, path):
    return Tables(db, request.param, path)


# A script, and which rows which tables have in the end. `o` has one row for each INSERT INTO o.
SCRIPTS = {
    "renamed after a write": (
        """BEGIN
           docs + 1..9
           INSERT INTO $.o VALUES(1)
           ALTER TABLE $.docs RENAME TO notes
           COMMIT""",
        {"notes": range(1, 10)},
    ),
    "written, renamed, written": (
        """BEGIN
           docs + 1..9
           ALTER TABLE $.docs RENAME TO notes
           notes + 10..30
           COMMIT""",
        {"notes": range(1, 31)},
    ),
    "renamed after a delete and a command": (
        """docs + 1..9
           BEGIN
           DELETE FROM $.docs WHERE rowid < 4
           INSERT INTO $.docs(docs) VALUES('flush')
           ALTER TABLE $.docs RENAME TO notes
           COMMIT""",
        {"notes": range(4, 10)},
    ),
    "renamed there and back": (
        """BEGIN
           docs + 1..9
           ALTER TABLE $.docs RENAME TO notes
           notes + 10..12
           ALTER TABLE $.notes RENAME TO docs
           docs + 13..14
           COMMIT""",
        {"docs": range(1, 15)},
    ),
    "two tables swap their names": (
        """more + 101..105
           BEGIN
           docs + 1..9
           more + 106..109
           ALTER TABLE $.docs RENAME TO third
           ALTER TABLE $.more RENAME TO docs
           ALTER TABLE $.third RENAME TO more
           docs + 110..112
           COMMIT""",
        {"docs": range(101, 113), "more": range(1, 10)},
    ),
    "another table takes the name": (
        """BEGIN
           docs + 1..9
           ALTER TABLE $.docs RENAME TO notes
           CREATE VIRTUAL TABLE $.docs USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2), extra TEXT)
           docs + 20..22
           COMMIT""",
        {"notes": range(1, 10), "docs": range(20, 23)},
    ),
    "a table of another kind takes the name": (
        """BEGIN
           docs + 1..9
           ALTER TABLE $.docs RENAME TO notes
           CREATE TABLE $.docs(x)
           COMMIT""",
        {"notes": range(1, 10)},
    ),
    "a full-text table of SQLite takes the name": (
        """BEGIN
           docs + 1..9
           ALTER TABLE $.docs RENAME TO notes
           CREATE VIRTUAL TABLE $.docs USING fts5(body)
           INSERT INTO $.docs VALUES('all')
           COMMIT""",
        {"notes": range(1, 10)},
    ),
    "SQLite's procedure to change a table": (
        """docs + 1..9
           BEGIN
           INSERT INTO $.o VALUES(1)
           CREATE VIRTUAL TABLE $.new USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2) METRIC l2, lang TEXT)
           INSERT INTO $.new(rowid, body, n, v, lang) SELECT rowid, body, n, v, 'en' FROM $.docs
           DROP TABLE $.docs
           ALTER TABLE $.new RENAME TO docs
           COMMIT""",
        {"docs": range(1, 10)},
    ),
    "renamed and written in a savepoint that is rolled back": (
        """docs + 1..2
           BEGIN
           docs + 3..9
           SAVEPOINT x
           ALTER TABLE $.docs RENAME TO notes
           notes + 10..19
           ROLLBACK TO x
           docs + 20..21
           COMMIT""",
        {"docs": [*range(1, 10), 20, 21]},
    ),
    "renamed in a savepoint that is released": (
        """SAVEPOINT x
           docs + 1..9
           SAVEPOINT y
           ALTER TABLE $.docs RENAME TO notes
           RELEASE y
           notes + 10..11
           RELEASE x""",
        {"notes": range(1, 12)},
    ),
    "created and written in a savepoint that is rolled back": (
        """BEGIN
           INSERT INTO $.o VALUES(1)
           docs + 1..9
           SAVEPOINT s
           CREATE VIRTUAL TABLE $.late USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2))
           late + 1..9
           ROLLBACK TO s
           COMMIT""",
        {"docs": range(1, 10)},
    ),
    "created again after a rollback": (
        """BEGIN
           SAVEPOINT s
           CREATE VIRTUAL TABLE $.late USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2))
           late + 1..9
           ROLLBACK TO s
           CREATE VIRTUAL TABLE $.late USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2) METRIC l2, x TEXT)
           late + 11..19
           COMMIT""",
        {"docs": [], "late": range(11, 20)},
    ),
    "dropped and created again": (
        """docs + 1..9
           BEGIN
           docs + 10..19
           INSERT INTO $.o VALUES(1)
           DROP TABLE $.docs
           CREATE VIRTUAL TABLE $.docs USING nearlite(extra TEXT, body TEXT FULLTEXT, n INTEGER, v VECTOR(2))
           docs + 30..35
           COMMIT""",
        {"docs": range(30, 36)},
    ),
    "dropped and created again in a savepoint that is rolled back": (
        """docs + 1..2
           BEGIN
           docs + 3..9
           SAVEPOINT s
           DROP TABLE $.docs
           CREATE VIRTUAL TABLE $.docs USING nearlite(extra TEXT, body TEXT FULLTEXT, n INTEGER, v VECTOR(2))
           docs + 30..35
           ROLLBACK TO s
           docs + 10..12
           COMMIT""",
        {"docs": range(1, 13)},
    ),
    "dropped in a savepoint that is rolled back": (
        """docs + 1..9
           BEGIN
           docs + 10..11
           SAVEPOINT s
           DROP TABLE $.docs
           ROLLBACK TO s
           docs + 12..13
           COMMIT""",
        {"docs": range(1, 14)},
    ),
    "everything is rolled back": (
        """docs + 1..9
           BEGIN
           docs + 10..19
           ALTER TABLE $.docs RENAME TO notes
           notes + 20..29
           DROP TABLE $.notes
           CREATE VIRTUAL TABLE $.docs USING nearlite(x TEXT)
           ROLLBACK
           docs + 10..10""",
        {"docs": range(1, 11)},
    ),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_transaction_that_renames_or_makes_tables_loses_nothing(tables, script):
    """COMMIT failed with "no such table", and with it the whole transaction was gone."""
    script, right = script
    tables.create("docs")
    if "more" in script:
        tables.create("more")
    tables.run(script)
    ordinary = {"o"} | ({"docs"} if "docs" not in right and "$.docs" in script.split("ALTER")[-1].split("RENAME")[-1] else set())
    assert set(tables.names()) == set(right) | ordinary
    for name, rows in right.items():
        tables.has(name, rows)
    assert tables.db.one(f"SELECT count(*) FROM {tables.schema}.o") == script.count("INSERT INTO $.o")
    # And all of it can be written on.
    for name, rows in right.items():
        tables.run(f"BEGIN\n{name} + 1001..1009\nCOMMIT")
        tables.has(name, [*rows, *range(1001, 1010)])


def test_rows_written_before_a_rename_are_sealed_in_its_transaction(tables):
    """Nobody sealed them, and searches replayed them one by one until the next write."""
    tables.create("docs", bound=50)
    tables.run("BEGIN\ndocs + 1..200\nALTER TABLE $.docs RENAME TO notes\nCOMMIT")
    assert tables.log("notes") == 0
    tables.has("notes", range(1, 201))


@pytest.mark.parametrize("suffix", ["config", "delta", "rows"])
def test_a_shadow_table_that_was_dropped_stays_an_error_of_the_commit(db, suffix):
    tables = Tables(db, "main", None)
    tables.create("docs", range(1, 4))
    db.rows("BEGIN")
    tables.insert("docs", range(10, 20))
    db.rows(f"DROP TABLE docs_{suffix}")
    assert db.failure("COMMIT").says(f"docs_{suffix}")


def test_inserts_and_renames_in_the_default_mode_of_python(tmp_path):
    import sqlite3

    import hosts

    connection = sqlite3.connect(tmp_path / "default.db")
    connection.enable_load_extension(True)
    connection.load_extension(hosts.own_copy("stdlib"))
    connection.execute(f"CREATE VIRTUAL TABLE docs USING nearlite({COLUMNS})")
    connection.execute("INSERT INTO docs(rowid, body) VALUES(1, 'all')")
    connection.execute("ALTER TABLE docs RENAME TO notes")
    connection.execute("INSERT INTO notes(rowid, body) VALUES(2, 'all')")
    connection.commit()
    assert [row[0] for row in connection.execute("SELECT rowid FROM notes WHERE notes MATCH 'all' ORDER BY rowid")] == [1, 2]
    connection.close()

"""What happens to a table in its life: renamed, dropped, vacuumed, copied, attached, opened read-only, damaged, repaired."""

import apsw
import pytest

import hosts
import model

TABLE = "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, n INTEGER, embedding VECTOR(4) METRIC l2)"
ASK = "SELECT id, distance FROM {} WHERE embedding MATCH '[0,0,0,0]' AND n > 3 ORDER BY distance LIMIT 15"
ASK_TEXT = "SELECT id FROM {0} WHERE {1} MATCH 'falcon' ORDER BY rank LIMIT 15"


def fill(db, table="docs", count=120):
    rows = [(f"key-{i}", "falcon" if i % 3 else "owl", i, model.blob([i, i % 5, 1, 0])) for i in range(1, count + 1)]
    db.many_in_transaction(f"INSERT INTO {table}(id, body, n, embedding) VALUES(?, ?, ?, ?)", rows[: count * 2 // 3])
    db.rows(f"INSERT INTO {table}({table.split('.')[-1]}) VALUES('flush')")
    db.many_in_transaction(f"INSERT INTO {table}(id, body, n, embedding) VALUES(?, ?, ?, ?)", rows[count * 2 // 3 :])
    db.rows(f"DELETE FROM {table} WHERE n IN (5, 6, 110)")


def answers(db, table="docs"):
    return (db.rows(ASK.format(table)), db.rows(ASK_TEXT.format(table, table.split(".")[-1])), db.rows(f"SELECT id, body, n, embedding FROM {table} ORDER BY n"), db.one(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def file_db(host, path):
    db = host.open(path)
    db.rows(TABLE)
    fill(db)
    yield db
    db.close()


def expected_ids():
    vectors = {i: model.floats(model.blob([i, i % 5, 1, 0])) for i in range(1, 121) if i not in (5, 6, 110)}
    return [f"key-{i}" for i, _ in model.nearest(vectors, [0, 0, 0, 0], "l2", keep=set(range(4, 121)))[:15]]


def test_the_fixture_answers_as_brute_force_does(file_db):
    assert file_db.column(ASK.format("docs")) == expected_ids()


# ---- rename and drop ----


def test_a_renamed_table_answers_as_before_and_takes_writes(file_db, host, path):
    before = answers(file_db)
    file_db.rows("ALTER TABLE docs RENAME TO papers")
    assert answers(file_db, "papers") == before
    assert [name for name in file_db.column("SELECT name FROM sqlite_schema") if name.startswith("docs")] == []
    file_db.rows("INSERT INTO papers(id, body, n, embedding) VALUES('new', 'heron', 50, '[0,0,0,0]')")
    assert file_db.column(ASK.format("papers"))[0] == "new"
    file_db.rows("INSERT INTO papers(papers) VALUES('optimize')")
    assert file_db.column("SELECT id FROM papers WHERE papers MATCH 'heron'") == ["new"]
    file_db.rows(TABLE)
    assert file_db.one("SELECT count(*) FROM docs") == 0
    again = host.open(path)
    assert again.column(ASK.format("papers"))[0] == "new"
    again.close()


def test_a_rename_is_undone_by_rollback(file_db):
    before = answers(file_db)
    file_db.rows("BEGIN")
    file_db.rows("ALTER TABLE docs RENAME TO papers")
    file_db.rows("ROLLBACK")
    assert answers(file_db) == before


def test_renaming_to_a_name_that_needs_quotes_works(file_db):
    before = file_db.rows(ASK.format("docs"))
    file_db.rows("ALTER TABLE docs RENAME TO \"the 'best' docs\"")
    assert file_db.rows(ASK.format("\"the 'best' docs\"")) == before


def test_drop_removes_every_shadow_table(file_db):
    file_db.rows("CREATE TABLE docs2(x)")
    file_db.rows("DROP TABLE docs")
    assert file_db.column("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'") == ["docs2"]
    file_db.rows(TABLE)
    assert file_db.one("SELECT count(*) FROM docs") == 0
    fill(file_db)
    assert file_db.column(ASK.format("docs")) == expected_ids()


# ---- vacuum, backup, attach ----


def test_vacuum_leaves_every_answer_as_it_was(file_db):
    before = answers(file_db)
    file_db.rows("VACUUM")
    assert answers(file_db) == before
    file_db.rows("INSERT INTO docs(id, n, embedding) VALUES('late', 9, '[0,0,0,0]')")
    assert file_db.column(ASK.format("docs"))[0] == "late"


def test_vacuum_into_makes_a_whole_copy(file_db, host, tmp_path):
    before = answers(file_db)
    file_db.rows("VACUUM INTO ?", str(tmp_path / "copy.db"))
    copy = host.open(tmp_path / "copy.db")
    assert answers(copy) == before
    copy.rows("DELETE FROM docs")
    assert answers(file_db) == before
    copy.close()


def test_the_backup_api_makes_a_whole_copy(file_db, host, tmp_path):
    before = answers(file_db)
    copy = host.open(tmp_path / "copy.db")
    if host.name == "stdlib":
        file_db.connection.backup(copy.connection)
    else:
        with copy.connection.backup("main", file_db.connection, "main") as backup:
            backup.step(-1)
    assert answers(copy) == before
    copy.rows("DELETE FROM docs WHERE n < 50")
    assert answers(file_db) == before and answers(copy) != before
    copy.close()


def test_a_backup_over_an_open_table_shows_the_new_contents(file_db, host, tmp_path):
    target = host.open(tmp_path / "target.db")
    target.rows(TABLE)
    target.rows("INSERT INTO docs(id, body, n, embedding) VALUES('mine', 'falcon', 9, '[0,0,0,0]')")
    assert target.column(ASK.format("docs")) == ["mine"]
    if host.name == "stdlib":
        file_db.connection.backup(target.connection)
    else:
        with target.connection.backup("main", file_db.connection, "main") as backup:
            backup.step(-1)
    assert answers(target) == answers(file_db)
    target.close()


def test_an_attached_table_is_searched_and_written(file_db, host, path, tmp_path):
    before = answers(file_db)
    other = host.open(tmp_path / "other.db")
    other.rows("ATTACH ? AS lib", str(path))
    assert answers(other, "lib.docs") == before
    other.rows(TABLE)
    other.rows("INSERT INTO docs(id, n, embedding) VALUES('main row', 9, '[0,0,0,0]')")
    assert other.column(ASK.format("docs")) == ["main row"]
    other.rows("INSERT INTO lib.docs(id, n, embedding) VALUES('lib row', 9, '[0,0,0,0]')")
    assert other.column(ASK.format("lib.docs"))[0] == "lib row"
    assert other.column(ASK.format("main.docs")) == ["main row"]
    other.rows("CREATE VIRTUAL TABLE lib.more USING nearlite(embedding VECTOR(2))")
    other.rows("DETACH lib")
    other.close()
    assert file_db.column(ASK.format("docs"))[0] == "lib row"
    assert file_db.one("SELECT count(*) FROM more") == 0


def test_a_transaction_over_two_attached_files_rolls_back_in_both(file_db, tmp_path):
    file_db.rows("ATTACH ? AS lib", str(tmp_path / "lib.db"))
    file_db.rows(TABLE.replace("docs", "lib.docs"))
    before = answers(file_db)
    file_db.rows("BEGIN")
    fill_row = "INSERT INTO {}(id, n, embedding) VALUES('x', 9, '[0,0,0,0]')"
    file_db.rows(fill_row.format("main.docs"))
    file_db.rows(fill_row.format("lib.docs"))
    file_db.rows("ROLLBACK")
    assert answers(file_db) == before and file_db.one("SELECT count(*) FROM lib.docs") == 0


# ---- ways of opening ----


def test_a_reopened_file_gives_the_same_answers(file_db, host, path):
    before = answers(file_db)
    again = host.open(path)
    assert answers(again) == before
    again.close()


@pytest.mark.parametrize("how", ["mode=ro", "immutable=1"])
def test_a_read_only_file_is_searched_and_refuses_writes(file_db, host, path, how):
    before = answers(file_db)
    reader = host.open(f"file:{path}?{how}")
    assert answers(reader) == before
    assert reader.failure("INSERT INTO docs(id, embedding) VALUES('x', '[0,0,0,0]')").says("readonly")
    assert reader.failure("INSERT INTO docs(docs) VALUES('optimize')").says("readonly")
    assert answers(reader) == before
    reader.close()


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "MEMORY", "OFF"])
def test_every_journal_mode_works(host, path, mode):
    db = host.open(path)
    assert db.one(f"PRAGMA journal_mode = {mode}").upper() == mode
    db.rows(TABLE)
    fill(db)
    assert db.column(ASK.format("docs")) == expected_ids()
    db.close()


@pytest.mark.parametrize("pragma", ["page_size = 512", "page_size = 65536", "encoding = 'UTF-16le'", "encoding = 'UTF-16be'", "auto_vacuum = FULL", "auto_vacuum = INCREMENTAL", "secure_delete = 1", "foreign_keys = 1", "recursive_triggers = 1", "case_sensitive_like = 1", "cell_size_check = 1"])
def test_every_file_setting_works(host, path, pragma):
    db = host.open(path)
    db.rows(f"PRAGMA {pragma}")
    db.rows(TABLE)
    fill(db)
    assert db.column(ASK.format("docs")) == expected_ids()
    assert len(db.column(ASK_TEXT.format("docs", "docs"))) == 15
    assert db.column("SELECT body FROM docs WHERE id = 'key-9'") == ["owl"]
    assert db.one("PRAGMA integrity_check") == "ok"
    db.close()


def test_a_view_works_with_trusted_schema_off(file_db):
    file_db.rows("CREATE VIEW seen AS SELECT id, n, distance, embedding, vec_length(embedding) AS size FROM docs")
    before = file_db.rows(ASK.format("seen"))
    file_db.rows("PRAGMA trusted_schema = 0")
    assert file_db.rows(ASK.format("seen")) == before
    assert file_db.column("SELECT DISTINCT size FROM seen") == [4]


def test_a_view_and_a_trigger_may_search_with_trusted_schema_off(file_db):
    nearest = "SELECT id FROM docs WHERE embedding MATCH vec_f32('[0,0,0,0]') ORDER BY distance LIMIT 3"
    expected = file_db.column(nearest)
    file_db.rows(f"CREATE VIEW nearest AS {nearest}")
    file_db.rows("CREATE VIEW size AS SELECT max(rows) AS rows FROM nearlite_info('docs')")
    file_db.rows("CREATE TABLE asked(vec TEXT, found TEXT)")
    file_db.rows("CREATE TRIGGER ask AFTER INSERT ON asked BEGIN UPDATE asked SET found = (SELECT id FROM docs WHERE embedding MATCH new.vec AND k = 1) WHERE rowid = new.rowid; END")
    file_db.rows("PRAGMA trusted_schema = 0")
    assert file_db.column("SELECT id FROM nearest") == expected
    assert file_db.column("SELECT rows FROM size") == file_db.column("SELECT count(*) FROM docs")
    file_db.rows("INSERT INTO asked(vec) VALUES('[0,0,0,0]')")
    assert file_db.column("SELECT found FROM asked") == expected[:1]
    assert file_db.failure("SELECT 'a' MATCH 'b'").says("unable to use function MATCH")


def test_triggers_work_with_trusted_schema_off(file_db):
    file_db.rows("CREATE TABLE source(id TEXT, vec TEXT)")
    file_db.rows("CREATE TRIGGER added AFTER INSERT ON source BEGIN INSERT INTO docs(id, n, embedding) VALUES(new.id, 9, vec_f32(new.vec)); END")
    file_db.rows("PRAGMA trusted_schema = 0")
    file_db.rows("INSERT INTO source VALUES('by trigger', '[0,0,0,0]')")
    assert file_db.column(ASK.format("docs"))[0] == "by trigger"


def test_scalar_functions_may_stand_in_an_index_and_a_generated_column(db):
    db.rows("CREATE TABLE v(x TEXT, size INTEGER AS (vec_length(x)))")
    db.rows("CREATE INDEX by_size ON v(vec_length(x))")
    db.rows("PRAGMA trusted_schema = 0")
    db.rows("INSERT INTO v(x) VALUES('[1,2]'), ('[1,2,3]')")
    assert db.column("SELECT size FROM v WHERE vec_length(x) = 3") == [3]


def test_defensive_mode_protects_every_shadow_table_and_disturbs_nothing(path):
    host = next(host for host in hosts.HOSTS if host.name == "apsw")
    db = host.open(path)
    db.rows(TABLE)
    db.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    fill(db)
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    assert db.column(ASK.format("docs")) == expected_ids()
    shadows = [name for name in db.column("SELECT name FROM sqlite_schema WHERE type = 'table'") if name.startswith("docs_")]
    assert len(shadows) >= 5
    for name in shadows:
        assert db.failure(f'DELETE FROM "{name}"').says("may not be modified"), name
        assert db.failure(f'DROP TABLE "{name}"').says("may not be dropped"), name
    db.rows("ALTER TABLE docs RENAME TO papers")
    assert db.column(ASK.format("papers")) == expected_ids()
    db.rows("DROP TABLE papers")
    assert db.column("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'") == []
    db.close()


# ---- copies by SQL ----


@pytest.mark.skipif(not hosts.has_shell(), reason="no sqlite3 program")
def test_a_dump_restores_into_a_new_file(file_db, path, tmp_path):
    before = answers(file_db)
    dump = hosts.shell(".dump", path)
    assert dump.status == 0 and dump.lines[-1] == "COMMIT;", dump
    restored = hosts.shell("\n".join(dump.lines), tmp_path / "restored.db")
    assert restored.status == 0 and not restored.errors, restored
    # `.dump` writes shadow tables as ordinary ones and the virtual table by way of sqlite_schema.
    again = hosts.HOSTS[0].open(tmp_path / "restored.db")
    assert answers(again) == before
    again.close()


def test_rows_move_to_another_table_by_insert_select(file_db):
    file_db.rows(TABLE.replace("docs", "copy"))
    file_db.rows("INSERT INTO copy(id, body, n, embedding) SELECT id, body, n, embedding FROM docs")
    assert file_db.column(ASK.format("copy")) == expected_ids()
    file_db.rows("CREATE TABLE flat AS SELECT * FROM docs")
    assert [row[1] for row in file_db.rows("PRAGMA table_info(flat)")] == ["id", "body", "n", "embedding"]


def test_sqlite_serialize_carries_the_table(file_db, host):
    if not hasattr(file_db.connection, "serialize"):
        pytest.skip("this Python's sqlite3 has no serialize()")
    before = answers(file_db)
    memory = host.open()
    data = file_db.connection.serialize() if host.name == "stdlib" else file_db.connection.serialize("main")
    memory.connection.deserialize(data) if host.name == "stdlib" else memory.connection.deserialize("main", data)
    assert answers(memory) == before
    memory.close()


# ---- schema changes beside it ----


def test_other_schema_changes_do_not_lose_the_index(file_db):
    before = answers(file_db)
    file_db.rows("CREATE TABLE other(x)")
    file_db.rows("ALTER TABLE other ADD COLUMN y")
    assert answers(file_db) == before
    file_db.rows("PRAGMA schema_version = 4711")
    assert answers(file_db) == before
    file_db.rows("DROP TABLE other")
    file_db.rows("ANALYZE")
    assert answers(file_db) == before


# ---- commands ----


@pytest.mark.parametrize("command", ["optimize", "merge", "rebuild", "integrity-check", "flush"])
def test_each_command_leaves_every_answer_as_it_was(file_db, command):
    before = answers(file_db)
    for _ in range(2):
        file_db.rows("INSERT INTO docs(docs) VALUES(?)", command)
        assert answers(file_db) == before


def test_an_unknown_command_is_an_error_that_lists_the_known_ones(file_db):
    failure = file_db.failure("INSERT INTO docs(docs) VALUES('optimise')")
    assert failure.says("optimise", "optimize", "rebuild", "integrity-check", "flush", "merge"), failure


@pytest.mark.parametrize("setting, value", [("ef_search", 200), ("automerge", 4), ("delta_rows", 500), ("cache_mb", 16)])
def test_settings_are_kept_in_the_file(file_db, host, path, setting, value):
    file_db.rows("INSERT INTO docs(docs, rank) VALUES(?, ?)", setting, value)
    before = answers(file_db)
    again = host.open(path)
    config = again.rows("SELECT * FROM docs_config")
    assert any(setting in str(row) for row in config), config
    assert answers(again) == before
    again.close()


@pytest.mark.parametrize("setting, value", [("ef_search", -5), ("ef_search", "many"), ("delta_rows", -1), ("no_such", 1), ("ef_search", None)])
def test_a_wrong_setting_is_refused_and_named(file_db, setting, value):
    assert file_db.failure("INSERT INTO docs(docs, rank) VALUES(?, ?)", setting, value).says(setting)


def test_small_delta_rows_seal_by_themselves_without_changing_an_answer(host, path):
    db = host.open(path)
    db.rows(TABLE)
    db.rows("INSERT INTO docs(docs, rank) VALUES('delta_rows', 10)")
    for i in range(1, 121):
        db.rows("INSERT INTO docs(id, body, n, embedding) VALUES(?, 'falcon', ?, ?)", f"key-{i}", i, model.blob([i, i % 5, 1, 0]))
    db.rows("DELETE FROM docs WHERE n IN (5, 6, 110)")
    assert db.column(ASK.format("docs")) == expected_ids()
    assert db.one("SELECT count(*) FROM docs_segments") >= 1
    db.close()


def test_deleting_everything_and_optimizing_gives_the_space_back(host, path):
    db = host.open(path)
    db.rows(TABLE)
    fill(db, count=600)
    full = db.one("PRAGMA page_count") - db.one("PRAGMA freelist_count")
    db.rows("DELETE FROM docs")
    db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    left = db.one("PRAGMA page_count") - db.one("PRAGMA freelist_count")
    assert left < full / 2
    db.close()


# ---- damage ----


def test_pragma_integrity_check_passes_on_a_sound_table(file_db):
    assert file_db.one("PRAGMA integrity_check") == "ok"


def test_a_row_missing_from_the_index_is_found_by_the_integrity_check_and_rebuilt(file_db):
    file_db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    before = answers(file_db)
    file_db.rows("DELETE FROM docs_segments")
    assert file_db.failure("INSERT INTO docs(docs) VALUES('integrity-check')").says("docs")
    file_db.rows("INSERT INTO docs(docs) VALUES('rebuild')")
    file_db.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    assert answers(file_db) == before


@pytest.mark.parametrize("damage", ["zero", "truncate", "flip", "empty", "text", "null", "extend"])
@pytest.mark.parametrize("shadow", ["docs_segments", "docs_chunks", "docs_tombstones", "docs_config", "docs_delta"])
def test_a_damaged_index_is_reported_or_harmless_and_rebuild_heals_it(file_db, host, path, shadow, damage):
    before = answers(file_db)
    root = shadow == "docs_config"
    columns = ["value"] if root else [row[1] for row in file_db.rows(f"PRAGMA table_info({shadow})") if "BLOB" in row[2].upper()]
    change = {
        "zero": "zeroblob(length({0}))",
        "truncate": "substr({0}, 1, length({0}) / 2)",
        "flip": "CAST(substr({0}, 1, length({0}) / 2) || x'5a' || substr({0}, length({0}) / 2 + 2) AS BLOB)",
        "empty": "x''",
        "text": "'not a blob'",
        "null": "NULL",
        "extend": "CAST({0} || x'00000000ffffffff' AS BLOB)",
    }[damage]
    for column in columns:
        other = host.open(path)
        try:
            other.rows(f"UPDATE {shadow} SET {column} = {change.format(column)}" + " WHERE name = 'root'" * root)
        except other.errors as error:
            assert "constraint" in str(error).lower() or "NOT NULL" in str(error)
        other.close()
    reader = host.open(path)
    for question in (ASK.format("docs"), ASK_TEXT.format("docs", "docs"), "SELECT count(*) FROM docs", "INSERT INTO docs(docs) VALUES('integrity-check')", "PRAGMA integrity_check"):
        try:
            reader.rows(question)
        except reader.errors as error:
            assert reader.code_of(error) in (267, 11, 1), f"{error} of {question}"
            assert "docs" in str(error), f"{error} of {question}"
    reader.rows("INSERT INTO docs(docs) VALUES('rebuild')")
    assert answers(reader) == before
    reader.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
    reader.close()


def test_an_error_about_damage_has_the_code_for_a_corrupt_virtual_table(file_db, host, path):
    file_db.rows("INSERT INTO docs(docs) VALUES('optimize')")
    file_db.rows("DELETE FROM docs_chunks")
    reader = host.open(path)
    failure = reader.failure("SELECT id FROM docs WHERE docs MATCH 'falcon' ORDER BY rank")
    assert failure.code == 267 and failure.says("docs", "rebuild"), failure
    reader.close()


def test_a_file_of_a_newer_format_is_refused_with_both_versions(file_db, host, path):
    known = file_db.one("SELECT value FROM docs_config WHERE name = 'format'")
    file_db.rows("UPDATE docs_config SET value = 9999 WHERE name = 'format'")
    assert file_db.one("SELECT changes()") == 1
    again = host.open(path)
    assert again.failure("SELECT count(*) FROM docs").says("9999", f"up to {known};")
    again.close()


def test_a_full_disk_is_an_error_that_leaves_the_table_whole(file_db, host, path):
    before = answers(file_db)
    file_db.rows(f"PRAGMA max_page_count = {file_db.one('PRAGMA page_count') + 3}")
    failure = file_db.failure("INSERT INTO docs(id, body, n, embedding) SELECT 'big' || value, hex(zeroblob(3000)), value, '[1,1,1,1]' FROM json_each('[1,2,3,4,5,6,7,8,9,10]')")
    assert failure.says("full"), failure
    assert answers(file_db) == before
    file_db.rows("PRAGMA max_page_count = 1000000")
    file_db.rows("INSERT INTO docs(id, n, embedding) VALUES('after', 9, '[0,0,0,0]')")
    assert file_db.column(ASK.format("docs"))[0] == "after"


def test_an_interrupt_stops_a_statement_and_nothing_else(file_db, host):
    calls = []
    file_db.connection.set_progress_handler(lambda: calls.append(1) or len(calls) > 3, 1)
    with pytest.raises(file_db.errors):
        file_db.rows("SELECT count(*) FROM docs a, docs b, docs c")
    file_db.connection.set_progress_handler(None, 0)
    assert file_db.column(ASK.format("docs")) == expected_ids()


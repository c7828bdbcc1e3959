"""The command's import: what becomes of files, and of importing them again."""

import csv
import json
import os

import pytest
from cli_rows import ROWS, opened

import nearlite


def test_jsonl(run, jsonl):
    code, out, err = run("import", jsonl, "--db", "x.db")
    assert code == 0 and out == ""
    schema = "the schema of docs is: id (text key), body (full text), year (int), meta (JSON: every other key), embedding (vector of 3)"
    assert schema in err and "3 rows from" in err
    docs = opened()
    assert docs.count() == 3 and docs.get_one("pike").metadata == {"year": 2012, "odd": {"er": 1}}
    assert docs.search([1, 0, 0.5], k=1).ids == ["owl"]


def test_importing_again_doubles_nothing(run, jsonl):
    for _ in range(2):
        assert run("import", jsonl, "--db", "x.db")[0] == 0
    code, _, err = run("import", jsonl, "--db", "x.db", "--resume")
    assert code == 0 and "0 rows from" in err and "(3 were there)" in err
    assert opened().count() == 3


def test_rows_without_a_key_are_known_by_their_numbers(run, tmp_path):
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps({"text": f"note number {at}"}) + "\n" for at in range(25)))
    for _ in range(2):
        assert run("import", "notes.jsonl", "--db", "x.db", "--batch", 10)[0] == 0
    assert opened("notes").count() == 25
    ids = {row.text: row.id for row in opened("notes").get()}
    assert ids["note number 6"].startswith("notes-") and ids["note number 6"].endswith(":7")
    assert "(25 were there)" in run("import", "notes.jsonl", "--db", "x.db", "--resume")[2]


def test_rows_without_a_key_replace_no_others(run, tmp_path):
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "data.jsonl").write_text("".join(json.dumps({"body": f"{n} of file {part}"}) + "\n" for n in range(3)))
    # Files of one name had the same ids.
    for _ in range(2):
        assert run("import", "a/data.jsonl", tmp_path / "b" / "data.jsonl", "--db", "x.db", "--table", "t")[0] == 0
    os.chdir("b")
    assert run("import", "data.jsonl", "--db", "../x.db", "--table", "t")[0] == 0
    os.chdir("..")
    assert sorted(opened("t").get().texts) == [f"{n} of file {part}" for n in range(3) for part in "ab"]
    # So had two runs from standard input.
    for word in ("one", "two"):
        code, _, err = run("import", "-", "--format", "jsonl", "--db", "x.db", "--table", "s", stdin=json.dumps({"body": f"row {word} of these"}))
        assert code == 0 and "the rows of standard input have no key: they are added as new ones" in err
    assert sorted(opened("s").get().texts) == ["row one of these", "row two of these"]
    code, _, err = run("import", "-", "--format", "jsonl", "--db", "x.db", "--table", "s", "--resume", stdin='{"body": "a b c"}')
    assert code == 1 and "--resume knows rows by their ids" in err and opened("s").count() == 2


@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY, ", ""])
def test_rows_without_a_key_are_counted_by_a_table_of_whole_numbers(run, tmp_path, key):
    run("sql", "x.db", f"CREATE VIRTUAL TABLE notes USING nearlite({key}body FULLTEXT, meta JSON)")
    run("sql", "x.db", "INSERT INTO notes(body, meta) VALUES('mine one', '{}'), ('mine two', '{}')")
    (tmp_path / "more.jsonl").write_text('{"body": "theirs"}\n')
    for _ in range(2):
        assert run("import", "more.jsonl", "--db", "x.db", "--table", "notes")[0] == 0
    assert opened("notes").get().texts == ["mine one", "mine two", "theirs", "theirs"]
    assert run("import", "more.jsonl", "--db", "x.db", "--table", "notes", "--resume")[0] == 1


def test_the_key_of_a_table_that_is_there_is_the_key_of_the_file(run, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"code": "a", "body": "one"}\n{"code": "b", "body": "two"}\n')
    assert run("import", "c.jsonl", "--db", "x.db", "--id", "code", "--text", "body")[0] == 0
    # Without --id the codes were replaced by ids that were made up.
    assert run("import", "c.jsonl", "--db", "x.db")[0] == 0
    assert opened("c").get().ids == ["a", "b"]
    (tmp_path / "c.jsonl").write_text('{"code": "a", "body": "one"}\n{"body": "two"}\n')
    code, _, err = run("import", "c.jsonl", "--db", "x.db")
    assert code == 1 and "row 2 has no 'code', which is the key" in err


def test_a_column_that_could_be_the_key_and_is_not_stays(run, tmp_path):
    (tmp_path / "d.jsonl").write_text('{"id": 1, "body": "one two three"}\n{"id": 1, "body": "four five six"}\n')
    code, _, err = run("import", "d.jsonl", "--db", "x.db")
    assert code == 0 and "row_id (text key, made up)" in err
    assert opened("d").get().metadatas == [{"id": 1}, {"id": 1}]
    assert run("import", "d.jsonl", "--db", "x.db")[0] == 0 and opened("d").count() == 2


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_a_table_without_a_key_is_exported_and_imported_with_its_rowids(run, name):
    if name == "out.parquet":
        pytest.importorskip("pyarrow")
    run("sql", "x.db", "CREATE VIRTUAL TABLE t USING nearlite(body FULLTEXT, meta JSON)")
    docs = opened("t")
    docs.add(ids=[3, 9], texts=["one two three", "four five six"], metadatas=[{"id": 7, "rowid": "own"}, {"id": 8}])
    before = docs.get().to_dicts()
    assert run("export", "x.db", "t", "-o", name)[0] == 0
    assert run("import", name, "--db", "x.db", "--table", "t")[0] == 0 and docs.get().to_dicts() == before
    for _ in range(2):
        assert run("import", name, "--db", "y.db", "--table", "u", "--columns", "")[0] == 0
    copy = opened("u", "y.db")
    assert copy.schema.key is None and copy.get().to_dicts() == before


def test_an_import_that_fails_half_way_goes_on_later(run, tmp_path):
    lines = [json.dumps({"id": at, "text": f"this is row {at}"}) for at in range(3000)]
    (tmp_path / "d.jsonl").write_text("\n".join([*lines[:2500], "{broken", *lines[2500:]]) + "\n")
    code, _, err = run("import", "d.jsonl", "--db", "x.db", "--batch", 500)
    assert code == 1 and "nearlite: d.jsonl, line 2501: it is not JSON" in err and "--resume" in err
    assert opened("d").count() == 2500
    (tmp_path / "d.jsonl").write_text("\n".join(lines) + "\n")
    code, _, err = run("import", "d.jsonl", "--db", "x.db", "--batch", 500, "--resume")
    assert code == 0 and "500 rows" in err and "(2,500 were there)" in err
    assert opened("d").count() == 3000 and opened("d").schema.key_type is int


def test_a_value_that_a_column_refuses_is_told_with_its_rows(run, tmp_path):
    rows = [{"id": at, "text": "three words here", "n": at if at < 1500 else "many"} for at in range(2000)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = run("import", "d.jsonl", "--db", "x.db")
    assert code == 1 and "rows 1001 to 2000: d.n: " in err and "a key that is not among --columns is metadata" in err
    assert opened("d").count() == 1000
    assert run("import", "d.jsonl", "--db", "y.db", "--columns", "")[0] == 0


def test_csv(run, tmp_path):
    with open(tmp_path / "d.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "body", "year", "price", "open", "zip", "vec"])
        writer.writerow(["a", 'a text, with "quotes"\nand lines', 2004, 1.5, "true", "00123", "[0.5, 1, 2]"])
        writer.writerow(["b", "another text of words", "", 2, "false", "99", "[1, 2, 3.5]"])
    code, _, err = run("import", "d.csv", "--db", "x.db", "--id", "code", "--vector", "vec", "--columns", "year:int,open:bool")
    assert code == 0, err
    row = opened("d").get_one("a", include_vectors=True)
    assert row.text == 'a text, with "quotes"\nand lines' and row.vector == [0.5, 1, 2]
    assert row.metadata == {"year": 2004, "open": True, "price": 1.5, "zip": "00123"}
    assert opened("d").get_one("b").metadata == {"open": False, "price": 2, "zip": "99"}


def test_what_stands_in_a_csv_file_comes_back_as_it_was(run, tmp_path):
    names = ["id", "month", "phone", "version", "sum", "blank", "big", "yes", "n", "r", "late"]
    fields = [
        ["a", "2024_01", "+4917012345", "1.10", "1_000", " 5", "0.1000000000000000055", "True", "-3", "1.5", "7"],
        ["b", "2024_02", "007", "1.20", "2_000", "5 ", "1e400", "false", "40", "2", "x"],
    ]
    (tmp_path / "t.csv").write_text("".join(",".join(line) + "\n" for line in [names, *fields]))
    for arguments in ([], ["--columns", "n:int"]):
        # Underscores, signs, blanks and zeros at the end went, and 7 was a number beside the text x.
        assert run("import", "t.csv", "--db", f"x{len(arguments)}.db", *arguments)[0] == 0
        for row, line in zip(opened("t", f"x{len(arguments)}.db").get(), fields):
            texts = dict(zip(names[1:7], line[1:]))
            assert row.metadata == {**texts, "yes": line[7] == "True", "n": int(line[8]), "r": float(line[9]), "late": line[10]}
    assert run("import", "t.csv", "--db", "y.db", "--columns", "version:real,phone:int")[0] == 0
    assert opened("t", "y.db").get_one("a").metadata["version"] == 1.1 and opened("t", "y.db").get_one("a").metadata["phone"] == 4917012345


def test_parquet_and_npy_round_trips(run, jsonl):
    pytest.importorskip("pyarrow")
    numpy = pytest.importorskip("numpy")
    assert run("import", jsonl, "--db", "x.db")[0] == 0
    for name in ("out.parquet", "out.jsonl"):
        assert run("export", "x.db", "docs", "-o", name)[0] == 0
        assert run("import", name, "--db", "y.db", "--table", name[4:])[0] == 0
        assert opened(name[4:], "y.db").get(include_vectors=True).to_dicts() == opened().get(include_vectors=True).to_dicts()
    assert run("export", "x.db", "docs", "-o", "out.npy")[0] == 0
    assert numpy.load("out.npy").tolist() == [row["embedding"] for row in ROWS]
    assert run("import", "out.npy", "--db", "y.db", "--table", "bare")[0] == 0
    assert opened("bare", "y.db").search(ROWS[1]["embedding"], k=1).ids[0].endswith(":2")
    with open("texts.jsonl", "w") as file:
        file.writelines(json.dumps({"text": row["body"]}) + "\n" for row in ROWS)
    assert run("import", "texts.jsonl", "--vectors", "out.npy", "--db", "y.db", "--table", "both")[0] == 0
    assert opened("both", "y.db").search(ROWS[2]["embedding"], k=1)[0].text == ROWS[2]["body"]
    assert not os.path.exists("out.npy.part")


def test_keys_that_are_called_like_columns_come_back(run, tmp_path):
    docs = nearlite.Collection(nearlite.connect("x.db"), "docs").create(dim=2, columns={"r": float})
    metadatas = [{"meta": {"a": 1}, "r": 1.5, "n": None}, {"id": 5, "text": "T", "embedding": 1, "k": [1.5, 2.5], "meta": None}]
    docs.add(ids=["a", "b"], texts=["x y z", "u v w"], vectors=[[1, 0], [0, 1]], metadatas=metadatas)
    assert run("export", "x.db", "docs", "-o", "out.jsonl")[0] == 0
    for path in ("x.db", "y.db"):
        assert run("import", "out.jsonl", "--db", path, "--table", "docs", "--vector", "embedding")[0] == 0
        assert opened("docs", path).get().to_dicts() == docs.get().to_dicts()
        # The key meta was taken for the JSON column.
        assert docs.get().metadatas == metadatas


def test_parquet_with_nested_columns(run, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"id": ["a", "b"], "deep": [{"x": 1, "l": [1, 2]}, None], "many": [[{"y": 1}], []], "data": [b"\x00", None]})
    parquet.write_table(table.drop(["data"]), "n.parquet")
    assert run("import", "n.parquet", "--db", "x.db")[0] == 0
    assert opened("n").get_one("a").metadata == {"deep": {"x": 1, "l": [1, 2]}, "many": [{"y": 1}]}
    parquet.write_table(table, "bytes.parquet")
    code, _, err = run("import", "bytes.parquet", "--db", "x.db")
    assert code == 1 and "the value of 'data' is not JSON" in err


def test_standard_input_and_a_dry_run(run):
    text = json.dumps({"id": 1, "title": "a title of some words"}) + "\n"
    code, _, err = run("import", "-", "--format", "jsonl", "--db", "x.db", "--dry-run", stdin=text)
    assert code == 0 and "would be: id (int key), title (full text)" in err and not os.path.exists("x.db")
    assert run("import", "-", "--format", "jsonl", "--db", "x.db", "--table", "t", stdin=text)[0] == 0
    assert opened("t").get_one(1).text == "a title of some words"


def test_embedding(run, jsonl, tmp_path):
    (tmp_path / "letters.py").write_text("def embed(texts):\n    return [[1.0 + text.count(c) for c in 'aeiou'] for text in texts]\n")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"id": row["id"], "body": row["body"]}) + "\n" for row in ROWS))
    assert run("import", "t.jsonl", "--db", "x.db", "--embed", "letters:embed")[0] == 0
    assert opened("t").schema.vector().dim == 5
    code, out, _ = run("search", "x.db", "t", "--text", "reeds", "--embed", "letters:embed", "--json", "-k", 1)
    assert code == 0 and json.loads(out)["id"] == "pike"
    assert run("import", "t.jsonl", "--db", "x.db", "--embed", "letters:nope")[::2][0] == 2
    assert run("import", "t.jsonl", "--db", "x.db", "--embed", "http://x")[0] == 2


def test_a_table_of_sqlite_vec(run, tmp_path):
    apsw = pytest.importorskip("apsw")
    sqlite_vec = pytest.importorskip("sqlite_vec")
    import struct

    db = apsw.Connection(str(tmp_path / "v.db"))
    db.enable_load_extension(True)
    db.load_extension(sqlite_vec.loadable_path())
    db.execute(
        "CREATE VIRTUAL TABLE old USING vec0(name TEXT PRIMARY KEY, emb float[3] distance_metric=cosine, small int8[2] distance_metric=cosine,"
        " year INTEGER, ok BOOLEAN, r FLOAT, lang TEXT, part TEXT PARTITION KEY, +body TEXT, chunk_size=8)"
    )
    rows = []
    with db:
        for at in range(50):
            lang = "de" if at % 2 else "a language of many letters ä"
            rows.append((f"k{at}", [at, 1.0, 2.5], [at, -at - 1], 2000 + at, at % 3 == 0, at / 4, lang, f"p{at % 3}", f"body {at}"))
            name, emb, small, *rest = rows[-1]
            values = (name, struct.pack("3f", *emb), struct.pack("2b", *small), *rest)
            names = "name, emb, small, year, ok, r, lang, part, body"
            db.execute(f"INSERT INTO old({names}) VALUES(?, ?, vec_int8(?), ?, ?, ?, ?, ?, ?)", values)
        db.execute("DELETE FROM old WHERE name IN ('k3', 'k49')")
    db.execute("CREATE VIRTUAL TABLE plain USING vec0(x float[2])")
    db.execute("INSERT INTO plain(rowid, x) VALUES(7, '[1, 2]')")
    db.execute("CREATE VIRTUAL TABLE bits USING vec0(x bit[8])")
    db.close()
    code, _, err = run("import", "--from-vec0", "v.db", "old", "--db", "x.db", "--batch", 7)
    assert code == 0 and "48 rows from old" in err, err
    docs = opened("old")
    assert docs.schema.vector().metric == "cosine" and docs.count() == 48
    for name, emb, small, year, ok, r, lang, part, body in rows:
        if name in ("k3", "k49"):
            assert not docs.exists(name)
            continue
        row = docs.get_one(name, include_vectors=True)
        assert row.vectors == {"emb": emb, "small": small}
        assert row.metadata == {"year": year, "ok": ok, "r": r, "lang": lang, "part": part, "body": body}
    code, _, err = run("import", "--from-vec0", "v.db", "old", "--db", "x.db", "--resume")
    assert code == 0 and "(48 were there)" in err
    assert run("import", "--from-vec0", "v.db", "plain", "--db", "x.db")[0] == 0
    assert opened("plain").get_one(7, include_vectors=True).vector == [1, 2] and opened("plain").schema.vector().metric == "l2"
    assert "holds bits" in run("import", "--from-vec0", "v.db", "bits", "--db", "x.db")[2]
    assert "no table 'nope'" in run("import", "--from-vec0", "v.db", "nope", "--db", "x.db")[2]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_every_column_of_an_export_comes_back(run, name):
    if name == "out.parquet":
        pytest.importorskip("pyarrow")
    columns = "id TEXT PRIMARY KEY, metadata FULLTEXT, distance FULLTEXT, any UNINDEXED, blank UNINDEXED, info JSON, extra JSON, raw JSON UNINDEXED"
    for path in ("x.db", "y.db"):
        run("sql", path, f"CREATE VIRTUAL TABLE t USING nearlite({columns}, score VECTOR(2), hidden_prefix='nl_')")
    docs = opened("t")
    row = {"id": "a", "metadata": "x y", "distance": "far", "any": 1, "extra": {"deep": [1]}, "raw": [1, {"q": None}], "score": [1, 0.5]}
    docs.add([{**row, "k": {"w": None}, "z": None, "info": {"metadata": "m", "id": "own", "score": 3}}, {"id": "b", "raw": "12", "any": 2.5}])
    docs.add([{"id": "c", "raw": "no JSON", "coords": [0.5, 1.5, 2.5]}, {"id": "d", "raw": 5, "extra": {}}, {"id": "e", "raw": False}])
    assert run("export", "x.db", "t", "-o", name)[0] == 0
    assert run("import", name, "--db", "y.db", "--table", "t")[0] == 0
    found = opened("t", "y.db").get(include_vectors=True).to_dicts()
    assert found == docs.get(include_vectors=True).to_dicts() and found[0]["metadata"] == "x y" and found[0]["nl_metadata"]["z"] is None
    assert run("export", "x.db", "t", "-o", "bare.jsonl", "--no-vectors")[0] == 0
    assert run("import", "bare.jsonl", "--db", "y.db", "--table", "t")[0] == 0
    assert opened("t", "y.db").get().to_dicts() == docs.get().to_dicts()


def test_a_table_without_metadata_is_exported_and_imported(run):
    for path in ("x.db", "y.db"):
        docs = nearlite.Collection(nearlite.connect(path), "t").create(columns={"meta": str, "raw": "REAL"}, meta=None)
    docs = opened("t")
    docs.add(ids=["a"], texts=["x"], metadatas=[{"meta": "m", "raw": 0.5}])
    assert run("export", "x.db", "t", "-o", "out.jsonl")[0] == 0 and run("import", "out.jsonl", "--db", "y.db", "--table", "t")[0] == 0
    assert opened("t", "y.db").get().to_dicts() == docs.get().to_dicts()


def test_parquet_refuses_a_column_of_several_kinds(run):
    pytest.importorskip("pyarrow")
    run("sql", "x.db", "CREATE VIRTUAL TABLE t USING nearlite(id TEXT PRIMARY KEY, any UNINDEXED)")
    opened("t").add(ids=["a", "b"], metadatas=[{"any": 1}, {"any": "1"}])
    code, _, err = run("export", "x.db", "t", "-o", "out.parquet")
    assert code == 1 and "the column 'any' holds integer and text values" in err and "JSON lines" in err
    assert not os.path.exists("out.parquet") and not os.path.exists("out.parquet.part")


def test_json_in_a_csv_file_goes_into_a_json_column_as_a_value(run, tmp_path):
    run("sql", "x.db", "CREATE VIRTUAL TABLE t USING nearlite(id TEXT PRIMARY KEY, meta JSON, raw JSON UNINDEXED)")
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "raw"], ["a", '{"x": [1]}'], ["b", "plain"]])
    assert run("import", "t.csv", "--db", "x.db")[0] == 0
    assert opened("t").get().metadatas == [{"raw": {"x": [1]}}, {"raw": "plain"}]

"""The command."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

import nearlite
from nearlite.cli import main

ROWS = [
    {"id": "owl", "body": "owls hunt mice at night", "year": 2004, "tags": ["bird"], "embedding": [1.0, 0.0, 0.5]},
    {"id": "wolf", "body": "wolves hunt in packs", "year": 2010, "tags": ["mammal"], "embedding": [0.5, 1.0, 0.0]},
    {"id": "pike", "body": "pikes wait among reeds", "year": 2012, "odd": {"er": 1}, "embedding": [0.0, 0.5, 1.0]},
]


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs the command in an empty folder; returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def jsonl(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def opened(name="docs", path="x.db"):
    return nearlite.Collection(nearlite.connect(path), name)


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
    assert opened("d").get_one("b").metadata == {"open": False, "price": 2, "zip": 99}


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


def test_search(run, jsonl):
    run("import", jsonl, "--db", "x.db")
    code, out, _ = run("search", "x.db", "docs", "--text", "hunt", "--where", '{"tags": {"$contains": "bird"}}')
    assert code == 0 and out.splitlines()[0].split()[:3] == ["id", "bm25", "body"] and out.splitlines()[1].startswith("owl")
    code, out, _ = run("search", "x.db", "docs", "--vector", "[0, 1, 1]", "--where", "year > 2005", "-k", 1, "--json")
    found = json.loads(out)
    assert found["id"] == "pike" and found["metadata"]["year"] == 2012 and found["score"] == -found["distance"]
    assert json.loads(run("search", "x.db", "docs", "--like", "owl", "-k", 1, "--json")[1])["id"] == "wolf"
    both = json.loads(run("search", "x.db", "docs", "--like", "owl", "--text", "wolves", "-k", 1, "--json")[1])
    assert both["id"] == "wolf" and both["score"] > 0
    code, out, err = run("search", "x.db", "docs", "--text", "hunt", "--vector", "[0, 1, 1]", "--explain", "--alpha", "0.5")
    assert code == 0 and '"kind": "hybrid"' in err and "score" in out
    code, out, err = run("search", "x.db", "docs", "--query", "+hunt -packs", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["owl"]
    assert run("search", "x.db", "docs", "--text", "nothing_like_it")[1:] == ("", "nothing was found\n")


def test_info_recall_upkeep_and_sql(run, jsonl):
    run("import", jsonl, "--db", "x.db")
    assert run("info", "x.db")[1].splitlines()[1].split()[:2] == ["docs", "3"]
    assert json.loads(run("info", "x.db", "--json")[1])["rows"] == 3
    out = run("info", "x.db", "docs")[1]
    assert "docs: 3 rows" in out and "VECTOR(3) cosine" in out
    assert json.loads(run("info", "x.db", "docs", "--json")[1])["schema"][0]["kind"] == "key"
    out = run("recall", "x.db", "docs", "--ef", "1,8", "-k", 2)[1]
    assert "recall@2 of docs.embedding, 3 stored rows" in out and "█" in out and "exact" in out
    assert json.loads(run("recall", "x.db", "docs", "--json")[1].splitlines()[1])["recall"] == 1
    for command, word in (("optimize", "merged"), ("maintain", "in order"), ("check", "no damage"), ("rebuild", "rebuilt")):
        code, _, err = run(command, "x.db", "docs")
        assert code == 0 and word in err and "docs: " in err and "3 rows in 1 segment in" in err
    assert run("check", "x.db")[0] == 0
    assert json.loads(run("sql", "x.db", "SELECT count(*) AS n FROM docs WHERE year > ?", 2005, "--json")[1]) == {"n": 2}
    code, out, _ = run("sql", "x.db", "-", stdin="CREATE TABLE t(x); INSERT INTO t VALUES('a;b'); SELECT x FROM t;")
    assert code == 0 and out.split() == ["x", "a;b"]


@pytest.mark.parametrize("command", ["maintain", "optimize"])
def test_upkeep_shows_what_it_does_on_a_terminal(run, jsonl, monkeypatch, command):
    run("import", jsonl, "--db", "x.db")
    monkeypatch.setattr("nearlite.cli._progress.Progress._terminal", staticmethod(lambda: True))
    code, _, err = run(command, "x.db")
    assert code == 0 and "\r\x1b[Kdocs: " in err and " slices, 1 segment" in err


def test_the_demo(run):
    code, out, _ = run("demo")
    assert code == 0 and "more like the owl" in out and "recall of the default search: 1.00" in out


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


MISTAKES = [
    (["import", "nope.jsonl", "--db", "x.db"], 1, "there is no file nope.jsonl"),
    (["import", "docs.jsonl", "--db", "x.db", "--batch", "0"], 2, "--batch is 1 or more"),
    (["import", "docs.jsonl", "--db", "x.db", "--id", "nope"], 1, "has no column 'nope' in its first 3 rows; it has id, body"),
    (["import", "docs.jsonl", "--db", "x.db", "--columns", "year:number"], 2, "expected NAME:TYPE"),
    (["import", "docs.txt", "--db", "x.db"], 2, "does not say its format"),
    (["import", "ragged.csv", "--db", "x.db"], 1, "ragged.csv, line 3: 3 fields, and the header has 2"),
    (["import", "twice.csv", "--db", "x.db"], 1, "twice.csv, line 1: the column 'a' is there twice"),
    (["import", "latin.csv", "--db", "x.db"], 1, "latin.csv, line 2: it is not UTF-8"),
    (["import", "array.jsonl", "--db", "x.db"], 1, "array.jsonl, line 1: expected a JSON object, got list"),
    (["import", "empty.jsonl", "--db", "x.db"], 1, "empty.jsonl has no rows"),
    (["import", "empty.csv", "--db", "x.db"], 1, "empty.csv is empty"),
    (["import", "docs.jsonl", "--db", "docs.jsonl"], 1, "docs.jsonl cannot be opened as a database"),
    (["import", "ragged.jsonl", "--db", "x.db", "--vector", "v"], 1, "the column 'v' does not hold vectors of one length"),
    (["import", "broken.parquet", "--db", "x.db"], 1, "broken.parquet is not a Parquet file"),
    (["import", "broken.npy", "--db", "x.db"], 1, "broken.npy is not a .npy file"),
    (["search", "nope.db", "docs", "--text", "x"], 1, "there is no file nope.db"),
    (["search", "there.db", "nope", "--text", "x"], 1, "there is no collection 'nope' in"),
    (["search", "there.db", "docs", "--vector", "[1, 2]"], 1, "expected 3 numbers, got 2"),
    (["search", "there.db", "docs", "--vector", "nope.npy"], 1, "--vector: there is no file nope.npy"),
    (["search", "there.db", "docs", "--vector", "[1, 2"], 1, "--vector: it is not a JSON array"),
    (["search", "there.db", "docs", "--where", "{"], 2, "--where is not JSON"),
    (["search", "there.db", "docs", "--where", '{"year": {"$near": 1}}'], 1, "'$near' is not an operator"),
    (["search", "there.db", "docs", "--where", "nope = 1"], 1, "no such column: nope"),
    (["search", "there.db", "docs", "--like", "nobody"], 1, "there is no row 'nobody'"),
    (["search", "there.db", "docs", "--text", "owl", "--like-by", "text"], 2, "--like-by is for --like"),
    (["info", "docs.jsonl"], 1, "docs.jsonl cannot be opened as a database"),
    (["recall", "there.db", "docs", "--ef", "a"], 2, "--ef: expected whole numbers"),
    (["sql", "there.db", "SELEC"], 1, "syntax error"),
    (["nope"], 2, "invalid choice"),
    ([], 2, "required"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES)
def test_a_mistake_is_one_sentence_and_an_exit_code(run, jsonl, tmp_path, arguments, code, message):
    if "parquet" in str(arguments):
        pytest.importorskip("pyarrow")
    if "broken.npy" in arguments:
        pytest.importorskip("numpy")
    for name, data in {
        "docs.txt": b"x",
        "ragged.csv": b"a,b\n1,2\n1,2,3\n",
        "twice.csv": b"a,a\n1,2\n",
        "latin.csv": "a,b\nä,2\n".encode("latin-1"),
        "array.jsonl": b'[{"a": 1}]\n',
        "empty.jsonl": b"\n",
        "empty.csv": b"",
        "ragged.jsonl": b'{"v": [1.5, 2]}\n{"v": [1.5]}\n',
        "broken.parquet": b"PAR1 and no more",
        "broken.npy": b"\x93NUMPY and no more",
    }.items():
        (tmp_path / name).write_bytes(data)
    run("import", jsonl, "--db", "there.db")
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert message in err and "Traceback" not in err
    if arguments and arguments[0] != "nope":
        assert sum(line.startswith("nearlite: ") for line in err.splitlines()) == 1
    assert not os.path.exists("x.db") or nearlite.collections(nearlite.connect("x.db")) in ([], ["ragged"])


def test_it_runs_as_a_module_and_into_a_closed_pipe(jsonl, tmp_path):
    done = subprocess.run([sys.executable, "-m", "nearlite", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"nearlite {nearlite.__version__}")
    command = f"{sys.executable} -m nearlite import {jsonl} --db {tmp_path}/x.db && {sys.executable} -m nearlite export {tmp_path}/x.db docs | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr

"""The command."""

import json
import os
import subprocess
import sys

import pytest

import nearlite


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


def test_the_table_of_a_search_has_every_column(run):
    run("sql", "x.db", "CREATE VIRTUAL TABLE t USING nearlite(code TEXT PRIMARY KEY, id FULLTEXT, meta JSON, e VECTOR(2))")
    nearlite.Collection(nearlite.connect("x.db"), "t").add([{"code": "a", "id": "an owl", "e": [1, 0], "distance": "far"}])
    out = run("search", "x.db", "t", "--vector", "[1, 0]")[1]
    assert all(part in out for part in ("_id", "an owl", "_distance", "far", "0.0"))

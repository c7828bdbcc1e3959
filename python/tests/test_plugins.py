"""nearlite in Datasette and sqlite-utils, which find it by its entry points."""

import asyncio
import json
import subprocess
import sys

import pytest

import nearlite

# Names like those of the tables that nearlite keeps its index in, and longer ones that begin so.
OWN = ["docs_data_sources", "docs_extra", "documents", "docs2", "DOCS_NOTES"]


@pytest.fixture
def filled(path):
    db = nearlite.connect(path)
    db.execute("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, e VECTOR(2))")
    db.execute("INSERT INTO docs VALUES('owl', 'hunts at night', '[1, 0]')")
    shadows = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'docs\\_%' ESCAPE '\\' AND type = 'table'")]
    assert len(shadows) > 3
    # Every shadow table's name with something behind it.
    own = OWN + [name + "_of_mine" for name in shadows]
    for name in own:
        db.execute(f"CREATE TABLE {name}(x)")
    db.commit()
    db.close()
    return path, shadows, own


def test_datasette_searches_and_hides_the_shadow_tables_only(filled):
    datasette = pytest.importorskip("datasette.app")
    path, shadows, own = filled

    async def ask():
        app = datasette.Datasette([path])
        await app.invoke_startup()
        database = next(name for name in app.databases if not name.startswith("_"))
        hidden = await app.get_database(database).hidden_table_names()
        found = await app.get_database(database).execute("SELECT id FROM docs WHERE docs MATCH 'night'")
        page = await app.client.get(f"/{database}.json")
        return hidden, [tuple(row) for row in found.rows], page.json()

    hidden, found, page = asyncio.run(ask())
    assert found == [("owl",)]
    assert set(shadows) <= set(hidden)
    assert not {"docs", *own} & set(hidden)
    listed = {table["name"]: table["hidden"] for table in page["tables"]}
    assert all(listed[name] for name in shadows) and not any(listed[name] for name in ["docs", *own])


def test_the_search_page_of_datasette(path):
    datasette = pytest.importorskip("datasette.app")
    docs = nearlite.Collection(nearlite.connect(path), "docs").create(dim=2, text=["body"], columns={"year": int})
    docs.add(
        ids=["owl", "wolf", "<pike>"],
        texts=["owls hunt at night", "wolves hunt in packs & run", "pikes <b>wait</b>"],
        vectors=[[1, 0], [0.8, 0.6], [0, 1]],
        metadatas=[{"year": 2004, "tags": ["bird"]}, {"year": 2010}, {"year": 2012}],
    )
    nearlite.Collection(docs.connection, "vacant").create(dim=2)
    nearlite.Collection(docs.connection, "numbers").create(dim=2, key_type=int).add(
        ids=[1], texts=["x" * 1000], vectors=[[1, 0]], metadatas=[{"note": "y" * 1000, "list": ["z"]}]
    )
    docs.connection.close()

    async def ask(*queries):
        app = datasette.Datasette([path], metadata={"databases": {"test": {"tables": {"docs": {}}}}})
        await app.invoke_startup()
        closed = datasette.Datasette([path], metadata={"databases": {"test": {"tables": {"docs": {"allow": False}}}}})
        await closed.invoke_startup()
        pages = [await app.client.get("/-/nearlite", params=query) for query in queries]
        return [*pages, await closed.client.get("/-/nearlite", params={"in": "test/docs", "words": "hunt"})]

    form, words, like, both, filtered, empty, unfound, long, *wrong, hidden = asyncio.run(
        ask(
            {},
            {"in": "test/docs", "words": "hunt"},
            {"like": "owl"},
            {"words": "packs", "vector": "[1, 0]", "k": "2"},
            {"words": "hunt", "where": '{"year": {"$gt": 2005}}'},
            {"in": "test/vacant", "words": "hunt"},
            {"words": "absent"},
            {"in": "test/numbers", "vector": "[1, 0]"},
            {"vector": "[1]"},
            {"where": "{"},
            {"words": "x", "where": '{"year": {"$near": 1}}'},
            {"like": "nobody"},
            {"like": "owl", "vector": "[1, 0]"},
            {"words": "x", "k": "many"},
            {"in": "test/numbers", "like": "one"},
        )
    )
    assert form.status_code == 200 and "test/docs" in form.text and "<table" not in form.text
    assert "owls <mark>hunt</mark> at night" in words.text and "packs &amp; run" in words.text and "searched by words" in words.text
    assert like.text.index("wolf") < like.text.index("&lt;pike&gt;") and "pikes &lt;b&gt;wait" in like.text and ">owl</td>" not in like.text
    assert "in=test%2Fdocs&amp;like=%3Cpike%3E" in like.text
    assert "by vector and words, fused" in both.text and "vector rank" in both.text and "text rank" in both.text
    assert ">wolf</td>" in filtered.text and ">owl</td>" not in filtered.text
    # Each cell has its column's name, which a narrow window shows beside it; the score is shown where it is not another number once more.
    assert '<td class="" data-name="id">wolf</td>' in filtered.text and 'data-name="bm25"' in words.text
    assert 'data-name="score"' in both.text and 'data-name="score"' not in words.text
    assert "The collection has no rows." in empty.text and "How it was searched" not in empty.text and "<summary>SQL</summary>" in empty.text
    assert "None of 3 rows was found." in unfound.text
    assert "y" * 199 + "…" in long.text and "y" * 200 not in long.text and "x" * 201 not in long.text and "[&#34;z&#34;]" in long.text
    messages = ["expected 2 numbers, got 1", "filter: it is not JSON: Expecting", "is not an operator", "no row &#39;nobody&#39;"]
    messages += ["a row or a vector", "rows: expected a number, got &#39;many&#39;", "ids of numbers are whole numbers, got &#39;one&#39;"]
    assert len(wrong) == len(messages)
    for page, message in zip(wrong, messages):
        assert page.status_code == 200 and message in page.text and "message-error" in page.text
    assert "test/docs" not in hidden.text and "owls" not in hidden.text


def test_a_visitor_of_the_search_page_runs_no_sql(path):
    datasette = pytest.importorskip("datasette.app")
    db = nearlite.connect(path)
    nearlite.Collection(db, "docs").create(dim=2, text=["body"], columns={"year": int}).add(
        ids=["owl"], texts=["owls hunt"], vectors=[[1, 0]], metadatas=[{"year": 2004}]
    )
    db.execute("CREATE TABLE secrets(password)")
    db.execute("INSERT INTO secrets VALUES('hunter2')")
    db.commit()
    db.close()
    condition = "(SELECT password FROM secrets) LIKE 'h%'"
    nested = [condition, {"$not": condition}, {"$and": [condition]}, {"year": {"$not": condition}}, {"year": {condition: 1}}]
    deep = "[" * 10000 + "]" * 10000

    async def ask():
        app = datasette.Datasette([path], metadata={"databases": {"test": {"tables": {"secrets": {"allow": False}}}}})
        await app.invoke_startup()
        wheres = [json.dumps(where) for where in [*nested, [{"year": 2004}], 1, True, None]]
        by_where = [await app.client.get("/-/nearlite", params={"in": "test/docs", "where": where}) for where in [*wheres, deep]]
        by_vector = await app.client.get("/-/nearlite", params={"in": "test/docs", "vector": json.dumps(condition)})
        as_key = await app.client.get("/-/nearlite", params={"in": "test/docs", "where": json.dumps({condition: 1})})
        as_value = await app.client.get("/-/nearlite", params={"in": "test/docs", "where": json.dumps({"id": condition})})
        return [*by_where, by_vector], [as_key, as_value]

    refused, unfound = asyncio.run(ask())
    for page in refused:
        assert page.status_code == 200 and "message-error" in page.text and "<table" not in page.text
    assert "filter: expected a JSON object" in refused[0].text
    for page in unfound:
        assert page.status_code == 200 and "None of 1 rows was found." in page.text


def test_sqlite_utils_inserts_and_searches(path, tmp_path):
    pytest.importorskip("sqlite_utils")

    def run(*arguments):
        command = [sys.executable, "-m", "sqlite_utils", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("query", path, "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, e VECTOR(2))")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "owl", "body": "hunts at night", "e": [1, 0]}\n{"id": "wolf", "body": "hunts in packs", "e": [0, 1]}\n')
    run("insert", path, "docs", str(rows), "--nl")
    found = json.loads(run("query", path, "SELECT id FROM docs WHERE e MATCH '[0.1, 1]' ORDER BY distance LIMIT 1"))
    assert found == [{"id": "wolf"}]

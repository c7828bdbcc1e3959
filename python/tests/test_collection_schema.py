"""Columns that come, go and get other names, settings, and what describes a collection."""

import asyncio

import pytest

import nearlite


@pytest.fixture
def docs(db):
    docs = nearlite.Collection(db, "docs").create(dim=2, text=["body"], columns={"year": int})
    docs.add(ids=["a", "b"], texts=["an owl", "a hawk"], vectors=[[1, 0], [0, 1]], metadatas=[{"year": 2004}, {"stars": 5}])
    return docs


def test_columns_are_added_renamed_and_dropped(docs, db):
    other = nearlite.Collection(db, "docs")
    assert other.search([1, 0], k=1)[0].metadata == {"year": 2004}
    docs.add_column("lang TEXT NOT NULL DEFAULT 'en'")
    docs.add(ids=["c"], vectors=[[1, 1]], metadatas=[{"lang": "de"}])
    for each in (docs, other):
        assert [row.metadata.get("lang") for row in each.get()] == ["en", "en", "de"]
        assert each.search([1, 0], where={"lang": "de"}).ids == ["c"]
    docs.rename_column("lang", "tongue")
    assert other.count({"tongue": "en"}) == 2 and docs.get_one("c").metadata == {"tongue": "de"}
    other.drop_column("TONGUE")
    assert docs.get_one("c").metadata == {} and docs.count({"tongue": "en"}) == 0
    docs.verify()


def test_another_connection_has_the_columns_with_its_next_call(path):
    first, second = nearlite.connect(path), nearlite.connect(path)
    docs = nearlite.Collection(first, "docs").create(dim=2)
    other = nearlite.Collection(second, "docs").open()
    other.add(ids=["a"], vectors=[[1, 0]])
    docs.add_column('"a ""b" INTEGER DEFAULT 7')
    assert other.get_one("a").metadata == {'a "b': 7}
    other.rename_column('a "b', "size")
    assert docs.search([1, 0], where={"size": 7}).ids == ["a"]
    first.close()
    second.close()


def test_a_change_that_is_rolled_back_is_not_remembered(docs, db):
    db.execute("BEGIN")
    docs.add_column("first INTEGER DEFAULT 1")
    assert docs.get_one("a").metadata == {"year": 2004, "first": 1}
    db.rollback()
    # This change of the schema gets the number that the first one had.
    db.execute("SELECT nearlite_alter('docs', 'ADD COLUMN second INTEGER DEFAULT 2')")
    assert docs.get_one("a").metadata == {"year": 2004, "second": 2}
    assert docs.count({"first": 1}) == 0


def test_a_refused_change_is_a_schema_error_and_changes_nothing(docs, db):
    before = docs.describe()
    for change, message in [
        (lambda: docs.add_column("year INTEGER"), "year"),
        (lambda: docs.add_column("n INTEGER NOT NULL"), "DEFAULT"),
        (lambda: docs.add_column("e VECTOR(3)"), "e"),
        (lambda: docs.add_column("nonsense"), "nonsense"),
        (lambda: docs.drop_column("nope"), "nope"),
        (lambda: docs.drop_column("body"), "body"),
        (lambda: docs.rename_column("nope", "x"), "nope"),
        (lambda: docs.rename_column("year", "rank"), "rank"),
        (lambda: docs.rename_column("year", "BODY"), "(?i)body"),
    ]:
        with pytest.raises(nearlite.SchemaError, match=message):
            change()
        assert not db.in_transaction
    with pytest.raises(nearlite.InputError, match="declaration"):
        docs.add_column({"year": int})
    rows = docs.batches(1)
    next(rows)
    with pytest.raises(nearlite.SchemaError, match="reads"):
        docs.add_column("late INTEGER")
    rows.close()
    assert docs.describe() == before
    with pytest.raises(nearlite.SchemaError, match="no collection 'nope'"):
        nearlite.Collection(db, "nope").drop_column("x")


def test_describe_has_what_makes_an_equal_table(docs, db):
    rows = docs.describe()
    assert [row["column"] for row in rows] == ["id", "body", "year", "meta", "embedding"]
    assert rows[4]["dimensions"] == 2 and rows[4]["metric"] == "cosine" and rows[1]["kind"] == "full text"
    db.execute(f"CREATE VIRTUAL TABLE copy USING nearlite({', '.join(row['declaration'] for row in rows)})")
    assert nearlite.Collection(db, "copy").describe() == rows


def test_settings_are_read_as_they_were_set(docs):
    defaults = {"ef_search": 0, "automerge": 3, "delta_rows": 1024, "cache_mb": 2048, "resident_vectors": 0, "maintenance": "auto", "threads": 0}
    assert {name: docs.setting(name) for name in defaults} == defaults
    with pytest.raises(nearlite.InputError) as error:
        docs.set("nope", 1)
    # The names of the engine, those of texts apart.
    assert str(error.value).partition("settings are ")[2].split(", ")[: len(defaults)] == list(defaults)
    for name, value in {"ef_search": 200, "automerge": 0, "maintenance": "background", "threads": 2, "operator": "and", "fuzzy": "auto"}.items():
        docs.set(name, value)
        assert docs.setting(name.upper()) == value
    docs.set("prefix_last", True)
    assert docs.setting("prefix_last") == 1 and docs.setting("syntax") is None
    docs.set("minimum_match", 0.5)
    assert docs.setting("minimum_match") == 0.5 and docs.setting("operator") is None
    with pytest.raises(nearlite.InputError, match="unknown setting 'nope'; settings are ef_search"):
        docs.setting("nope")
    with pytest.raises(nearlite.InputError, match="automerge must be 0 to 64"):
        docs.set("automerge", 65)


def test_a_list_of_stop_words_may_be_one_word_that_is_a_language(docs):
    docs.set("stop_words", ["an"])
    assert docs.search(words="an owl").ids == ["a"] and docs.search(words="an hawk").ids == ["b"]
    docs.set("stop_words", ["de"])
    docs.add(ids=["c"], texts=["das de"])
    assert docs.search(words="das").ids == ["c"]
    docs.set("stop_words", "de")
    assert docs.search(words="das owl").ids == ["a"]


def test_a_table_says_how_its_queries_are_meant(db):
    docs = nearlite.Collection(db, "docs").create(text_options={"operator": "and", "prefix_last": True, "stop_words": ["the", "a"]})
    docs.add(ids=["a", "b"], texts=["the great owl", "a great hawk"])
    assert docs.search(words="great the ow").ids == ["a"]
    assert docs.setting("operator") == "and" and docs.setting("prefix_last") is not None
    docs.set("minimum_match", 1)
    assert docs.setting("operator") is None and set(docs.search(words="great ow").ids) == {"a", "b"}
    with pytest.raises(nearlite.InputError, match="'weights' is not an option of a table"):
        nearlite.Collection(db, "other").create(text_options={"weights": {"text": 2}})


def test_vectors_of_another_model_are_refused(db):
    docs = nearlite.Collection(db, "docs").create(dim=2, model="one")
    docs.add(ids=["a"], vectors=[[1, 0]], model="one")
    assert docs.search([1, 0], model="one").ids == ["a"]
    for call in (
        lambda: docs.add(ids=["b"], vectors=[[1, 0]], model="two"),
        lambda: docs.upsert(ids=["a"], vectors=[[0, 1]], model="two"),
        lambda: docs.update(ids=["a"], vectors=[[0, 1]], model="two"),
        lambda: docs.search([1, 0], model="two"),
        lambda: docs.search_many([[1, 0]], model="two"),
        lambda: next(docs.iterate([1, 0], model="two")),
        lambda: docs.check_model("two"),
    ):
        with pytest.raises(nearlite.ModelError, match="holds vectors of the model 'one', got one of 'two'"):
            call()
    assert docs.count() == 1 and docs.get_one("a", include_vectors=True).vector == [1, 0]
    nearlite.Collection(db, "any").create(dim=2).check_model("two")


def test_optimize_reports_and_can_be_stopped(path):
    db = nearlite.connect(path)
    docs = nearlite.Collection(db, "docs").create(dim=2)
    docs.set("maintenance", "manual")
    docs.set("delta_rows", 10)
    for at in range(30):
        docs.add(ids=[f"{at}.{n}" for n in range(20)], vectors=[[at + 1, n] for n in range(20)])
    stopped = docs.optimize(progress=lambda report: False)
    assert not stopped["finished"]
    reports = []
    # Another connection writes between two slices.
    other = nearlite.Collection(nearlite.connect(path), "docs")

    def progress(report):
        reports.append(report)
        if not report["finished"]:
            other.upsert(ids=["late"], vectors=[[1, len(reports)]])

    done = docs.optimize(progress=progress)
    assert done == reports[-1] == {"slices": done["slices"], "segments": 1, "finished": True}
    assert len(reports) > 1 and not any(report["finished"] for report in reports[:-1])
    info = docs.info()
    assert (info["rows"], info["segments"], info["delta"], info["dead"]) == (601, 1, 0, 0)
    docs.delete(["0.0"])
    assert docs.optimize() == {"slices": 0, "segments": 1, "finished": True}
    db.execute("BEGIN")
    docs.delete(["0.1"])
    assert docs.optimize(progress=lambda report: None)["finished"] and db.in_transaction
    db.rollback()
    assert docs.count() == 600
    docs.verify()
    other.connection.close()
    db.close()


def test_memory_is_given_back(docs):
    docs.optimize()
    assert docs.search([1, 0], k=1).ids == ["a"]
    assert docs.release() > 0 and docs.release() == 0
    assert docs.search([1, 0], k=1).ids == ["a"]


def test_the_async_twins(docs):
    async def run():
        await docs.aadd_column("stars INTEGER DEFAULT 3")
        await docs.arename_column("stars", "rating")
        assert await docs.aupdate_where({"rating": 3}, {"rating": 4}) == 2
        assert await docs.afacets("rating") == [(4, 2)] and await docs.adistinct("rating") == [4]
        await docs.adrop_column("rating")
        assert len(await docs.adescribe()) == 5 and await docs.asetting("automerge") == 3
        assert [token.text for token in await docs.atokens("body", "An owl")] == ["an", "owl"]
        assert await docs.aterms("body", "o") == [("owl", 1)]
        assert (await docs.aoptimize())["segments"] == 1 and isinstance(await docs.arelease(), int)

    asyncio.run(run())


@pytest.mark.parametrize("text", [None, [], ()])
def test_a_collection_may_have_no_text_column(db, text):
    docs = nearlite.Collection(db, "vectors").create(dim=2, text=text)
    docs.add(ids=["a"], vectors=[[1, 0]])
    assert docs.search([1, 0]).ids == ["a"] and docs.schema.texts == ()
    with pytest.raises(nearlite.SchemaError, match="has no text column"):
        docs.search(text="owl")


@pytest.mark.parametrize("text", [5, [5], ["body", None]])
def test_a_name_of_a_text_column_that_is_none_is_told(db, text):
    with pytest.raises(nearlite.InputError, match="text is the name of a text column"):
        nearlite.Collection(db, "docs").create(dim=2, text=text)


@pytest.mark.parametrize("made", ["SQL", "added", "created"])
def test_a_json_column_beside_the_metadata_holds_the_value_of_one_key(db, made):
    docs = nearlite.Collection(db, "docs")
    if made == "SQL":
        db.execute("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body FULLTEXT, meta JSON, raw JSON UNINDEXED, extra JSON)")
    elif made == "added":
        docs.create(text=["body"])
        for declaration in ("raw JSON UNINDEXED", "extra JSON"):
            docs.add_column(declaration)
    else:
        docs.create(text=["body"], columns={"raw": "JSON UNINDEXED", "extra": "JSON"})
    assert docs.schema.json.name == "meta"
    metadatas = [{"raw": [1, {"q": None}], "extra": {"a": {"b": "é"}}, "k": 1}, {"raw": "text"}, {"raw": False, "k": 2}, {"raw": None}]
    docs.add(ids=["a", "b", "c", "d"], metadatas=metadatas)
    docs.upsert([{"id": "e", "raw": '{"x": 1}', "extra": {}}])
    expected = [*metadatas[:3], {}, {"raw": '{"x": 1}', "extra": {}}]
    assert docs.get().metadatas == expected == [row.metadata for row in docs.search(k=9)] and docs.get(columns=["raw"])[1].metadata == {"raw": "text"}
    stored = [('[1,{"q":null}]', '{"a":{"b":"é"}}', '{"k":1}'), ('"text"', None, "{}")]
    assert db.execute("SELECT raw, extra, meta FROM docs").fetchmany(2) == stored
    assert docs.count('json_matches(extra, \'{"a.b": "é"}\')') == 1
    docs.update(ids=["a", "b"], metadatas=[{"extra": {"c": 1}}, {"raw": None, "k": 3}])
    assert docs.get(["a", "b"]).metadatas == [{"raw": [1, {"q": None}], "extra": {"c": 1}, "k": 1}, {"k": 3}]
    assert docs.update_where({"k": {"$exists": True}}, {"raw": {"n": 1}}) == 3 and docs.get_one("c").metadata["raw"] == {"n": 1}
    with pytest.raises(nearlite.InputError, match="expected a JSON object"):
        docs.add(ids=["x"], metadatas=[{"extra": [1]}])
    with pytest.raises(nearlite.InputError, match="raw, row 0: it is not JSON"):
        docs.add(ids=["x"], metadatas=[{"raw": {1, 2}}])
    # What SQL wrote there need not be JSON.
    db.execute("UPDATE docs SET raw = CASE id WHEN 'a' THEN 'no JSON' ELSE 'null' END")
    assert [metadata.get("raw") for metadata in docs.get().metadatas] == ["no JSON", None, None, None, None]
    docs.verify()


def test_values_of_json_columns_pass_through_arrow_and_pandas(db):
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    docs = nearlite.Collection(db, "docs").create(columns={"raw": "JSON UNINDEXED"})
    docs.add(ids=["a", "b", "c"], metadatas=[{"raw": {"x": [1]}, "k": 1}, {"raw": "text"}, {}])
    for name, rows in (("arrow", docs.to_arrow()), ("pandas", docs.to_pandas())):
        copy = nearlite.Collection(db, name).create(columns={"raw": "JSON UNINDEXED"})
        copy.add(rows)
        assert copy.get().to_dicts() == docs.get().to_dicts()
    table = docs.to_arrow()
    table = table.set_column(table.column_names.index("raw"), "raw", [["{", None, None]])
    with pytest.raises(nearlite.InputError, match="raw: it is not JSON"):
        docs.upsert(table)


def test_columns_that_are_called_like_parts_of_a_result_keep_their_names(db):
    docs = nearlite.Collection(db, "plain").create(dim=2, text=["metadata", "snippet"], key="_metadata")
    docs.add(ids=["a"], texts={"metadata": ["an owl"], "snippet": ["own"]}, vectors=[[1, 0]], metadatas=[{"k": 1}])
    row = {"_metadata": "a", "metadata": "an owl", "snippet": "own", "__metadata": {"k": 1}}
    assert docs.get().to_dicts() == [row]
    hit = docs.search([1, 0], "owl", snippet=("[", "]"))
    found = hit[0].to_dict()
    assert found.items() >= row.items() and found["_snippet"] == "an [owl]" and found["distance"] == hit[0].distance
    docs = nearlite.Collection(db, "docs").create(dim=2, text=["distance", "bm25"], vector="score", hidden_prefix="nl_")
    docs.add(ids=["a"], texts={"distance": ["far owl"], "bm25": ["x"]}, vectors=[[1, 0]])
    hits = docs.search([1, 0], "owl", include_vectors=True)
    found = hits[0].to_dict()
    assert (found["distance"], found["bm25"], found["score"]) == ("far owl", "x", [1, 0])
    assert (found["nl_distance"], found["nl_bm25"], found["nl_score"]) == (hits[0].distance, hits[0].bm25, hits[0].score)
    pytest.importorskip("pyarrow")
    for found in (hits, docs.search([1, 0], "owl")):
        names = found.to_arrow().column_names
        assert len(names) == len(set(names)) and {"distance", "bm25", "nl_distance", "nl_bm25", "nl_score", "text_rank"} <= set(names)
    names = docs.search([1, 0], "owl", snippet=("", ""), columns=["distance"]).to_arrow().column_names
    assert names == ["id", "distance", "nl_distance", "nl_bm25", "nl_score", "vector_rank", "text_rank", "snippet"]

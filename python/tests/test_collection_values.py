"""Values of columns: counted, ordered, changed by a filter; tokens and terms. Compared with plain Python over random rows."""

import os
import random
from collections import Counter

import pytest

import nearlite

SEED = int(os.environ.get("NEARLITE_SEED", "5"))


@pytest.fixture(params=["log", "sealed"])
def docs(request, db):
    print("NEARLITE_SEED", SEED)
    made = random.Random(SEED)
    docs = nearlite.Collection(db, "docs").create(dim=2, text=["body"], columns={"year": int, "ok": bool, "lang": str})
    rows = {}
    for at in range(120):
        metadata = {
            "year": made.choice([None, 1, 2, 3, -4]),
            "ok": made.choice([None, True, False]),
            "lang": made.choice(["en", "de", "", "É"]),
            "tags": made.choice([None, [], ["a"], ["a", "b", "a"], "b", 1, 1.0, True]),
            "author": {"name": made.choice(["x", "y"])},
        }
        rows[f"k{at}"] = {key: value for key, value in metadata.items() if value is not None}
    docs.add(
        ids=list(rows),
        texts=["owl" if at % 3 else "hawk owls" for at in range(120)],
        vectors=[[1, at] for at in range(120)],
        metadatas=list(rows.values()),
    )
    if request.param == "sealed":
        docs.optimize()
        docs.update(ids=["k1", "k2"], metadatas=[{"year": 3}, {"tags": ["c"]}])
        rows["k1"]["year"], rows["k2"]["tags"] = 3, ["c"]
        docs.delete(["k7"])
        del rows["k7"]
    docs.rows = rows
    return docs


def test_facets_count_rows_by_value(docs):
    for name in ("year", "ok", "lang"):
        expected = Counter(row.get(name) for row in docs.rows.values())
        found = docs.facets(name)
        assert dict(found) == expected and len(found) == len(expected)
        assert [facet.rows for facet in found] == sorted(expected.values(), reverse=True)
        assert {type(facet.value) for facet in found} == {type(value) for value in expected}
        assert docs.facets(name, k=2) == found[:2]
    where = {"lang": "en", "author.name": "x"}
    matching = [row for row in docs.rows.values() if row["lang"] == "en" and row["author"]["name"] == "x"]
    assert dict(docs.facets("year", where=where)) == Counter(row.get("year") for row in matching)
    assert dict(docs.facets("year", where="lang = ?", params=["de"])) == Counter(row.get("year") for row in docs.rows.values() if row["lang"] == "de")
    assert docs.facets("id", k=1)[0].rows == 1


def test_facets_of_a_key_of_the_metadata_count_elements_of_lists(docs):
    expected = Counter()
    for row in docs.rows.values():
        value = row.get("tags")
        expected.update({(type(one) is bool, one) for one in (value or [None] if isinstance(value, list) else [value])})
    assert {(type(facet.value) is bool, facet.value): facet.rows for facet in docs.facets("tags")} == expected
    assert dict(docs.facets("author.name")) == Counter(row["author"]["name"] for row in docs.rows.values())
    assert [facet.rows for facet in docs.facets("nope")] == [len(docs.rows)]
    assert docs.facets("author")[0].value in ({"name": "x"}, {"name": "y"})


def test_names_have_regard_to_case_wherever_they_stand_for_values(db):
    docs = nearlite.Collection(db, "docs").create(dim=2, text=["title"], columns={"year": int})
    metadatas = [{"Title": "S", "ID": 2, "Year": 1, "year": 9}, {"Title": "S", "ID": 1, "Year": 2, "year": 8}, {"Title": "T", "ID": 1}]
    docs.add(ids=["a", "b", "c"], texts=["t1", "t2", "t3"], vectors=[[1, 0], [1, 1], [0, 1]], metadatas=metadatas)
    assert docs.count({"Title": "S"}) == 2 and docs.count({"Year": 1}) == 1
    # These took the columns title, id and year for the keys.
    assert docs.search([1, 0], group_by="Title").ids == ["a", "c"] and docs.search([1, 0], group_by="title").ids == ["a", "b", "c"]
    assert docs.facets("ID") == [(1, 2), (2, 1)] and docs.distinct("id") == ["a", "b", "c"]
    assert docs.get(order_by=["ID", "-Year"]).ids == ["b", "c", "a"] and docs.get(order_by="-year").ids == ["a", "b", "c"]
    # Names of columns to be read are those of SQL.
    assert docs.get(["a"], columns=["YEAR"])[0].metadata == {"year": 9} and docs.get(columns=["ID"]).ids == ["a", "b", "c"]


def test_distinct_values_ascend(docs):
    assert docs.distinct("year") == [None, -4, 1, 2, 3]
    assert docs.distinct("lang") == sorted({row["lang"] for row in docs.rows.values()}, key=str.encode)
    assert docs.distinct("lang", where={"lang": {"$in": ["en", "de"]}}) == ["de", "en"]
    assert docs.distinct("ok") == [None, False, True]
    tags = docs.distinct("tags")
    assert tags[:2] == [None, True] and tags[2] == 1 and tags[3:] in (["a", "b"], ["a", "b", "c"])


def test_a_column_without_values_to_count_is_named(docs, db):
    for name in ("body", "embedding", "meta"):
        with pytest.raises(nearlite.InputError, match=name):
            docs.facets(name)
    with pytest.raises(nearlite.InputError, match="k: expected"):
        docs.facets("year", k=-1)
    with pytest.raises(nearlite.SchemaError, match="no column 'nope'"):
        nearlite.Collection(db, "plain").create(meta=None).distinct("nope")


def _null_first(value):
    return (value is not None, value if value is not None else 0)


def test_rows_come_by_the_values_of_columns(docs):
    rows = docs.rows
    by_year = sorted(rows, key=lambda id: _null_first(rows[id].get("year")))
    down = [id for year in (3, 2, 1, -4, None) for id in rows if rows[id].get("year") == year]
    assert docs.get(order_by="year").ids == by_year
    assert docs.get(order_by="-year").ids == down
    assert docs.get(order_by="-year", limit=7, offset=3).ids == down[3:10]
    both = sorted(down, key=lambda id: rows[id]["author"]["name"])
    assert docs.get(order_by=["author.name", "-year"]).ids == both
    assert [id for rows in docs.batches(9, order_by="-year") for id in rows.ids] == down
    assert docs.search(order_by="-year", k=5).ids == down[:5]
    some = [id for id in down if rows[id]["lang"] == "de"]
    assert [hit.id for hit in docs.iterate(order_by="-year", where={"lang": "de"})] == some
    hawks = [id for id in down if int(id[1:]) % 3 == 0]
    assert docs.search(matching="hawk", order_by="-year", k=1000).ids == hawks
    assert docs.search(order_by="-year", group_by="year", k=10).ids == [
        next(id for id in down if rows[id].get("year") == year) for year in (3, 2, 1, -4, None)
    ]
    assert docs.get(order_by="-id", limit=1).ids == [max(rows)]


def test_an_order_that_cannot_be_is_an_error(docs, db):
    for options in ({"vector": [1, 0]}, {"words": "owl"}, {"like": "k1"}):
        with pytest.raises(nearlite.InputError, match="order_by is for rows that are not ranked"):
            docs.search(order_by="year", **options)
    with pytest.raises(nearlite.InputError, match="order of the ids"):
        docs.get(["k1"], order_by="year")
    with pytest.raises(nearlite.SchemaError, match="vector column 'embedding' has no order"):
        docs.get(order_by="embedding")
    with pytest.raises(nearlite.InputError, match="order_by: expected the name"):
        docs.get(order_by=[1])
    with pytest.raises(nearlite.SchemaError, match="no column 'nope'"):
        nearlite.Collection(db, "plain").create(meta=None).get(order_by="nope")


def test_rows_of_a_filter_are_changed_together(docs):
    count = sum(row["lang"] == "de" for row in docs.rows.values())
    vectors = docs.get_one("k0", include_vectors=True).vector
    assert docs.update_where({"lang": "de"}, {"year": 9, "ok": None, "author": {"age": 3}, "new": "x", "tags": None}) == count
    changed = docs.get(where={"lang": "de"}).metadatas
    for metadata in changed:
        assert (metadata["year"], metadata["new"], metadata["author"]["age"]) == (9, "x", 3)
        assert metadata["author"] == {"age": 3} and "tags" not in metadata and "ok" not in metadata
    assert docs.count({"new": "x"}) == count
    assert docs.update_where("lang = ? AND year = ?", {"body": "eagle"}, params=["de", 9]) == count
    assert len(docs.search(words="eagle", k=1000)) == count
    assert docs.update_where({}, {"embedding": [0, 1], "body": None}) == docs.count()
    assert docs.get_one("k0", include_vectors=True).vector == [0, 1] != vectors and docs.get_one("k0").text is None
    assert docs.update_where({"lang": "nowhere"}, {"year": 1}) == 0
    assert docs.update_where({"lang": "en"}, {"meta": {}}) == docs.count({"lang": "en"})
    docs.verify()


def test_a_change_by_a_filter_that_fails_changes_nothing(docs):
    before = docs.get().to_dicts()
    for values, error, message in [
        ({"id": "x"}, nearlite.InputError, "id"),
        ({"year": "x"}, nearlite.InputError, "year"),
        ({"embedding": [1, 2, 3]}, nearlite.InputError, "expected 2 numbers"),
        ({"tags": {1, 2}}, nearlite.InputError, "not JSON"),
        ({}, nearlite.InputError, "nothing to write"),
        ([("year", 1)], nearlite.InputError, "dictionary"),
    ]:
        with pytest.raises(error, match=message):
            docs.update_where({}, values)
    with pytest.raises(nearlite.InputError, match="takes a filter"):
        docs.update_where(None, {"year": 1})
    with pytest.raises(nearlite.FilterError):
        docs.update_where({"year": {"$above": 1}}, {"year": 1})
    assert docs.get().to_dicts() == before


def test_a_text_that_is_changed_by_a_filter_is_embedded(db):
    docs = nearlite.Collection(db, "docs", embed=lambda texts: [[len(text), 1] for text in texts]).create()
    docs.add(ids=["a", "b"], texts=["one", "three"])
    assert docs.update_where({"id": "a"}, {"text": "1234567"}) == 1
    assert docs.get(include_vectors=True)[0].vector == [7, 1] and docs.get_one("b", include_vectors=True).vector == [5, 1]


def test_tokens_and_terms(docs):
    assert docs.tokens("body", "Éa hawk") == [("ea", 0, 0, 3), ("hawk", 1, 4, 8)] and docs.tokens("body", "x")[0].text == "x"
    terms = docs.terms("body")
    assert [term.term for term in terms] == ["hawk", "owl", "owls"] and terms[0].rows == 40
    assert docs.terms("body", "OW") == terms[1:] and docs.terms("body", "ow", 1) == terms[1:2] and docs.terms("body", limit=1) == terms[:1]
    for call in (lambda: docs.tokens("year", "x"), lambda: docs.terms("nope")):
        with pytest.raises(nearlite.SchemaError, match="no text column"):
            call()


def test_a_dictionary_changes_only_what_it_has(db):
    docs = nearlite.Collection(db, "docs").create(dim={"e": 2, "f": 2}, text=["title", "body"], columns={"year": int, "size": str})
    docs.add(
        ids=["a", "b", "c"],
        texts={"title": ["A", "B", "C"], "body": ["1", "2", "3"]},
        vectors={"e": [[1, 0]] * 3, "f": [[0, 1]] * 3},
        metadatas=[{"year": 1, "k": 1}, {"year": 2, "k": 2}, {"year": 3, "k": 3}],
    )
    rows = [{"id": "a", "e": [5, 5], "year": 7}, {"id": "b", "title": "x", "k": None}, {"id": "c", "size": "L", "f": None, "body": None}]
    assert docs.update([*rows, {"id": "missing", "title": "y", "k": 4}]) == 3
    assert docs.get(include_vectors=True).to_dicts() == [
        {"id": "a", "title": "A", "body": "1", "metadata": {"year": 7, "k": 1}, "e": [5, 5], "f": [0, 1]},
        {"id": "b", "title": "x", "body": "2", "metadata": {"year": 2}, "e": [1, 0], "f": [0, 1]},
        {"id": "c", "title": "C", "body": None, "metadata": {"year": 3, "size": "L", "k": 3}, "e": [1, 0], "f": None},
    ]
    assert docs.update([{"id": "a"}, {"id": "missing"}]) == 1 and docs.update([{"id": "a"}, {"id": "b", "title": "z"}]) == 2
    assert docs.update([{"id": "c", "meta": {"k": 9}}, {"id": "a", "meta": None}]) == 2 and docs.get_one("c").metadata["k"] == 9
    with pytest.raises(nearlite.InputError, match="row 1: expected 2 numbers, got 1"):
        docs.update([{"id": "a", "title": "no"}, {"id": "b", "e": [1]}])
    assert docs.get_one("a").texts["title"] == "A"
    # Those that are added have None where they give nothing.
    docs.upsert([{"id": "a", "e": [1, 1]}, {"id": "b", "title": "x"}])
    assert docs.get_one("a").texts["title"] is None and docs.get_one("b", include_vectors=True).vectors["e"] is None
    docs.verify()


def test_keys_of_the_metadata_are_replaced_whichever_escapes_are_stored(db):
    docs = nearlite.Collection(db, "docs").create()
    stored = r'{"caf\u00e9": 1, "q\"": 1, "a\\b": {"x": 1}, "n": {"m": 1, "o": null}, "keep": [null, 1.5, {"z": null}]}'
    for key in ("a", "b", "c"):
        db.execute("INSERT INTO docs(id, meta) VALUES(?, ?)", [key, stored])
    db.execute("INSERT INTO docs(id, meta) VALUES('null', NULL)")
    db.commit()
    change = {"café": 2, 'q"': None, "a\\b": {"y": None}, "n": {"p": {"q": None}}, "new": "ü"}
    expected = {"café": 2, "a\\b": {"y": None}, "n": {"p": {"q": None}}, "keep": [None, 1.5, {"z": None}], "new": "ü"}
    assert docs.update(ids=["a", "b", "nobody"], metadatas=[change, {"café": None, "none": None}, {"x": 1}]) == 2
    assert docs.update_where({"id": {"$in": ["c", "null"]}}, change) == 2
    assert docs.get_one("a").metadata == docs.get_one("c").metadata == expected
    assert db.execute("SELECT count(*) FROM docs, json_each(meta) WHERE docs.id = 'a'").fetchone() == (len(expected),)
    assert docs.get_one("b").metadata.keys() == {'q"', "a\\b", "n", "keep"}
    assert docs.get_one("null").metadata == {key: value for key, value in change.items() if value is not None}
    assert docs.get(where={"café": 2}).ids == ["a", "c", "null"] and docs.count({"caf\\u00e9": {"$exists": True}}) == 0
    docs.verify()


def test_metadata_that_cannot_be_changed_by_keys_is_told(db):
    db.execute("CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, meta JSON UNINDEXED)")
    db.execute("INSERT INTO docs VALUES('a', '{\"n\": 1e400}'), ('b', 'plain')")
    db.commit()
    docs = nearlite.Collection(db, "docs")
    for call in (lambda: docs.update(ids=["a"], metadatas=[{"x": 1}]), lambda: docs.update_where({"id": "b"}, {"x": 1})):
        with pytest.raises(nearlite.InputError, match="^the row "):
            call()
    assert db.execute("SELECT meta FROM docs").fetchall() == [('{"n": 1e400}',), ("plain",)] and not db.in_transaction


def test_many_rows_are_changed_in_steps(db):
    docs = nearlite.Collection(db, "docs").create(columns={"year": int})
    ids = [f"k{at}" for at in range(1203)]
    docs.add(ids=ids, texts=ids, metadatas=[{"at": at} for at in range(1203)])
    given = [{"id": key, **({"n": at} if at % 2 else {}), **({"year": at} if at % 3 else {})} for at, key in enumerate([*ids, "nobody"])]
    assert docs.update(given) == 1203
    expected = [{"at": at, **({"n": at} if at % 2 else {}), **({"year": at} if at % 3 else {})} for at in range(1203)]
    assert docs.get().metadatas == expected
    assert docs.update_where({"year": {"$gt": 1}}, {"at": None, "year": None}) == sum(at % 3 > 0 and at > 1 for at in range(1203))
    assert sum("at" in metadata for metadata in docs.get().metadatas) == 1203 - 801

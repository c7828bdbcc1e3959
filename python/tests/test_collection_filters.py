"""Filters as dictionaries: one meaning, whether a key is a declared column or a path into the metadata."""

import json
import os
import random

import json_matches
import pytest
from json_matches import matches

import nearlite

SEED = int(os.environ.get("NEARLITE_SEED", "11"))

ROWS = [
    {"n": 1, "t": "Abc", "flag": True, "r": 0.5, "tags": ["a", "b"], "deep": {"er": 3, "list": [1, 2]}, "dot.ted": 1},
    {"n": 2, "t": "abd", "flag": False, "tags": [], "deep": {"er": "x"}},
    {"n": -5, "t": "", "r": 2.0, "tags": ["a", 1, None], "mixed": 3},
    {"t": "käse", "flag": True, "r": -1e9, "tags": "a", "mixed": "3", "deep": None},
    {"n": 2**53, "r": 3.0, "mixed": True, "tags": [["a"]]},
    {"n": 0, "mixed": None, "t": "100%_x", "deep": [{"er": 3}, {"er": 4}, 5]},
    {},
]
FILTERS = [
    {"n": 1},
    {"n": {"$eq": 1.0}},
    {"n": None},
    {"n": {"$ne": 1}},
    {"n": {"$ne": None}},
    {"n": {"$gt": 0}},
    {"n": {"$gte": 0, "$lt": 2}},
    {"n": {"$lte": 0.5}},
    {"n": {"$between": [0, 2]}},
    {"n": {"$in": [1, 2, "x", None]}},
    {"n": {"$in": []}},
    {"n": {"$nin": [1, 2]}},
    {"n": {"$exists": True}},
    {"n": {"$exists": False}},
    {"n": {"$not": {"$gt": 0}}},
    {"n": "1"},
    {"n": {"$gt": "a"}},
    {"n": {"$gt": 2**70}},
    {"n": 10**400},
    {"n": {"$lt": 10**400}},
    {"n": {"$ne": -(10**400)}},
    {"n": {"$between": [-(10**400), 10**400]}},
    {"n": {"$in": [10**400, 1, *range(100, 250)]}},
    {"t": "Abc"},
    {"t": {"$gt": "a"}},
    {"t": {"$lt": 5}},
    {"t": {"$like": "ab%"}},
    {"t": {"$like": "%_x"}},
    {"t": {"$substring": "b"}},
    {"t": {"$substring": "%_"}},
    {"t": {"$not": {"$substring": "b"}}},
    {"t": {"$in": ["abd", "käse"]}},
    {"t": {"$contains": "abd"}},
    {"t": {"$contains_all": []}},
    {"flag": True},
    {"flag": False},
    {"flag": {"$ne": True}},
    {"flag": 1},
    {"r": {"$gt": 0}},
    {"r": {"$eq": 2}},
    {"tags": {"$contains": "a"}},
    {"tags": "a"},
    {"tags": {"$contains_any": ["b", 1]}},
    {"tags": {"$contains_all": ["a", "b"]}},
    {"tags": {"$ne": "a"}},
    {"tags": {"$exists": True}},
    {"mixed": 3},
    {"mixed": "3"},
    {"mixed": True},
    {"deep.er": 3},
    {"deep.er": {"$gte": 1}},
    {"deep.list": {"$contains": 2}},
    {"dot.ted": 1},
    {"deep.er": 4},
    {"deep.er": {"$exists": False}},
    {"mixed": None},
    {"mixed": {"$in": [None, 3]}},
    {"mixed": {"$exists": True}},
    {"tags": {"$contains": None}},
    {"tags": {"$contains_all": []}},
    {"tags": {"$contains_any": []}},
    {"tags": None},
    {"tags": {"$empty": True}},
    {"tags": {"$empty": False}},
    {"t": {"$empty": True}},
    {"mixed": {"$not": {"$empty": True}}},
    {"deep.er": {"$empty": True}},
    {"$or": [{"n": 1}, {"t": "abd"}]},
    {"$or": [{"n": 1}, {"tags": {"$contains": 1}}]},
    {"$and": [{"n": {"$gt": 0}}, {"$or": [{"t": "Abc"}, {"mixed": True}]}]},
    {"$not": {"n": {"$gt": 0}}},
    {"$not": {"n": {"$gt": 0}, "mixed": True}},
    {"$not": {"$or": [{"n": 1}, {"deep.er": "x"}]}},
    {"n": {"$gt": 0}, "tags": {"$contains": "a"}},
    {},
]


def expected(where):
    return [f"r{at}" for at, row in enumerate(ROWS) if passes(row, where)]


def passes(row, where):
    """``matches`` with the operators that are Python's own: they stand alone here, or under $not."""
    ((key, value),) = where.items() if len(where) == 1 else (("", None),)
    if isinstance(value, dict) and "$not" in value and key and set(value["$not"]) & {"$substring", "$empty"}:
        return not passes(row, {key: value["$not"]})
    if isinstance(value, dict) and "$substring" in value:
        return isinstance(row.get(key), str) and value["$substring"] in row[key]
    if isinstance(value, dict) and "$empty" in value:
        found = row.get(key)
        if key == "deep.er":
            deep = row.get("deep")
            found = deep.get("er") if isinstance(deep, dict) else deep
        return (found in (None, "", [])) == value["$empty"]
    return matches(row, where)


DECLARED = [{}, {"n": int, "t": str, "flag": bool, "r": float}, {"n": float, "t": str}, {"n": int, "flag": "BOOLEAN"}]


@pytest.fixture(scope="module", params=range(len(DECLARED)))
def docs(request):
    db = nearlite.connect(":memory:")
    made = nearlite.Collection(db, "docs").create(dim=2, columns=DECLARED[request.param])
    made.add(ids=[f"r{at}" for at in range(len(ROWS))], vectors=[[1, at] for at in range(len(ROWS))], metadatas=ROWS)
    yield made
    db.close()


@pytest.mark.parametrize("where", FILTERS, ids=str)
def test_a_filter_means_the_same_declared_or_not(docs, where):
    wanted = expected(where)
    assert sorted(docs.search([1, 0], where=where, k=100).ids) == wanted
    assert docs.get(where=where).ids == wanted
    assert docs.count(where) == len(wanted)


def test_random_combinations(docs):
    chance = random.Random(SEED)
    atoms = [where for where in FILTERS if "$substring" not in str(where) and "$empty" not in str(where)]

    def combined(depth):
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(atoms)
        kind = chance.choice(["$and", "$or", "$not"])
        if kind == "$not":
            return {"$not": combined(depth - 1)}
        return {kind: [combined(depth - 1) for _ in range(chance.randint(1, 3))]}

    for _ in range(200):
        where = combined(3)
        assert docs.get(where=where).ids == expected(where), (SEED, where)
        assert sorted(docs.search([1, 0], where=where, k=100).ids) == expected(where), (SEED, where)
        assert docs.explain([1, 0], where=where, k=100).plan.get("passing", 0) == len(expected(where)), (SEED, where)


def test_or_and_not_over_declared_columns_are_inside_the_search(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, text=["body"], columns={"year": int, "flag": "BOOLEAN"})
    metadatas = [{"year": 1, "flag": True}, {"n": 5}, {"year": 3, "n": 6}]
    docs.add(ids=["a", "b", "c"], texts=["x", "y", "z"], vectors=[[1], [2], [3]], metadatas=metadatas)
    inside = [
        ({"$or": [{"year": 1}, {"n": {"$gt": 5}}]}, ["a", "c"]),
        ({"year": {"$ne": 1}}, ["b", "c"]),
        ({"year": {"$in": [1, None]}}, ["a", "b"]),
        ({"$not": {"flag": True, "year": {"$gte": 0}}}, ["b", "c"]),
        ({"$or": [{"id": {"$in": ["b"]}}, {"year": {"$between": [2, 3]}}]}, ["b", "c"]),
        ({"$and": [{"n": {"$exists": True}}, {"$or": [{"year": 3}, {"$not": {"n": 5}}]}]}, ["c"]),
    ]
    for where, ids in inside:
        explained = docs.explain([1], where=where)
        assert sorted(docs.search([1], where=where).ids) == ids and sorted(explained.hits.ids) == ids, where
        assert explained.plan["passing"] == len(ids), where
        assert "row_matches(" in explained.sql and " OR " not in explained.sql and "NOT" not in explained.sql, where
        # A scan of rows reads the columns where SQLite has them at hand.
        assert docs.get(where=where).ids == ids and docs.count(where) == len(ids)
    plain = docs.explain([1], where={"year": {"$gte": 1, "$lt": 3}, "n": {"$exists": False}}).sql
    assert "year" in plain and "json_matches(" in plain and "row_matches" not in plain
    for by_row in (
        {"$or": [{"body": "x"}, {"year": 3}]},
        {"$or": [{"id": {"$gt": "b"}}, {"body": "x"}]},
        {"$or": [{"n": {"$substring": "5"}}, {"year": {"$ne": None}}]},
    ):
        assert sorted(docs.search([1], where=by_row).ids) == ["a", "c"], by_row


def test_a_column_whose_name_begins_like_a_path_is_no_path(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, columns={"meta.x": int, "a.b": int})
    docs.add(ids=["a", "b"], vectors=[[1], [2]], metadatas=[{"x": 1, "meta.x": 2, "a.b": 3}, {"x": 5, "a": {"b": 3}}])
    assert docs.schema.json is not None and docs.schema.json.name == "meta"
    for where, ids in [({"$or": [{"x": 1}, {"a.b": 9}]}, ["a"]), ({"$or": [{"meta.x": 2}]}, ["a"]), ({"$not": {"a.b": 3}}, ["b"])]:
        assert docs.search([1], where=where).ids == docs.get(where=where).ids == ids, where


def test_ids_and_texts_are_keys_too(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, text=["body"])
    docs.add(ids=["a", "b"], texts=["one", "two"], vectors=[[1], [2]])
    assert docs.search([1], where={"id": {"$in": ["b", "c"]}}).ids == ["b"]
    assert docs.search([1], where={"body": "one"}).ids == ["a"]
    assert docs.search([1], where={"id": {"$in": [f"x{at}" for at in range(5000)] + ["a"]}}).ids == ["a"]


MISTAKES = [
    ({"n": {"$gtt": 1}}, r"where.n: '\$gtt' is not an operator; there are \$eq"),
    ({"$nor": [{"n": 1}]}, r"where: \$nor is not an operator between filters"),
    ({"$or": []}, r"where.\$or: expected a list of filters that is not empty"),
    ({"$or": {"n": 1}}, r"where.\$or: expected a list of filters"),
    ({"$or": [{"n": {"$in": 3}}]}, r"where.\$or\[0\].n.\$in: expected a list, got 3"),
    ({"$and": [3]}, r"where.\$and\[0\]: a filter is a dictionary, got int"),
    ({"$not": [3]}, r"where.\$not: a filter is a dictionary, got list"),
    ({"n": {"$between": [1]}}, r"where.n.\$between: expected a list of two values"),
    ({"n": {"$exists": 1}}, r"where.n.\$exists: expected True or False, got 1"),
    ({"n": {"$like": 1}}, r"where.n.\$like: expected a text, got 1"),
    ({"n": {"$gt": None}}, r"where.n.\$gt: expected a number or a text"),
    ({"n": {"$gt": [1]}}, r"where.n.\$gt: expected a number or a text"),
    ({"n": {"$eq": float("nan")}}, r"where.n.\$eq: nan cannot be compared with"),
    ({"n": object()}, "where.n: expected a text, a number, True, False or None, got object"),
    ({"n": {"$not": 3}}, r"where.n.\$not: expected operators"),
    ({"n": {"$gt": 1, "other": 2}}, "where.n: 'other' is not an operator"),
    ({3: 1}, "where: a key is a text, got 3"),
    ({"n": {}}, "where.n: {} has no operator"),
    ({"n": [1, 2]}, r"where.n: equality with a list is not possible; \$in takes"),
    ({"n": {"$in": [[1]]}}, r"where.n.\$in\[0\]: equality with a list"),
    ({"n": {"er": 1}}, r"where.n: 'er' is not an operator; .*; for a key inside write n.er"),
    ({"n": {"$between": [1, True]}}, r"where.n.\$between\[1\]: expected a number or a text to compare with, got True"),
    ({"n": {"$empty": 1}}, r"where.n.\$empty: expected True or False"),
]


@pytest.mark.parametrize(("where", "message"), MISTAKES)
def test_a_mistake_in_a_filter_is_named_with_its_place(docs, where, message):
    for call in (lambda: docs.search([1, 0], where=where), lambda: docs.count(where), lambda: docs.delete(where=where)):
        with pytest.raises(nearlite.FilterError, match=message):
            call()
    assert docs.count() == len(ROWS)


def test_a_filter_of_the_metadata_alone(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, text=["body"], columns={"year": int})
    docs.add(ids=["a", "b"], texts=["b", "a"], vectors=[[1], [2]], metadatas=[{"id": "b", "body": 1, "year": 1}, {"id": "c", "year": 2}])
    only = nearlite.filters.OfMetadata
    assert docs.search([1], where={"id": "b"}).ids == ["b"] and docs.search([1], where=only({"id": "b"})).ids == ["a"]
    assert docs.get(where=only({"body": 1, "year": 1})).ids == ["a"] and docs.get(where=only({"year": 2})).ids == ["b"]
    assert docs.get(where={"$and": [{"id": "a"}, only({"id": "b"})]}).ids == ["a"]
    assert docs.get(where={"$not": only({"id": "b"})}).ids == ["b"]
    assert docs.get(where=only({"$or": [{"id": "c"}, {"body": 1}]})).ids == ["a", "b"]
    # One call of json_matches, so the search can evaluate it.
    nested = only({"$or": [only({"id": "c"}), only({"$not": only({"body": {"$gt": 0}})})]})
    assert nearlite.filters.to_sql(nested, docs.schema)[0] == 'json_matches("meta", ?)' and docs.get(where=nested).ids == ["b"]


@pytest.mark.parametrize("count", [10, 101, 5000])
def test_texts_with_nul_are_compared_whole_in_lists_of_any_length(db, count):
    docs = nearlite.Collection(db, "docs").create(dim=1, columns={"s": str, "any": "UNINDEXED"})
    texts = ["a\0b", "a", "a\0c", "\x010\x02", "\x01", "\0"]
    docs.add(ids=[f"r\0{at}" for at in range(6)], vectors=[[1]] * 6, metadatas=[{"s": text, "any": text, "j": text} for text in texts])
    docs.add(ids=["n"], vectors=[[1]], metadatas=[{"any": 5}])
    # In a list of more than 100 values a text ended at its NUL, so that "a\0b" found the row of "a".
    others = [f"z{at}" for at in range(count)]
    wanted = ["a\0b", "\x01", "\x010\x02", "\0"]
    for key in ("s", "any", "j"):
        for found in (docs.get(where={key: {"$in": [*wanted, *others]}}), docs.search([1], where={key: {"$in": [*others, *wanted]}})):
            assert found.ids == ["r\x000", "r\x003", "r\x004", "r\x005"], key
        assert docs.get(where={key: {"$nin": [*wanted, *others]}}).ids == ["r\x001", "r\x002", "n"]
    assert docs.get(where={"any": {"$in": ["a\0b", 5, *others]}}).ids == ["r\x000", "n"]
    assert docs.delete(where={"id": {"$in": ["r\x001", *others]}}) == 1 and docs.count() == 6


@pytest.mark.parametrize("columns", [{}, {"t": str}])
def test_a_substring_may_be_of_any_length(db, columns):
    docs = nearlite.Collection(db, "docs").create(dim=1, columns=columns)
    long = "É" + "y" * 1500
    rows = [{"t": f"before {long} after"}, {"t": long.upper()}, {"t": "y"}, {"deep": {"er": [1, f"{long}."]}}, {}]
    docs.add(ids=list("abcde"), vectors=[[1]] * 5, metadatas=rows)
    # More than 1,024 bytes, the longest pattern of the engine, were an error for a key without a column.
    for where, ids in [
        ({"t": {"$substring": long}}, ["a"]),
        ({"t": {"$isubstring": long}}, ["a", "b"]),
        ({"t": {"$not": {"$substring": long}}}, ["b", "c", "d", "e"]),
        ({"deep.er": {"$substring": long}}, ["d"]),
        ({"$or": [{"t": {"$substring": long}}, {"deep.er": {"$substring": long}}]}, ["a", "d"]),
    ]:
        assert docs.get(where=where).ids == ids == docs.search([1], where=where).ids, where


def test_a_substring_is_looked_for_where_other_operators_look(db):
    docs = nearlite.Collection(db, "docs").create(dim=1)
    metadatas = [{"t": ['a"b']}, {"t": ["N\t\n"]}, {"a": [{"name": "Ada"}, 5]}, {"t": [["N"], {"x": "n"}]}, {"u": "\x01\ufffe\x02\\u0000"}]
    docs.add(ids=["1", "2", "3", "4", "5"], vectors=[[1]] * 5, metadatas=metadatas)
    # Lists were compared as the JSON that they are stored as.
    for where, ids in [
        ({"t": {"$substring": 'a"b'}}, ["1"]),
        ({"t": {"$substring": "\n"}}, ["2"]),
        ({"t": {"$substring": "n"}}, []),
        ({"t": {"$isubstring": "n\t"}}, ["2"]),
        ({"t": {"$substring": "["}}, []),
        ({"a.name": {"$substring": "Ad"}}, ["3"]),
        ({"a.name": {"$substring": "ad"}}, []),
        ({"a.name": {"$isubstring": "dA"}}, ["3"]),
        ({"u": {"$substring": "\ufffe\x02\\"}}, ["5"]),
    ]:
        assert docs.get(where=where).ids == docs.search([1], where=where).ids == ids, where


KEYS = ["a", "b", "a.b", 'k"q', "café", "new\n", ""]
LETTERS = ["a", "B", "b", "%", "_", "\0", '"', "\\", "\\u0000", "\n", "é", "😀", "\x01", "\ufffe", " "]


def test_texts_and_keys_of_any_characters(db):
    chance = random.Random(SEED)

    def text():
        return "".join(chance.choices(LETTERS, k=chance.randint(0, 4)))

    def anything(depth):
        kind = chance.random()
        if depth and kind < 0.3:
            return {chance.choice(KEYS): anything(depth - 1) for _ in range(3)}
        if depth and kind < 0.45:
            texts = [text() for _ in range(chance.randint(0, 3))]
            return [*texts, {chance.choice(KEYS): text()}] if texts and chance.random() < 0.5 else texts
        return text() if kind < 0.85 else chance.choice([None, 1, False])

    # A table whose JSON column has the name of a column of json_each.
    docs = nearlite.Collection(db, "docs").create(dim=1, meta="value")
    rows = [{key: anything(2) for key in KEYS if chance.random() < 0.6} for _ in range(80)]
    for at, row in enumerate(rows):
        written = json.dumps(row, ensure_ascii=chance.random() < 0.5)
        db.execute("INSERT INTO docs(id, value, embedding) VALUES(?, ?, '[1]')", (f"{at:02}", written))

    def elements(row, path):
        return [each for value in json_matches._at(row, path) for each in (value if isinstance(value, list) else [value])]

    def folded(given):
        return "".join(char.lower() if char.isascii() else char for char in given)

    for _ in range(150):
        path, word = ".".join(chance.choices(KEYS, k=chance.randint(1, 2))), text()
        contains = [f"{at:02}" for at, row in enumerate(rows) if any(isinstance(each, str) and word in each for each in elements(row, path))]
        folds = [
            f"{at:02}" for at, row in enumerate(rows) if any(isinstance(each, str) and folded(word) in folded(each) for each in elements(row, path))
        ]
        empty = [f"{at:02}" for at, row in enumerate(rows) if all(value in ("", [], None) for value in json_matches._at(row, path))]
        for where, ids in [({path: {"$substring": word}}, contains), ({path: {"$isubstring": word}}, folds), ({path: {"$empty": True}}, empty)]:
            assert docs.get(where=where).ids == ids, (SEED, where)
            assert sorted(docs.search([1], where=where, k=100).ids) == ids, (SEED, where)
            assert docs.count({"$not": where}) == len(rows) - len(ids), (SEED, where)


def test_half_of_a_surrogate_pair_is_no_error(db):
    docs = nearlite.Collection(db, "docs").create(dim=1)
    for name, meta in [("a", '{"t": "x\\ud800y\\u0000", "l": ["\\udc00x"]}'), ("b", '{"t": "\\ufffdx", "l": ["\\ud83d\\ude00X"]}')]:
        db.execute("INSERT INTO docs(id, meta, embedding) VALUES(?, ?, '[1]')", (name, meta))
    for where, ids in [({"t": {"$substring": "x"}}, ["a", "b"]), ({"l": {"$substring": "x"}}, ["a"]), ({"l": {"$isubstring": "😀x"}}, ["b"])]:
        assert docs.get(where=where).ids == docs.search([1], where=where).ids == ids, where


def test_rows_are_ordered_by_keys_of_any_characters(db):
    docs = nearlite.Collection(db, "docs").create(meta="value")
    rows = [
        '{"caf\\u00e9": 2, "k\\"q": "x", "a": {"b.c": 0, "\\u0062": 3}}',
        '{"café": 3, "a.b": 1}',
        '{"café": 9, "caf\\u00e9": 1, "a": [{"b": 5}]}',
    ]
    for at, row in enumerate(rows):
        db.execute("INSERT INTO docs(id, value) VALUES(?, ?)", (str(at), row))
    # A key was not found where it was written with escapes, and of one that is given twice the first value was taken.
    assert docs.get(order_by="café").ids == ["2", "0", "1"] and docs.get(order_by="-café").ids == ["1", "0", "2"]
    assert docs.get(order_by='-k"q').ids == ["0", "1", "2"] and docs.get(order_by="a.b").ids == ["2", "1", "0"]
    assert docs.get(order_by=".".join("a" * 200)).ids == ["0", "1", "2"]


def test_a_pattern_goes_on_behind_a_nul(db):
    texts = ["x\0y", "x", "xy", "\0", "X\0\0y", "", "y\0"]
    columns = {"s": str, "any": "UNINDEXED", "stored": "TEXT UNINDEXED"}
    docs = nearlite.Collection(db, "docs").create(dim=1, text=["body"], columns=columns)
    metadatas = [{"s": text, "any": text, "stored": text, "j": text} for text in texts]
    docs.add(ids=[f"{text}{at}" for at, text in enumerate(texts)], texts=texts, vectors=[[1]] * 7, metadatas=metadatas)
    db.execute("INSERT INTO docs(id, any, embedding) VALUES('7', x'78007900', '[1]'), ('8', 5, '[1]')")
    # LIKE ended the text at its NUL, so that "x\0y" was like "x".
    for pattern in ["x", "x%", "x_y", "x\0y", "%y", "\0", "%", "_", "x\0%", "%\0%", "", "x__y"]:
        ids = [f"{text}{at}" for at, text in enumerate(texts) if matches({"s": text}, {"s": {"$like": pattern}})]
        for key in ("s", "any", "stored", "body", "j"):
            where = {key: {"$like": pattern}, "id": {"$nin": ["7", "8"]}}
            assert docs.get(where=where).ids == sorted(docs.search([1], where=where).ids, key=docs.get().ids.index) == ids, where
            assert docs.count({"$not": where}) == 9 - len(ids), where
        by_id = {"id": {"$like": f"{pattern}%"}}
        found = [name for name in docs.get().ids if matches({"id": name}, by_id)]
        assert docs.get(where=by_id).ids == found and sorted(docs.search([1], where=by_id).ids) == sorted(found), by_id
    assert docs.count({"s": {"$like": "x" * 2000}}) == 0 == len(docs.search([1], where={"s": {"$like": "x" * 2000}}))
    assert docs.get(where={"any": {"$like": "5"}}).ids == ["8"]


def test_a_key_without_any_column_is_named(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, meta=None, columns={"s": str})
    for condition in ({"$substring": "x"}, {"$substring": "x" * 3000}, {"$not": {"$empty": True}}, 5):
        with pytest.raises(nearlite.FilterError, match="docs has no column 'q' and no JSON column that could hold it"):
            docs.get(where={"q": condition})


def test_any_number_of_conditions(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, text=["body"], columns={"s": str})
    docs.add(ids=["a", "b"], texts=["x", "y"], vectors=[[1], [2]], metadatas=[{"s": "x", "m": "x"}, {"s": "y"}])
    count = 1500
    # SQLite takes expressions that are nested 1,000 deep, and OR makes each term a level.
    for where, ids in [
        ({"$or": [*({"s": f"v{at}"} for at in range(count)), {"s": "x"}]}, ["a"]),
        ({"$and": [{"s": {"$ne": f"v{at}"}} for at in range(count)]}, ["a", "b"]),
        ({"$or": [*({"id": f"v{at}"} for at in range(count)), {"$and": [{"body": f"v{at}"} for at in range(count)]}, {"id": "b"}]}, ["b"]),
        ({"$not": {"$or": [{"m": {"$substring": f"v{at}"}} for at in range(count)]}}, ["a", "b"]),
        ({f"m{at}": {"$not": {"$substring": "x"}} for at in range(count)}, ["a", "b"]),
    ]:
        assert docs.get(where=where).ids == ids and docs.count(where) == len(ids) == len(docs.facets("id", where=where))
        assert docs.search([1], where=where).ids == ids
    assert docs.delete(where={"$or": [*({"s": f"v{at}"} for at in range(count)), {"s": "x"}]}) == 1


def test_a_condition_in_sql_may_end_with_a_comment(db):
    docs = nearlite.Collection(db, "docs").create(dim=1, columns={"year": int})
    docs.add(ids=["a", "b"], vectors=[[1], [2]], metadatas=[{"year": 1}, {}])
    where = "year IS NULL -- those without"
    assert docs.get(where=where).ids == docs.search([1], where=where, within=5).ids == ["b"]
    assert docs.count(where) == docs.delete(where=where) == 1


def test_numbers_and_arrays_of_numpy(db):
    numpy = pytest.importorskip("numpy")
    docs = nearlite.Collection(db, "docs").create(dim=1, columns={"n": int, "r": float, "flag": bool, "s": str})
    metadatas = [{"n": 1, "r": 0.5, "flag": True, "s": "x", "j": 1, "l": ["a"]}, {"n": 2, "r": 1.5, "flag": False, "s": "y", "j": 2, "l": ["b"]}]
    docs.add(ids=["a", "b"], vectors=[[1], [2]], metadatas=metadatas)
    for where in (
        {"n": numpy.int64(1)},
        {"r": numpy.float32(0.5)},
        {"flag": numpy.bool_(True)},
        {"s": numpy.str_("x")},
        {"j": numpy.uint8(1)},
        {"l": {"$contains": numpy.str_("a")}},
        {"n": {"$in": numpy.array([1, 7])}},
        {"j": {"$in": [numpy.int32(1)]}, "r": {"$between": numpy.array([0.0, 1.0])}},
        {"$or": [{"n": {"$lt": numpy.int8(2)}}, {"$not": {"j": {"$lt": numpy.float64(5)}}}]},
        {"n": {"$exists": numpy.bool_(True), "$not": {"$gte": numpy.array(2)}}},
        nearlite.filters.OfMetadata({"j": numpy.int64(1)}),
    ):
        nearlite.filters.check(where)
        assert docs.get(where=where).ids == docs.search([1], where=where).ids == ["a"], where
    assert docs.get(where="n = ?", params=[numpy.int64(1)]).ids == ["a"]
    for wrong, message in [({"n": numpy.array([1, 2])}, "equality with a list"), ({"n": numpy.float32("nan")}, "nan cannot be compared")]:
        with pytest.raises(nearlite.FilterError, match=message):
            docs.get(where=wrong)

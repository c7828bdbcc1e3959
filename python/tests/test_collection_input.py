"""Bad input: one typed exception with one clear sentence, and nothing half-written."""

import array
import sqlite3
import threading

import pytest

import nearlite

NAN = float("nan")


@pytest.fixture
def docs(db):
    made = nearlite.Collection(db, "docs").create(dim=3, text=["body"], columns={"year": int})
    made.add(ids=["there"], texts=["x"], vectors=[[1, 0, 0]], metadatas=[{"year": 1}])
    return made


GOOD = [1.0, 2.0, 3.0]
WRITES = {
    "short vector": ({"vectors": [GOOD, [1, 2]]}, "vectors of docs.embedding, row 1: expected 3 numbers, got 2"),
    "ragged lists": ({"vectors": [[1, 2, 3], [1, 2, 3, 4]]}, "row 1: expected 3 numbers, got 4"),
    "NaN": ({"vectors": [GOOD, [1, NAN, 2]]}, "row 1: it holds a number that is NaN, infinite or too large"),
    "infinity": ({"vectors": [GOOD, [1, float("-inf"), 2]]}, "row 1: it holds a number that is NaN, infinite or too large"),
    "too large": ({"vectors": [GOOD, [1, 1e300, 2]]}, "row 1: it holds a number that is NaN, infinite or too large"),
    "texts in a vector": ({"vectors": [GOOD, [1, "2", 3]]}, "row 1: a vector is a sequence of numbers, got '2' in it"),
    "text as vector": ({"vectors": [GOOD, "abc"]}, "row 1: a vector is a sequence of numbers, got str"),
    "one vector": ({"vectors": GOOD[:2]}, "this is one vector; give a list of vectors"),
    "no vectors": ({"vectors": 3}, "expected a list of vectors or an array of two dimensions, got int"),
    "bytes": ({"vectors": [b"1234", None]}, "expected 3 32-bit floats, which are 12 bytes, got 4 bytes"),
    "NaN bytes": ({"vectors": [array.array("f", [NAN, 1, 2]).tobytes(), None]}, "row 0: it holds a number that is NaN"),
    "mixed ids": ({"ids": ["a", 7]}, r"ids\[1\]: the ids of docs are texts, got 7"),
    "None as id": ({"ids": ["a", None]}, r"ids\[1\]: the ids of docs are texts, got None"),
    "ids twice": ({"ids": ["a", "a"]}, r"ids\[1\]: 'a' is in this batch twice, at 0 too"),
    "a text as ids": ({"ids": "ab"}, "ids: expected a list, got str"),
    "lengths": ({"texts": ["only one"]}, "the arguments differ in length: ids 2, texts 1"),
    "texts": ({"texts": ["x", 3]}, r"texts \(body\)\[1\]: expected a text or None, got 3"),
    "one text": ({"texts": "ab"}, r"texts \(body\): expected a list, got str"),
    "metadata list": ({"metadatas": [{}, []]}, r"metadatas\[1\]: expected a dictionary, got list"),
    "one metadata": ({"metadatas": {"a": 1}}, "metadatas: expected a list of dictionaries, one for each id, got dict"),
    "NaN in metadata": ({"metadatas": [{}, {"x": NAN}]}, r"metadatas\[1\]: the value of 'x' is not JSON: nan"),
    "no JSON": ({"metadatas": [{}, {"x": {1, 2}}]}, r"metadatas\[1\]: the value of 'x' is not JSON"),
    "key that is a number": ({"metadatas": [{}, {"1": 1, 1: 2}]}, r"metadatas\[1\]: a key of metadata is a text, got 1"),
    "key inside": ({"metadatas": [{}, {"a": [{"b": {True: 2}}]}]}, r"metadatas\[1\]: a key of metadata is a text, got True"),
    "column twice": ({"texts": {"body": ["x", "y"], "BODY": ["x", "y"]}}, "texts: the column 'body' is there twice"),
    "key of metadata": ({"metadatas": [{}, {(1, 2): 2}]}, r"metadatas\[1\]: a key of metadata is a text, got \(1, 2\)"),
    "NaN in a column": ({"metadatas": [{}, {"year": NAN}]}, "year, row 1: NaN cannot be stored"),
    "declared type": ({"metadatas": [{}, {"year": [1]}]}, "year, row 1: the column holds INTEGER, got list"),
}


@pytest.mark.parametrize("case", WRITES)
@pytest.mark.parametrize("call", ["add", "upsert"])
def test_a_batch_with_one_mistake_is_not_written(docs, case, call):
    arguments, message = WRITES[case]
    with pytest.raises(nearlite.InputError, match=message):
        getattr(docs, call)(**{"ids": ["a", "b"], **arguments})
    assert docs.count() == 1


def test_what_the_engine_refuses_leaves_nothing(docs, db):
    with pytest.raises(nearlite.InputError, match="docs.year: "):
        docs.add(ids=["a", "b"], metadatas=[{}, {"year": "no number"}])
    with pytest.raises(nearlite.InputError, match="a whole number is beyond 64 bits"):
        docs.add(ids=["a", "b"], metadatas=[{}, {"year": 2**80}])
    for bad in ({"texts": ["x", "\ud800"]}, {"metadatas": [{}, {"x": "\ud800"}]}, {"ids": ["a", "\ud800"]}):
        with pytest.raises(nearlite.InputError, match="half of a surrogate pair"):
            docs.add(**{"ids": ["a", "b"], **bad})
    with pytest.raises(nearlite.InputError, match="docs: "):
        docs.set("nothing", 1)
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        docs.count("nope = 1")
    with pytest.raises(nearlite.ExistsError, match="'there' exists already"):
        docs.add(ids=["a", "there"])
    with pytest.raises(nearlite.InputError, match="nothing to write"):
        docs.add()
    with pytest.raises(nearlite.InputError, match="not both"):
        docs.add([{"id": "a"}], ids=["b"])
    for rows, message in ((3, "expected an Arrow table"), ([3], r"rows\[0\]: expected a dictionary"), ({}, "got dict")):
        with pytest.raises(nearlite.InputError, match=message):
            docs.add(rows)
    with pytest.raises(nearlite.InputError, match="vectors of docs.embedding, row 1: a text as vector is an array in JSON, got 'abc'"):
        docs.add([{"id": "a", "embedding": "[1, 2, 3]"}, {"id": "b", "embedding": "abc"}])
    with pytest.raises(nearlite.InputError, match="update needs ids"):
        docs.update(texts=["x"])
    assert docs.count() == 1 and not db.in_transaction


def test_a_column_that_takes_no_null_is_named(db):
    docs = nearlite.Collection(db, "my docs").create(dim=1, columns={"lang": "TEXT NOT NULL"})
    for write in (
        lambda: docs.add(ids=["a"]),
        lambda: docs.add(ids=["a", "b"], metadatas=[{"lang": "en"}, {"lang": None}]),
        lambda: docs.upsert(ids=["there"], metadatas=[{}]),
        lambda: docs.update(ids=["there"], metadatas=[{"lang": None}]),
        lambda: docs.update_where({}, {"lang": None}),
    ):
        docs.upsert(ids=["there"], metadatas=[{"lang": "en"}])
        with pytest.raises(nearlite.InputError, match="^my docs.lang: a row has no value for this column, which is NOT NULL"):
            write()
        assert docs.get().metadatas == [{"lang": "en"}]


def test_what_can_be_read_once_only_is_read_once(db):
    docs = nearlite.Collection(db, "docs", embed=lambda texts: [[len(text), 1] for text in texts]).create()
    assert docs.add(ids=iter("ab"), texts=(text for text in ("x", "xyz")), metadatas=({"n": at} for at in range(2))) == ["a", "b"]
    assert docs.update(ids=["a", "b"], texts={"TEXT": iter(["xx", "y"])}, metadatas=iter([{"n": 5}, {}])) == 2
    rows = docs.get(include_vectors=True)
    # A column under its name in other letters was stored without being embedded.
    assert [row.vector for row in rows] == [[2, 1], [1, 1]] and rows.metadatas == [{"n": 5}, {"n": 1}] and rows.texts == ["xx", "y"]
    assert docs.add({"id": f"c{at}"} for at in range(2)) == ["c0", "c1"] and docs.add(iter([])) == []
    bare = nearlite.Collection(db, "bare").create(key=None, meta=None, columns={"n": int})
    assert bare.add(metadatas=[{}, {}]) == [1, 2] and bare.upsert(metadatas=[None]) == [3]


def test_arrays_of_numpy(docs):
    numpy = pytest.importorskip("numpy")
    for kind in ("f2", "f4", "f8", "i4", "u1", "longdouble"):
        docs.upsert(ids=[kind], vectors=numpy.array([[1, 2, 3]], kind))
        assert docs.get_one(kind, include_vectors=True).vector == [1, 2, 3]
    docs.upsert(ids=numpy.array(["n"]), vectors=numpy.asfortranarray(numpy.arange(9).reshape(3, 3))[::2][:1])
    docs.upsert(ids=["l"], vectors=[numpy.array([1, 2, 3], "f8")], metadatas=[{"n": numpy.float32(2), "year": numpy.int64(3)}])
    assert docs.get_one("l").metadata == {"n": 2.0, "year": 3}
    assert docs.search(numpy.array([[1, 2, 3]])).ids and docs.search(numpy.array([1, 2, 3], "f2"))
    # Their sum is beyond their own type.
    docs.upsert(ids=["u", "h"], vectors=[list(numpy.array([200, 100, 7], "u1")), list(numpy.array([60000, 60000, 1], "f2"))])
    assert docs.get_one("u", include_vectors=True).vector == [200, 100, 7] and docs.get_one("h", include_vectors=True).vector == [60000, 60000, 1]
    good = numpy.ones((2, 3))
    bad = good.copy()
    bad[1, 2] = numpy.nan
    for vectors, message in [
        (numpy.ones((2, 4)), r"expected the shape \(n, 3\), got \(2, 4\)"),
        (numpy.ones((2, 3, 1)), r"expected the shape \(n, 3\), got \(2, 3, 1\)"),
        (numpy.ones(3), "this is one vector"),
        (numpy.array(5), r"expected the shape \(n, 3\), got \(\)"),
        (bad, "row 1: it holds a number that is NaN"),
        (good * 1e300, "row 0: it holds a number that is NaN, infinite or too large"),
        (good.astype(complex), "this array holds complex128"),
        (good.astype(str), "this array holds <U"),
        (good.astype(bool), "this array holds bool"),
        (numpy.array([[1, 2, 3], [1, 2]], object), "row 1: expected 3 numbers, got 2"),
        (numpy.array([[1, 2, 3], None], object), None),
    ]:
        if message is None:
            docs.upsert(ids=["o", "p"], vectors=vectors)
            continue
        with pytest.raises(nearlite.InputError, match=message):
            docs.upsert(ids=["a", "b"], vectors=vectors)
    assert not docs.exists("a")


SEARCHES = [
    ({"vector": [1, 2]}, nearlite.InputError, "the query for docs.embedding: expected 3 numbers, got 2"),
    ({"vector": [1, NAN, 2]}, nearlite.InputError, "the query for docs.embedding: it holds a number that is NaN"),
    ({"vector": b"12"}, nearlite.InputError, "the query for docs.embedding: expected 3 32-bit floats"),
    ({"vector": "words"}, nearlite.InputError, "a text as vector needs an embedding function"),
    ({"vector": 3}, nearlite.InputError, "a vector is a sequence of numbers, got int"),
    ({"text": 3}, nearlite.InputError, "text: expected a text, got int"),
    ({"text": "a", "words": "b"}, nearlite.InputError, "not both"),
    ({"vector": GOOD, "k": -1}, nearlite.InputError, "k: expected a whole number, 0 or more, got -1"),
    ({"vector": GOOD, "k": 2.5}, nearlite.InputError, "k: expected a whole number, 0 or more, got 2.5"),
    ({"vector": GOOD, "k": True}, nearlite.InputError, "k: expected a whole number"),
    ({"vector": GOOD, "offset": "1"}, nearlite.InputError, "offset: expected a whole number"),
    ({"vector": GOOD, "mmr": 2}, nearlite.InputError, "mmr: expected a number from 0"),
    ({"text": "a", "mmr": 0.5}, nearlite.InputError, "mmr compares vectors"),
    ({"text": "a", "within": 0.5}, nearlite.InputError, "within is a distance"),
    ({"min_score": 0.5}, nearlite.InputError, "min_score is for searches that rank"),
    ({"vector": GOOD, "ef_search": 0}, nearlite.InputError, "ef_search: expected a whole number, 1 or more"),
    ({"vector": {}}, nearlite.InputError, "a dictionary of columns and their vectors is empty"),
    ({"vector": {"nope": GOOD}}, nearlite.SchemaError, "no vector column 'nope'"),
    ({"vector": {"embedding": [1]}}, nearlite.InputError, "the query for docs.embedding: expected 3 numbers, got 1"),
    ({"vector": GOOD, "where": 3}, nearlite.FilterError, "a filter is a dictionary, got int"),
    ({"vector": GOOD, "where": "year = ?", "params": {"a": 1}}, nearlite.FilterError, "params: expected a list"),
    ({"vector": GOOD, "text": "a", "fusion": "best"}, nearlite.InputError, "best"),
    ({"vector": GOOD, "text": "a", "alpha": 3}, nearlite.InputError, "alpha"),
    ({"vector": GOOD, "column": "body"}, nearlite.SchemaError, "no vector column 'body'; its vector columns: embedding"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), SEARCHES)
def test_a_search_with_a_mistake(docs, arguments, error, message):
    with pytest.raises(error, match=message):
        docs.search(**arguments)


def test_errors_of_the_engine_are_known_whatever_the_table_is_called(db):
    docs = nearlite.Collection(db, "my Docs: 2").create(dim=1, columns={"a year": int})
    for call, message in [
        (lambda: docs.add(ids=["a"], metadatas=[{"a year": "no number"}]), "my Docs: 2.a year: "),
        (lambda: docs.set("nothing", 1), "my Docs: 2: "),
        (lambda: docs.search([1], "x", fusion="best"), "best"),
        (lambda: nearlite.Collection(db, "two words").create(dim=1, metric="manhattan"), "manhattan"),
    ]:
        with pytest.raises(nearlite.InputError, match=message):
            call()
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        docs.count("nope = 1")


def test_a_search_for_many_takes_no_none(docs):
    # It was answered with rows that nothing ranks.
    with pytest.raises(nearlite.InputError, match="search_many: query 1 is None"):
        docs.search_many([GOOD, None])


def test_an_unknown_option_is_named(docs):
    with pytest.raises(TypeError, match="wordz"):
        docs.search(GOOD, wordz="x")


CREATIONS = [
    ({"dim": 0}, nearlite.InputError, "whole number from 1 to 16384, got 0"),
    ({"dim": 2.5}, nearlite.InputError, "whole number from 1 to 16384, got 2.5"),
    ({"dim": 3, "columns": {"x": list}}, nearlite.InputError, "the type of column 'x' is str, int, float, bool"),
    ({"dim": 3, "columns": {"x": "TEXT, y TEXT"}}, nearlite.InputError, "the type of column 'x' is str, int, float, bool"),
    ({"dim": 3, "columns": {"score": int}}, nearlite.InputError, "score"),
    ({"dim": 3, "metric": "cosine) --"}, nearlite.InputError, "metric is one word"),
    ({"dim": 3, "metric": "manhattan"}, nearlite.InputError, "manhattan"),
    ({"dim": 3, "text": {"body": "heavy"}}, nearlite.InputError, "the weight of text column 'body': expected a number, got 'heavy'"),
    ({"dim": 3, "key_type": float}, nearlite.InputError, "key_type is str or int"),
    ({"dim": 3, "index": "flat", "m": 3}, nearlite.InputError, "settings of index='hnsw'"),
    ({"text": [], "key": None, "meta": None}, nearlite.InputError, "a collection needs a column"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), CREATIONS)
def test_a_collection_that_cannot_be_made(db, arguments, error, message):
    with pytest.raises(error, match=message):
        nearlite.Collection(db, "docs").create(**arguments)
    assert nearlite.collections(db) == []


def test_names_that_are_taken_or_missing(docs, db, path):
    with pytest.raises(nearlite.SchemaError, match="'docs' is in the database in memory already"):
        nearlite.Collection(db, "docs").create(dim=3)
    db.execute("CREATE TABLE plain(x)")
    with pytest.raises(nearlite.SchemaError, match="'plain' .* is not a nearlite table"):
        nearlite.Collection(db, "plain").open()
    with pytest.raises(nearlite.SchemaError, match="there is no collection 'nope'"):
        nearlite.Collection(db, "nope").search([1, 2, 3])
    text_only = nearlite.Collection(db, "t").create()
    with pytest.raises(nearlite.SchemaError, match="has no vector column"):
        text_only.search([1, 2, 3])
    with pytest.raises(nearlite.SchemaError, match="has no text column"):
        nearlite.Collection(db, "v").create(dim=3, text=[]).search(words="x")


def test_connections_that_cannot_be_used(path):
    with pytest.raises(TypeError, match="expected a connection of sqlite3, apsw|expected a connection of sqlite3"):
        nearlite.Collection("x.db", "docs")
    closed = nearlite.connect(":memory:")
    closed.close()
    with pytest.raises(nearlite.ClosedError, match="the connection is closed"):
        nearlite.Collection(closed, "docs")
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        with pytest.raises(nearlite.LoadError, match="the connection has no nearlite: open it with nearlite.connect"):
            nearlite.Collection(sqlite3.connect(":memory:"), "docs")


def test_a_connection_bound_to_another_thread(path):
    foreign = nearlite.connect(path, check_same_thread=True)
    docs = nearlite.Collection(foreign, "docs").create(dim=3)
    found = []

    def work():
        try:
            docs.count()
        except nearlite.Error as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [type(error) for error in found] == [nearlite.ThreadError]
    assert "check_same_thread=False" in str(found[0])


def test_limits_of_the_engine_are_errors_of_this_package(docs):
    for text, message in [("x " * 100_000, "length of the full-text query .* the limit is"), ("(" * 500 + "a" + ")" * 500, "brackets .* the limit")]:
        with pytest.raises(nearlite.InputError, match=message):
            docs.search(text=text)


def test_metadata_that_is_nested_too_deep_is_told(docs):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for metadata in ({"a": deep}, {"a": deep, "b": {1}}, {"b": [deep, {1}]}):
        with pytest.raises(nearlite.InputError, match=r"metadatas\[0\]: .*nested too deep"):
            docs.add(ids=["a"], metadatas=[metadata])
    with pytest.raises(nearlite.InputError, match="meta: it is nested too deep|not valid JSON"):
        docs.add([{"id": "a", "meta": '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"}])
    # Deep enough for the engine, which names its own limit.
    for _ in range(300):
        metadata = {"a": metadata if isinstance(metadata, dict) and "b" not in metadata else 1}
    with pytest.raises(nearlite.InputError, match="levels of nesting"):
        docs.add(ids=["a"], metadatas=[metadata])
    while deep:
        deep = deep.pop()
    assert docs.count() == 1


def test_bytes_are_no_text(docs):
    for value in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        for call in (docs.add, docs.upsert, docs.update):
            with pytest.raises(nearlite.InputError, match=r"texts \(body\)\[1\]: expected a text or None, got bytes"):
                call([{"id": "a", "body": "x"}, {"id": "b", "body": value}])
    assert docs.count() == 1
    docs.add([{"id": "n", "body": 5}])
    assert docs.get_one("n").text == "5"
    pyarrow = pytest.importorskip("pyarrow")
    with pytest.raises(nearlite.InputError, match="got bytes"):
        docs.add(pyarrow.table({"id": ["a"], "body": pyarrow.array([b"abc"])}))

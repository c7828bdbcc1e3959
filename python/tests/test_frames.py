"""Arrow tables and DataFrames, in and out."""

import math

import pytest

import nearlite

numpy = pytest.importorskip("numpy")
VECTORS = numpy.arange(12, dtype="f4").reshape(3, 4) + 1


@pytest.fixture
def docs(db):
    return nearlite.Collection(db, "docs").create(dim=4, text=["body"], columns={"year": int, "open": bool, "price": float})


def test_arrow_in_and_out(docs):
    pyarrow = pytest.importorskip("pyarrow")
    fixed = pyarrow.FixedSizeListArray.from_arrays(VECTORS.ravel(), 4)
    table = pyarrow.table(
        {
            "id": ["a", "b", "c"],
            "body": ["x", None, "z"],
            "year": pyarrow.array([1, None, 3], pyarrow.int16()),
            "open": [True, False, None],
            "price": [0.5, None, 2],
            "tags": [["p"], [], None],
            "deep": [{"x": 1}, None, {"x": 3}],
            "embedding": fixed,
        }
    )
    assert docs.upsert(table) == ["a", "b", "c"]
    out = docs.to_arrow()
    assert out.column_names == ["id", "body", "year", "open", "price", "meta", "embedding"]
    for name in ("id", "body", "open", "price"):
        assert out[name].to_pylist() == table[name].to_pylist()
    assert out["embedding"].combine_chunks().equals(fixed) or out["embedding"].to_pylist() == fixed.to_pylist()
    assert docs.get_one("a").metadata == {"year": 1, "open": True, "price": 0.5, "tags": ["p"], "deep": {"x": 1}}
    copy = nearlite.Collection(docs.connection, "copy").create(dim=4, text=["body"], columns={"year": int, "open": bool, "price": float})
    for batch in out.to_batches():
        copy.add(batch)
    assert copy.to_arrow().equals(out)
    hits = docs.search(VECTORS[0], k=2).to_arrow()
    assert hits["id"].to_pylist()[0] == "a" and hits["distance"].to_pylist()[0] == pytest.approx(0, abs=1e-6)
    assert docs.search(VECTORS[0], where={"year": 99}).to_arrow().num_rows == 0
    assert docs.search(VECTORS[0], where={"year": 99}).to_arrow().schema == hits.schema


@pytest.mark.parametrize("kind", ["list", "large_list", "float64", "float16"])
def test_arrow_vectors_of_every_kind(docs, kind):
    pyarrow = pytest.importorskip("pyarrow")
    value = {"float64": pyarrow.float64(), "float16": pyarrow.float16()}.get(kind, pyarrow.float32())
    make = pyarrow.large_list if kind == "large_list" else pyarrow.list_
    rows = [row.tolist() if kind != "float16" else list(row.astype("f2")) for row in VECTORS]
    docs.add(ids=["a", "b", "c"], vectors=pyarrow.array(rows, make(value)))
    assert docs.get_one("b", include_vectors=True).vector == VECTORS[1].tolist()
    docs.upsert(ids=["a", "b"], vectors=pyarrow.array([rows[2], None], make(value)))
    assert docs.get_one("a", include_vectors=True).vector == VECTORS[2].tolist()
    assert docs.get_one("b", include_vectors=True).vector is None
    chunked = pyarrow.chunked_array([pyarrow.array(rows[:1], make(value)), pyarrow.array(rows[1:], make(value))])
    docs.upsert(ids=["a", "b", "c"], vectors=chunked)
    assert docs.get_one("c", include_vectors=True).vector == VECTORS[2].tolist()
    for bad, message in [
        (pyarrow.array([rows[0], rows[1][:3]], make(value)), r"row 1: expected 4 numbers, got the shape \(3,\)"),
        (pyarrow.array([1.0, 2.0]), "expected an array of lists of numbers, got double"),
    ]:
        with pytest.raises(nearlite.InputError, match=message):
            docs.upsert(ids=["x", "y"], vectors=bad)


def test_pandas_in_and_out(docs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "id": ["a", "b", "c"],
            "body": ["x", None, "z"],
            "year": pandas.array([1, None, 3], dtype="Int64"),
            "price": [0.5, math.nan, 2],
            "when": pandas.to_datetime(["2024-01-02", None, "2024-01-04"]),
            "embedding": list(VECTORS.astype("f8")),
        }
    )
    docs.upsert(frame)
    assert docs.get_one("a").metadata == {"year": 1, "price": 0.5, "when": "2024-01-02T00:00:00"}
    assert docs.get_one("b").metadata == {} and docs.get_one("b").text is None
    out = docs.to_pandas()
    assert out["id"].tolist() == ["a", "b", "c"] and out["meta"][0] == {"when": "2024-01-02T00:00:00"}
    assert numpy.array_equal(numpy.stack(out["embedding"].tolist()), VECTORS)
    hits = docs.search(VECTORS[2], k=2, columns=["year"]).to_pandas()
    assert hits.columns.tolist() == ["id", "year", "distance", "bm25", "score", "vector_rank", "text_rank"]
    assert docs.search(VECTORS[2], where="0").to_pandas().empty
    docs.upsert(pandas.DataFrame({"id": ["n"], "embedding": [None]}))
    assert docs.get_one("n", include_vectors=True).vector is None


def test_dictionaries(docs):
    docs.add([{"id": "a", "body": "x", "year": 3, "color": "red"}, {"id": "b", "embedding": [1, 2, 3, 4], "meta": {"k": 1}, "size": 2}])
    assert docs.get_one("a").metadata == {"year": 3, "color": "red"} and docs.get_one("b").metadata == {"k": 1, "size": 2}
    for rows, message in [
        ([{"id": "c", "meta": [1]}], "meta: expected a JSON object"),
        ([{"id": "c", "meta": "{"}], "meta: it is not JSON"),
        ([{"id": "c"}, {"body": "x"}], r"ids\[1\]: the ids of docs are texts, got None"),
    ]:
        with pytest.raises(nearlite.InputError, match=message):
            docs.add(rows)


def test_polars(docs):
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    docs.add(polars.DataFrame({"id": ["a"], "body": ["x"], "embedding": [[1.0, 2.0, 3.0, 4.0]]}))
    assert docs.get_one("a", include_vectors=True).vector == [1, 2, 3, 4]

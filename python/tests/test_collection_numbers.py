"""Numbers as arguments: those of numpy count as Python's, and what is no finite number is refused."""

import pytest

import nearlite

numpy = pytest.importorskip("numpy")


@pytest.fixture
def docs(db):
    made = nearlite.Collection(db, "docs").create(dim=2, key_type=int)
    made.add(ids=range(8), texts=[f"owl {at}" for at in range(8)], vectors=[[1, at / 4] for at in range(8)], metadatas=[{"n": at} for at in range(8)])
    return made


OPTIONS = [
    ({}, "within", 0.1),
    ({}, "min_score", -0.1),
    ({"words": "owl"}, "min_score", 0.0625),
    ({"words": "owl 3"}, "alpha", 0.25),
    ({"words": "owl 3"}, "min_score", 0.0625),
    ({}, "mmr", 0.25),
]


@pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
@pytest.mark.parametrize(("options", "name", "value"), OPTIONS)
def test_a_number_of_numpy_is_that_number(docs, kind, options, name, value):
    # float32 was bound as a BLOB, which is greater than every number: within= let all rows pass, min_score= none.
    given = numpy.dtype(kind).type(value)
    query = None if "words" in options and name == "min_score" and options["words"] == "owl" else [1, 0]
    expected = docs.search(query, k=8, **options, **{name: float(given)})
    assert docs.search(query, k=8, **options, **{name: given}) == expected


def test_whole_numbers_of_numpy(docs, db):
    three = numpy.int64(3)
    assert docs.get(three).ids == [3] == docs.get([three]).ids and docs.exists(three) and docs.get_one(three).id == 3
    assert docs.get(numpy.array(3)).ids == [3] and docs.get(numpy.array([3, 1])).ids == [3, 1]
    assert docs.count("id < ?", [three]) == 3 and docs.count("id < ?", [numpy.float32(2.5)]) == 3
    assert len(docs.search([1, 0], "owl", k=three, depth=numpy.int64(5))) == 3 == len(docs.get(limit=three))
    both = [docs.search([1, 0], "owl 3", k=8, **{name: value}) for name, value in (("weights", numpy.array([1, 2.0])), ("weights", [1, 2.0]))]
    assert both[0] == both[1]
    fused = [docs.search([1, 0], "owl 3", fusion={"fusion": "convex", "alpha": kind(0.25)}) for kind in (float, numpy.float32)]
    assert fused[0] == fused[1]
    docs.set("ef_search", numpy.int64(50))
    assert docs.setting("ef_search") == 50
    assert docs.delete(three) == 1 and docs.delete(numpy.array([1, 2])) == 2 and docs.count() == 5
    made = nearlite.Collection(db, "made").create(dim=numpy.int64(3), m=numpy.int32(8), text={"body": numpy.float32(2)})
    assert made.schema.vector().dim == 3


@pytest.mark.parametrize("name", ["within", "min_score", "alpha", "mmr"])
@pytest.mark.parametrize("value", ["0.5", True, float("nan"), float("inf"), b"\x00", None, [0.5], numpy.float32("nan"), 10**400])
def test_what_is_no_finite_number_is_refused(docs, name, value):
    if value is None:
        assert docs.search([1, 0], "owl", **{name: value})
        return
    with pytest.raises(nearlite.InputError, match=f"^{name}: expected a number"):
        docs.search([1, 0], "owl", **{name: value})


def test_what_is_no_whole_number_is_refused(docs):
    for call in (
        lambda value: docs.get([1], limit=value),
        lambda value: docs.get([1], offset=value),
        lambda value: docs.get(limit=value),
        lambda value: next(docs.batches(value)),
        lambda value: docs.search([1, 0], "owl", depth=value),
    ):
        for value in (-1, 0.5, "1", True):
            with pytest.raises(nearlite.InputError, match="expected a whole number"):
                call(value)
    for ids in (b"12", 1.5, True, {1: 2}):
        for call in (docs.get, docs.delete):
            with pytest.raises(nearlite.InputError, match="ids"):
                call(ids)
    for weights in ("12", [1, "2"], {"vector": 1}, 3):
        with pytest.raises(nearlite.InputError, match="^weights: expected"):
            docs.search([1, 0], "owl", weights=weights)
    with pytest.raises(nearlite.InputError, match="^budget: expected a number"):
        docs.maintain("1")
    with pytest.raises(nearlite.InputError, match="^timeout: expected seconds"):
        nearlite.Endpoint("http://127.0.0.1:9", "m", timeout="1")
    assert docs.count() == 8

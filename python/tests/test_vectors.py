"""serialize_float32() and to_numpy(), and that the engine takes and gives what they say."""

import array
import struct

import pytest

import nearlite

numpy = pytest.importorskip("numpy")
THREE = struct.pack("<3f", 1.5, -2.0, 0.25)


@pytest.mark.parametrize(
    "vector",
    [
        [1.5, -2, 0.25],
        (1.5, -2.0, 0.25),
        iter([1.5, -2.0, 0.25]),
        array.array("f", [1.5, -2.0, 0.25]),
        array.array("d", [1.5, -2.0, 0.25]),
        numpy.array([1.5, -2.0, 0.25]),
        numpy.array([1.5, -2.0, 0.25], dtype="float16"),
        numpy.array([1.5, -2.0, 0.25], dtype=">f4"),
        numpy.array([1.5, 9, -2.0, 9, 0.25, 9], dtype="float32")[::2],
        [numpy.float64(1.5), numpy.float32(-2), 0.25],
    ],
    ids=lambda vector: type(vector).__name__,
)
def test_every_sequence_of_numbers_gives_the_same_blob(vector):
    assert nearlite.serialize_float32(vector) == THREE


def test_integers_of_numpy_are_numbers():
    assert nearlite.serialize_float32(numpy.array([1, 2])) == struct.pack("<2f", 1, 2)


@pytest.mark.parametrize(
    "wrong, error",
    [
        ("[1, 2]", TypeError),
        (b"\0\0\0\0", TypeError),
        (["x"], TypeError),
        ([[1, 2]], TypeError),
        (numpy.zeros((1, 2)), ValueError),
        (numpy.array(["x"]), TypeError),
        (numpy.array([1j]), TypeError),
        ([1e300], OverflowError),
        (numpy.array([1e300]), OverflowError),
    ],
    ids=repr,
)
def test_what_is_no_vector_is_refused(wrong, error):
    with pytest.raises(error):
        nearlite.serialize_float32(wrong)


def test_a_vector_goes_through_the_database_and_back(db):
    db.execute("CREATE VIRTUAL TABLE t USING nearlite(e VECTOR(384))")
    vector = numpy.random.default_rng(1).standard_normal(384)
    db.execute("INSERT INTO t(e) VALUES(?)", (nearlite.serialize_float32(vector),))
    (blob,) = db.execute("SELECT e FROM t").fetchone()
    back = nearlite.to_numpy(blob)
    assert back.dtype == numpy.float32 and (back == vector.astype("float32")).all()
    assert not back.flags.writeable


def test_a_blob_of_another_length_is_refused():
    with pytest.raises(ValueError, match="4 bytes"):
        nearlite.to_numpy(b"abc")

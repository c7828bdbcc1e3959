"""Vectors as nearlite stores them: BLOBs of little-endian 32-bit floats."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


def serialize_float32(vector: Iterable[float]) -> bytes:
    """Returns the vector as the BLOB that a VECTOR column takes.

    Takes what holds numbers in one dimension: a list, a tuple, an ``array.array``, a numpy array of any number type. A
    float64 array is converted, which binding it as it is would not do.
    """
    # An array can only come from a numpy that is imported already.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(vector, (numpy.ndarray, numpy.generic)):
        if vector.ndim != 1:
            raise ValueError(f"a vector has one dimension, this array has {vector.ndim}")
        if vector.dtype.kind not in "fiu":
            raise TypeError(f"a vector holds numbers, this array holds {vector.dtype}")
        with numpy.errstate(over="ignore"):
            floats = vector.astype("<f4")
        if not (numpy.isfinite(floats) | ~numpy.isfinite(vector)).all():
            raise OverflowError("a number is too large for a 32-bit float")
        return bytes(floats.tobytes())
    if isinstance(vector, (str, bytes, bytearray)):
        raise TypeError(f"a vector is a sequence of numbers, not {type(vector).__name__}")
    numbers = list(vector)
    try:
        return struct.pack(f"<{len(numbers)}f", *numbers)
    except struct.error as error:
        raise TypeError(f"a vector is a sequence of numbers: {error}") from None


def to_numpy(blob: bytes) -> numpy.ndarray[Any, Any]:
    """Returns the vector of a BLOB as a numpy array of float32.

    The array is a read-only view of the BLOB; ``.copy()`` gives one that can be written.
    """
    import numpy

    if len(blob) % 4:
        raise ValueError(f"a vector takes 4 bytes a number, and this BLOB has {len(blob)} bytes")
    return numpy.frombuffer(blob, dtype="<f4")

"""A batch of vectors as the BLOBs that are stored: checked whole before the first is written."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from ._errors import InputError
from ._schema import Column

Blob = Optional[bytes]

# Rows that are converted at once: few enough that the copies stay in the processor's cache.
_CHUNK = 512


def blobs(vectors: Any, column: Column, table: str) -> Sequence[Blob] | _Matrix:
    """The vectors of a batch as BLOBs, for a column of ``column.dim`` numbers.

    Takes a numpy array of any number type and shape ``(n, dim)``, an Arrow array of lists, a list of lists, of arrays and of None.
    Raises InputError with the position of the first vector that does not fit, or that holds NaN or an infinity.
    """
    where = f"vectors of {table}.{column.name}"
    if hasattr(vectors, "__arrow_c_array__") or hasattr(vectors, "__arrow_c_stream__"):
        from . import _arrow

        if _arrow.is_arrow(vectors):
            vectors = _arrow.matrix(vectors, where)
    if not isinstance(vectors, (list, tuple)) and hasattr(vectors, "__array__"):
        import numpy

        array = numpy.asarray(vectors)
        if array.dtype.kind != "O":
            return _Matrix(array, column.dim, where)
        vectors = list(array)
    if isinstance(vectors, (str, bytes, bytearray)) or not hasattr(vectors, "__iter__"):
        raise InputError(f"{where}: expected a list of vectors or an array of two dimensions, got {type(vectors).__name__}")
    rows = list(vectors)
    if rows and all(isinstance(row, (int, float)) for row in rows):
        raise InputError(f"{where}: this is one vector; give a list of vectors, one for each id")
    return [None if row is None else _one(row, column.dim, where, at) for at, row in enumerate(rows)]


def one(vector: Any, column: Column, table: str) -> bytes:
    """A query vector as a BLOB; raises InputError where it does not fit the column."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(vector, numpy.ndarray) and vector.ndim == 2 and len(vector) == 1:
        # What encoders return for one text.
        vector = vector[0]
    return _one(vector, column.dim, f"the query for {table}.{column.name}", None)


def _one(vector: Any, dim: int, where: str, at: int | None) -> bytes:
    numpy = sys.modules.get("numpy")
    if isinstance(vector, (bytes, bytearray, memoryview)):
        data = bytes(vector)
        if len(data) != 4 * dim:
            raise InputError(f"{_place(where, at)}: expected {dim} 32-bit floats, which are {4 * dim} bytes, got {len(data)} bytes")
        finite = not _odd(data, dim)
    elif numpy is not None and not isinstance(vector, (list, tuple)) and hasattr(vector, "__array__"):
        array = numpy.asarray(vector)
        _check_type(array, where, at)
        if array.ndim != 1 or len(array) != dim:
            raise InputError(f"{_place(where, at)}: expected {dim} numbers, got the shape {tuple(array.shape)}")
        floats = array
        if array.dtype != "<f4":
            with numpy.errstate(over="ignore"):
                floats = array.astype("<f4")
        data, finite = floats.tobytes(), bool(numpy.isfinite(floats).all())
    else:
        if isinstance(vector, str) or not hasattr(vector, "__iter__"):
            raise InputError(f"{_place(where, at)}: a vector is a sequence of numbers, got {type(vector).__name__}")
        numbers = list(vector)
        if len(numbers) != dim:
            raise InputError(f"{_place(where, at)}: expected {dim} numbers, got {len(numbers)}")
        try:
            data = struct.pack(f"<{dim}f", *numbers)
            finite = not _odd(data, dim)
        except OverflowError:
            data, finite = b"", False
        except (struct.error, TypeError):
            odd = next((number for number in numbers if isinstance(number, (str, bytes)) or not hasattr(number, "__float__")), None)
            raise InputError(f"{_place(where, at)}: a vector is a sequence of numbers, got {odd!r} in it") from None
    if not finite:
        raise InputError(f"{_place(where, at)}: it holds a number that is NaN, infinite or too large for a 32-bit float")
    return data


def _odd(data: bytes, dim: int) -> bool:
    return not math.isfinite(sum(struct.unpack(f"<{dim}f", data)))


def _place(where: str, at: int | None) -> str:
    return where if at is None else f"{where}, row {at}"


def _check_type(array: Any, where: str, at: int | None) -> None:
    # Types of ml_dtypes, such as bfloat16, are of the kind V.
    if array.dtype.kind not in "fiu" and not array.dtype.name.startswith(("bfloat", "float")):
        raise InputError(f"{_place(where, at)}: a vector holds numbers, this array holds {array.dtype}")


class _Matrix:
    """The rows of an array, converted as they are taken."""

    def __init__(self, array: Any, dim: int, where: str) -> None:
        import numpy

        _check_type(array, where, None)
        if array.ndim == 1 and len(array):
            raise InputError(f"{where}: this is one vector; give an array of two dimensions, one row for each id")
        if array.ndim == 0 or array.ndim != 2 and len(array) or array.ndim == 2 and len(array) and array.shape[1] != dim:
            raise InputError(f"{where}: expected the shape (n, {dim}), got {tuple(array.shape)}")
        for start in range(0, len(array), _CHUNK):
            with numpy.errstate(over="ignore"):
                fine = numpy.isfinite(array[start : start + _CHUNK].astype("<f4", copy=False)).all(axis=1)
            if not fine.all():
                at = start + int(numpy.argmin(fine))
                raise InputError(f"{where}, row {at}: it holds a number that is NaN, infinite or too large for a 32-bit float")
        self._array, self._dim = array, dim

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[bytes]:
        step = 4 * self._dim
        for start in range(0, len(self), _CHUNK):
            data = self._array[start : start + _CHUNK].astype("<f4", copy=False).tobytes()
            yield from [data[at : at + step] for at in range(0, len(data), step)]


def floats(blob: bytes) -> list[float]:
    """The numbers of a stored vector."""
    return list(struct.unpack(f"<{len(blob) // 4}f", blob))

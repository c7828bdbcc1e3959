"""Arrow tables in and out: vectors go through as one block of memory, without an object for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import InputError
from ._hits import MEASURES, Shape

if TYPE_CHECKING:
    import pyarrow


#: What the fields of JSON columns beside that of the metadata are marked with: their texts are the JSON of values.
JSON_MARK = {b"nearlite": b"json"}


def is_arrow(value: Any) -> bool:
    """Whether it is an array or a table of pyarrow, or one of polars, which becomes one."""
    return type(value).__module__.partition(".")[0] in ("pyarrow", "polars")


def as_table(value: Any) -> pyarrow.Table:
    """A table, a record batch or a reader as a table."""
    import pyarrow

    if isinstance(value, pyarrow.Table):
        return value
    if isinstance(value, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([value])
    return pyarrow.table(value)


def matrix(vectors: Any, where: str) -> Any:
    """An array of lists as a numpy array of two dimensions; as a list of arrays and None where lengths differ or some are NULL."""
    import pyarrow

    array = vectors if isinstance(vectors, (pyarrow.Array, pyarrow.ChunkedArray)) else pyarrow.chunked_array(vectors)
    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pyarrow.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pyarrow.array([], array.type)
    kind = array.type
    fixed = pyarrow.types.is_fixed_size_list(kind)
    if not (fixed or pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind)):
        raise InputError(f"{where}: expected an array of lists of numbers, got {kind}")
    if not array.null_count:
        numbers = array.flatten()
        size = kind.list_size if fixed else _common_length(array)
        if size and not numbers.null_count and len(numbers) == size * len(array):
            return numbers.to_numpy(zero_copy_only=False).reshape(len(array), size)
    return [None if not item.is_valid else item.values.to_numpy(zero_copy_only=False) for item in array]


def _common_length(array: Any) -> int:
    import pyarrow.compute

    lengths = pyarrow.compute.unique(pyarrow.compute.list_value_length(array))
    return int(lengths[0].as_py()) if len(lengths) == 1 else 0


def table(shape: Shape, rows: list[tuple[Any, ...]]) -> pyarrow.Table:
    """Rows as a table with the types of their columns."""
    import pyarrow

    types = {"TEXT": pyarrow.string(), "INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "BOOLEAN": pyarrow.bool_(), "JSON": pyarrow.string()}
    measures = dict(zip(MEASURES, [pyarrow.float64()] * 3 + [pyarrow.int64()] * 2))
    names = shape.names()
    columns: list[Any] = list(zip(*rows)) if rows else [()] * len(names)
    arrays = [pyarrow.array(columns[0], pyarrow.string() if shape.schema.key_type is str else pyarrow.int64())]
    for column, values in zip(shape.columns, columns[1:]):
        if column.kind == "vector":
            arrays.append(_vectors(values, column.dim))
        elif column.type in types and (column.kind != "stored" or column.type == "JSON"):
            kind = types[column.type]
            arrays.append(pyarrow.array([None if value is None else bool(value) for value in values] if column.type == "BOOLEAN" else values, kind))
        else:
            arrays.append(_any(values))
    if shape.measured:
        arrays += [pyarrow.array(values, measures[name]) for name, values in zip(MEASURES, columns[shape.measures :])]
    if shape.snippet:
        arrays.append(pyarrow.array(columns[shape.snippet], pyarrow.string()))
    marks = {column.name: JSON_MARK for column in shape.schema.json_values if column in shape.columns}
    fields = [pyarrow.field(name, array.type, metadata=marks.get(name)) for name, array in zip(names, arrays)]
    return pyarrow.table(arrays, schema=pyarrow.schema(fields))


def _any(values: Any) -> Any:
    """Values of a column that may hold anything: of the type they share, else as texts."""
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([None if value is None else str(value) for value in values], pyarrow.string())


def _vectors(blobs: Any, dim: int) -> Any:
    import pyarrow

    missing = [blob is None for blob in blobs]
    data = b"".join([bytes(4 * dim) if blob is None else blob for blob in blobs])
    numbers = pyarrow.Array.from_buffers(pyarrow.float32(), len(blobs) * dim, [None, pyarrow.py_buffer(data)])
    mask = pyarrow.array(missing, pyarrow.bool_()) if any(missing) else None
    return pyarrow.FixedSizeListArray.from_arrays(numbers, dim, mask=mask)

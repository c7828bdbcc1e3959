"""DataFrames out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _metadata
from ._hits import Shape

if TYPE_CHECKING:
    import pandas


def frame(shape: Shape, rows: list[tuple[Any, ...]]) -> pandas.DataFrame:
    """Rows as a DataFrame: metadata as dictionaries, vectors as arrays that are views of one block."""
    import numpy
    import pandas

    columns = list(zip(*rows)) if rows else [()] * len(shape.names())
    data: Any = {name: list(values) for name, values in zip(shape.names(), columns)}
    for column in shape.columns:
        values = data[column.name]
        if column.kind == "vector":
            present = [blob for blob in values if blob is not None]
            block = iter(numpy.frombuffer(b"".join(present), "<f4").reshape(len(present), column.dim))
            data[column.name] = [None if blob is None else next(block) for blob in values]
        elif column is shape.schema.json:
            data[column.name] = [_metadata.decode(value) for value in values]
        elif column in shape.schema.json_values:
            data[column.name] = [_metadata.json_value(value) for value in values]
        elif column.type == "BOOLEAN":
            data[column.name] = [None if value is None else bool(value) for value in values]
    made: pandas.DataFrame = pandas.DataFrame(data)
    return made

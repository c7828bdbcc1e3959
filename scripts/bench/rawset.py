"""Data sets of raw floats as files: `NAME.base.f32`, `NAME.query.f32` (little-endian f32, unit length) and `NAME.gt.i32`, the true
neighbours of each query by cosine, nearest first."""

import pathlib

import numpy as np

TRUE_NEIGHBOURS = 100


def unit(rows):
    rows = np.asarray(rows, "<f4")
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def exact(base, queries, k):
    """The k nearest rows of each query; of rows equally near, the lower number first."""
    found = [np.argsort(-(queries[at : at + 100] @ base.T), axis=1, kind="stable")[:, :k] for at in range(0, len(queries), 100)]
    return np.vstack(found)


def write(folder, name, base, queries):
    base, queries = unit(base), unit(queries)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base.tofile(folder / f"{name}.base.f32")
    queries.tofile(folder / f"{name}.query.f32")
    exact(base, queries, TRUE_NEIGHBOURS).astype("<i4").tofile(folder / f"{name}.gt.i32")
    print(f"{name}: {len(base):,} rows and {len(queries):,} queries of {base.shape[1]} dimensions")

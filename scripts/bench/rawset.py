"""Data sets of raw floats as files: `NAME.base.f32`, `NAME.query.f32` (little-endian f32, by cosine of unit length) and
`NAME.gt.i32`, the true neighbours of each query, nearest first."""

import pathlib

import numpy as np

TRUE_NEIGHBOURS = 100


def unit(rows):
    rows = np.asarray(rows, "<f4")
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def exact(base, queries, k, metric="cosine"):
    """The k nearest rows of each query; of rows equally near, the lower number first."""
    if metric == "l2":
        # Sums in f64: pixels as bytes have squares beyond what f32 tells apart.
        base, queries = base.astype("f8"), queries.astype("f8")
    squares = (base * base).sum(axis=1) if metric == "l2" else 0.0

    def nearest(queries):
        keys = squares - (2.0 if metric == "l2" else 1.0) * (queries @ base.T)
        return np.argsort(keys, axis=1, kind="stable")[:, :k]

    return np.vstack([nearest(queries[at : at + 100]) for at in range(0, len(queries), 100)])


def write(folder, name, base, queries, metric="cosine"):
    prepare = unit if metric == "cosine" else lambda rows: np.asarray(rows, "<f4")
    base, queries = prepare(base), prepare(queries)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base.tofile(folder / f"{name}.base.f32")
    queries.tofile(folder / f"{name}.query.f32")
    exact(base, queries, TRUE_NEIGHBOURS, metric).astype("<i4").tofile(folder / f"{name}.gt.i32")
    print(f"{name}: {len(base):,} rows and {len(queries):,} queries of {base.shape[1]} dimensions")

"""What the right answer is, worked out in the plainest way: numpy loops over every row, in double precision."""

import json
import math
import pathlib

import numpy as np

LANGS = ["en", "de", "fr", "ja", "En", None]
WORDS = "amber badger cobalt dahlia ember falcon garnet harbor indigo jasmine kernel lagoon meadow nectar onyx pepper".split()
DIM = 8
COLUMNS = ["title", "body", "lang", "year", "price", "free", "payload", "embedding"]

CREATE = f"""CREATE VIRTUAL TABLE docs USING nearlite(
  title TEXT FULLTEXT, body TEXT FULLTEXT, lang TEXT, year INTEGER, price REAL, free BOOLEAN, payload TEXT UNINDEXED,
  embedding VECTOR({DIM}))"""
# The same rows in an ordinary table: SQLite itself says which rows a WHERE keeps.
CREATE_PLAIN = """CREATE TABLE plain(rowid INTEGER PRIMARY KEY,
  title TEXT, body TEXT, lang TEXT, year INTEGER, price REAL, free BOOLEAN, payload TEXT, embedding BLOB)"""
INSERT = f"INSERT INTO docs(rowid, {', '.join(COLUMNS)}) VALUES({', '.join('?' * 9)})"
INSERT_PLAIN = INSERT.replace("INTO docs", "INTO plain")


def blob(vector):
    """A vector as nearlite takes it: little-endian f32."""
    return np.asarray(vector, dtype="<f4").tobytes()


def floats(data):
    """The inverse of `blob`, widened to double precision."""
    return np.frombuffer(data, dtype="<f4").astype(np.float64)


def distance(metric, a, b):
    """The distance as the contract defines it; smaller is nearer."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if metric == "l2":
        return float(np.sqrt(((a - b) ** 2).sum()))
    if metric == "ip":
        return float(-(a @ b))
    lengths = np.sqrt((a @ a) * (b @ b))
    return float(1 - (a @ b) / lengths) if lengths > 0 else 1.0


def nearest(vectors, query, metric="cosine", keep=None):
    """All (rowid, distance), nearest first, equal distances in rowid order. `vectors` maps rowid to an array or None."""
    found = [
        (rowid, distance(metric, vector, query))
        for rowid, vector in vectors.items()
        if vector is not None and (keep is None or rowid in keep)
    ]
    # Rounding to single precision, so that rows equal in the stored f32 are equal here too.
    return sorted(found, key=lambda pair: (round(pair[1], 6), pair[0]))


def same_ranking(actual, expected, tolerance=2e-5):
    """Asserts that (rowid, distance) lists agree; neighbours closer than the tolerance may stand in either order."""
    actual = [(row[0], row[1]) for row in actual]
    assert len(actual) == len(expected), f"{len(actual)} rows instead of {len(expected)}: {actual[:5]} against {expected[:5]}"
    assert len({rowid for rowid, _ in actual}) == len(actual), f"a row came twice: {actual}"
    for place, ((got_id, got), (want_id, want)) in enumerate(zip(actual, expected)):
        assert got is not None and math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance), (
            f"place {place}: row {got_id} at {got} instead of row {want_id} at {want}"
        )
        # A different row at an equal distance is right only where the model too has a tie.
        if got_id != want_id:
            ties = {rowid for rowid, d in expected if abs(d - want) <= 2 * tolerance}
            assert got_id in ties or place >= len(expected) - 1, f"place {place}: row {got_id} instead of {want_id}"


def random_vectors(rng, count, dim=DIM):
    return rng.standard_normal((count, dim)).astype(np.float32)


def random_rows(rng, count, first=1, dim=DIM):
    """Rows for `INSERT`: skewed values, NULLs in every nullable kind of column, clustered vectors."""
    centres = random_vectors(rng, 6, dim)
    rows = []
    for rowid in range(first, first + count):
        centre = int(rng.integers(0, 6))
        vector = centres[centre] + 0.7 * random_vectors(rng, 1, dim)[0]
        words = rng.choice(WORDS, size=int(rng.integers(3, 12)))
        rows.append(
            (
                rowid,
                " ".join(rng.choice(WORDS, size=3)),
                " ".join(words),
                # Correlated with the vector: a filter by language leaves one corner of the space.
                LANGS[centre] if rng.random() < 0.8 else LANGS[int(rng.integers(0, 6))],
                2000 + int(25 * rng.random() ** 2),
                None if rng.random() < 0.1 else round(float(rng.random() * 100), 2),
                int(rng.random() < 0.3),
                None if rng.random() < 0.2 else f"payload {rowid}",
                None if rng.random() < 0.05 else blob(vector),
            )
        )
    return rows


def vectors_of(rows):
    return {row[0]: None if row[8] is None else floats(row[8]) for row in rows}


# ---- text ----


def tokens(text):
    return (text or "").lower().split()


def bm25(documents, query_words, k1=1.2, b=0.75):
    """BM25 of one column, {rowid: score}, for the rows that hold a query word. `documents` maps rowid to text."""
    split = {rowid: tokens(text) for rowid, text in documents.items()}
    count = len(split)
    average = sum(len(words) for words in split.values()) / count
    scores = {}
    for word in query_words:
        holders = [rowid for rowid, words in split.items() if word in words]
        idf = math.log(1 + (count - len(holders) + 0.5) / (len(holders) + 0.5))
        for rowid in holders:
            frequency = split[rowid].count(word)
            norm = k1 * (1 - b + b * len(split[rowid]) / average)
            scores[rowid] = scores.get(rowid, 0.0) + idf * (k1 + 1) * frequency / (frequency + norm)
    return scores


# ---- the sample data ----

SAMPLE = pathlib.Path(__file__).resolve().parent.parent.parent / "examples" / "data"


def read_sample(stem):
    """(records, normalised f32 vectors) of `packages` or `queries`; the format is in examples/data/README.md."""
    with open(SAMPLE / f"{stem}.jsonl", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    vectors = np.fromfile(SAMPLE / f"{stem}.i8", dtype=np.int8).reshape(len(records), 384).astype(np.float32)
    return records, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

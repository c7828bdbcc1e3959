"""``nearlite demo``: a tour over a few sentences, with vectors that are made on the spot."""

from __future__ import annotations

import sys
import zlib
from typing import Any

from .. import Collection, collections
from . import _open, _print

_SENTENCES = [
    ("owl", 2004, "bird", "owls hunt mice at night and turn their heads all the way round"),
    ("nightjar", 2011, "bird", "nightjars fly at dusk and hunt moths at night"),
    ("falcon", 2016, "bird", "falcons hunt other birds by day and dive faster than any animal"),
    ("penguin", 2009, "bird", "penguins swim and cannot fly"),
    ("wolf", 2010, "mammal", "wolves hunt in packs at night and by day"),
    ("bat", 2018, "mammal", "bats fly at night and hear what they hunt"),
    ("mole", 2003, "mammal", "moles dig under the meadow and hardly see"),
    ("otter", 2020, "mammal", "otters swim and crack shells with stones"),
    ("pike", 2012, "fish", "pikes wait among the reeds and hunt other fish"),
    ("salmon", 2019, "fish", "salmon swim up the river where they were born"),
]


def _embed(texts: list[str]) -> list[list[float]]:
    """Counts of three-letter pieces, hashed into 256 numbers: texts with the same pieces of words are alike."""
    vectors = []
    for text in texts:
        vector = [0.0] * 256
        padded = f"  {text.lower()}  "
        for at in range(len(padded) - 2):
            vector[zlib.crc32(padded[at : at + 3].encode()) % 256] += 1
        vectors.append(vector)
    return vectors


def run(given: Any) -> None:
    """Makes a collection and searches it in every way, showing the Python for each."""
    db = _open.database(given.db, make=True)
    if "animals" in collections(db):
        Collection(db, "animals").drop()
    docs = Collection(db, "animals", embed=_embed).create(text=["body"], columns={"year": int}, model="three-letter pieces")
    docs.add(
        ids=[row[0] for row in _SENTENCES],
        texts=[row[3] for row in _SENTENCES],
        metadatas=[{"year": year, "kind": kind} for _, year, kind, _ in _SENTENCES],
    )
    print(f"{docs.count()} sentences with vectors and metadata in one SQLite table, {given.db}\n")
    for title, code, hits in [
        ("the nearest by vector", "docs.search('hunting at night', k=3)", docs.search("hunting at night", k=3)),
        ("by words, ranked by BM25", "docs.search(words='hunt birds', k=3)", docs.search(words="hunt birds", k=3)),
        ("both, fused", "docs.search('hunting at night', words='fly', k=3)", docs.search("hunting at night", words="fly", k=3)),
        (
            "with a filter, evaluated inside the search",
            "docs.search('hunting at night', where={'year': {'$gte': 2010}, 'kind': 'mammal'}, k=3)",
            docs.search("hunting at night", where={"year": {"$gte": 2010}, "kind": "mammal"}, k=3),
        ),
        ("the best of each kind", "docs.search('swimming', group_by='kind', k=3)", docs.search("swimming", group_by="kind", k=3)),
        ("more like the owl", "docs.similar('owl', k=3)", docs.similar("owl", k=3)),
    ]:
        print(f"{title}\n  >>> {code}")
        sys.stdout.flush()
        _print.table(
            [{"id": hit.id, "score": hit.score, "year": hit.metadata["year"], "kind": hit.metadata["kind"], "body": hit.text} for hit in hits],
            ["id", "score", "year", "kind", "body"],
        )
        print()
    print("the same in SQL\n  >>> SELECT id, distance FROM animals WHERE embedding MATCH :v AND year >= 2010 ORDER BY distance LIMIT 3")
    print(f"\nrecall of the default search: {docs.recall(10, 3):.2f}")

"""The rows that the tests of the command import, and the collections that it made."""

import nearlite

ROWS = [
    {"id": "owl", "body": "owls hunt mice at night", "year": 2004, "tags": ["bird"], "embedding": [1.0, 0.0, 0.5]},
    {"id": "wolf", "body": "wolves hunt in packs", "year": 2010, "tags": ["mammal"], "embedding": [0.5, 1.0, 0.0]},
    {"id": "pike", "body": "pikes wait among reeds", "year": 2012, "odd": {"er": 1}, "embedding": [0.0, 0.5, 1.0]},
]


def opened(name="docs", path="x.db"):
    return nearlite.Collection(nearlite.connect(path), name)

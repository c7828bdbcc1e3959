"""nearlite: nearest neighbours, full text and SQL filters in one SQLite file.

    import nearlite

    db = nearlite.connect("docs.db")
    docs = nearlite.Collection(db, "docs").create(dim=384, text=["body"])

``connect()`` returns an ordinary ``sqlite3.Connection``; a ``Collection`` is a table of it. The SQL is described in the project's
reference.
"""

from ._connect import connect, load
from ._errors import (
    ClosedError,
    EmbedError,
    Error,
    ExistsError,
    FilterError,
    InputError,
    LoadError,
    ModelError,
    SchemaError,
    ThreadError,
)
from ._hits import Hit, Hits, Row, Rows
from ._library import loadable_path
from ._search import Explain
from ._table import collections
from ._values import Facet, Term, Token
from ._vectors import serialize_float32, to_numpy
from .collection import Collection
from .embed import Embed, Endpoint, register_embed

__version__ = "0.1.0"
__all__ = [
    "ClosedError",
    "Collection",
    "Embed",
    "EmbedError",
    "Endpoint",
    "Error",
    "ExistsError",
    "Explain",
    "Facet",
    "FilterError",
    "Hit",
    "Hits",
    "InputError",
    "LoadError",
    "ModelError",
    "Row",
    "Rows",
    "SchemaError",
    "Term",
    "ThreadError",
    "Token",
    "collections",
    "connect",
    "load",
    "loadable_path",
    "register_embed",
    "serialize_float32",
    "to_numpy",
]

"""nearlite: nearest neighbours, full text and SQL filters in one SQLite file.

    import nearlite

    db = nearlite.connect("docs.db")
    db.execute("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, embedding VECTOR(384))")

``connect()`` returns an ordinary ``sqlite3.Connection``; the SQL is described in the project's reference.
"""

from ._connect import connect, load
from ._errors import LoadError
from ._library import loadable_path
from ._vectors import serialize_float32, to_numpy

__version__ = "0.1.0"
__all__ = ["LoadError", "connect", "load", "loadable_path", "serialize_float32", "to_numpy"]

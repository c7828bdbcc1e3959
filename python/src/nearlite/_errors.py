"""The exceptions of this package. Each message is one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations


class Error(Exception):
    """What all exceptions of this package are. Errors of SQLite itself, a full disk for example, stay what they are."""


class LoadError(Error):
    """nearlite could not be loaded into a connection; the message says why and what to do."""


class InputError(Error, ValueError):
    """A value that cannot be stored or searched with: a wrong shape, a NaN, a wrong type. Nothing was written."""


class ExistsError(InputError):
    """An id that is there already. Nothing was written."""


class FilterError(InputError):
    """A filter that means nothing: an unknown operator, an operand of a wrong type."""


class SchemaError(Error):
    """The collection is not there, is there already, or does not have the column that was asked for."""


class ModelError(Error):
    """Vectors of one embedding model where the collection holds those of another."""


class EmbedError(Error):
    """The embedding function or endpoint failed or returned something else than one vector for each text."""


class ClosedError(Error):
    """The connection is closed."""


class ThreadError(Error):
    """The connection belongs to another thread."""

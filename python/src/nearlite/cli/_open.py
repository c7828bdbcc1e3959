"""Databases, collections and arguments that several commands take."""

from __future__ import annotations

import importlib
import json
import os
import sqlite3
import sys
from typing import Any

from .. import Collection, Endpoint, collections, connect
from .._errors import Error
from ..embed import Embed
from ._failure import Failure


def database(path: str, make: bool = False) -> Any:
    """A connection to the file; Failure where there is none and ``make`` is False, or where it is no database."""
    if not make and path != ":memory:" and not os.path.exists(path):
        raise Failure(f"there is no file {path}")
    connection = connect(path)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Failure(f"{path} cannot be opened as a database: {error}") from None
    return connection


def collection(path: str, table: str, embed: Embed | None = None) -> Collection:
    """A collection that is there."""
    connection = database(path)
    try:
        return Collection(connection, table, embed=embed).open()
    except Error as error:
        names = collections(connection)
        raise Failure(f"{error} (the file has {', '.join(names)})" if names else f"there is no collection in {path}") from None


def embedding(given: str | None, model: str | None) -> Embed | None:
    """The function that ``--embed`` names: an endpoint by its URL, or MODULE:FUNCTION."""
    if given is None:
        return None
    if given.startswith(("http://", "https://")):
        if model is None:
            raise Failure("--embed with a URL needs --model", 2)
        return Endpoint(given, model)
    module, _, name = given.partition(":")
    if not name:
        raise Failure(f"--embed takes a URL or MODULE:FUNCTION, got {given!r}", 2)
    sys.path.insert(0, os.getcwd())
    try:
        found: Embed = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Failure(f"--embed {given}: {error}", 2) from None
    finally:
        sys.path.remove(os.getcwd())
    return found


def where(given: str | None) -> Any:
    """A filter: a dictionary where the text is one in JSON, else SQL."""
    if given is None or not given.lstrip().startswith("{"):
        return given
    try:
        return json.loads(given)
    except ValueError as error:
        raise Failure(f"--where is not JSON: {error}", 2) from None

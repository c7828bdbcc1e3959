"""What the plugins share: nearlite in a connection that the host opens."""

from __future__ import annotations

import sqlite3
from typing import Any

from .. import _auto, _connect

# Where connections cannot load extensions they must have nearlite from the start, and they are opened elsewhere.
if not hasattr(sqlite3.Connection, "enable_load_extension"):
    _auto.register_for_good()


def prepare(connection: Any) -> None:
    """Loads nearlite, unless the connection has it."""
    if not _connect.has_nearlite(connection):
        _connect.load(connection)
        # Where something has read the schema before, SQLite reads it again and sees the shadow tables for what they are.
        connection.execute("PRAGMA writable_schema = RESET")

"""``nearlite sql``."""

from __future__ import annotations

import sys
from typing import Any

from . import _open, _print


def run(given: Any) -> None:
    """Runs statements and prints the rows of each that has some."""
    connection = _open.database(given.db, make=True)
    text = sys.stdin.read() if given.sql == "-" else given.sql
    for at, statement in enumerate(_statements(text)):
        cursor = connection.execute(statement, given.params if at == 0 else ())
        if cursor.description is None:
            continue
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor]
        if given.json:
            for row in rows:
                _print.as_json(row)
        else:
            _print.table(rows, names)
    connection.commit()


def _statements(text: str) -> list[str]:
    """The statements of a text, cut where SQLite says that one is complete."""
    import sqlite3

    out, current = [], ""
    for part in text.split(";"):
        current += part + ";"
        if sqlite3.complete_statement(current):
            if current.strip(" \t\r\n;"):
                out.append(current)
            current = ""
    if current.strip(" \t\r\n;"):
        out.append(current)
    return out

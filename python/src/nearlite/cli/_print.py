"""Results on standard output: a table for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 60


def as_json(value: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return f"{len(value)} bytes" if isinstance(value, (bytes, bytearray)) else str(value)


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Rows in columns that fit the terminal."""
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max([_width(name), *(_width(line[at]) for line in cells)]) for at, name in enumerate(names)]
    room = shutil.get_terminal_size((160, 24)).columns
    while sum(widths) + 2 * len(widths) > room and max(widths) > 12:
        widths[widths.index(max(widths))] -= 1
    numeric = [all(isinstance(row.get(name), (int, float)) or row.get(name) is None for row in rows) for name in names]
    for line in [list(names), *cells]:
        shown = [_fit(text, width, right) for text, width, right in zip(line, widths, numeric)]
        sys.stdout.write("  ".join(shown).rstrip() + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _width(text: str) -> int:
    """Columns that the text takes in a terminal."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _fit(text: str, width: int, right: bool) -> str:
    while _width(text) > width:
        text = text[:-2] + "…" if text.endswith("…") else text[:-1] + "…"
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks

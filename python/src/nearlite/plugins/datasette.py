"""nearlite in every connection that Datasette opens; its shadow tables are hidden; a page to search by, ``/-/nearlite``."""

from __future__ import annotations

import functools
from typing import Any

from datasette import hookimpl
from datasette.database import Database

from ._page import page
from ._prepare import prepare


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def prepare_connection(conn: Any) -> None:
    prepare(conn)


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def register_routes() -> list[Any]:
    return [(r"^/-/nearlite$", page)]


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def menu_links(datasette: Any) -> list[dict[str, str]]:
    return [{"href": datasette.urls.path("/-/nearlite"), "label": "Search (nearlite)"}]


def shadow_tables(conn: Any) -> list[str]:
    """The tables that SQLite itself says belong to a nearlite table, so that no similar name of the user's is among them."""
    tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE rootpage = 0 AND type = 'table' AND sql LIKE '%USING nearlite%'")]
    if not tables:
        return []
    shadows = []
    for row in conn.execute("PRAGMA main.table_list"):
        schema, name, kind = row[0], row[1], row[2]
        if schema == "main" and kind == "shadow" and any(name.lower().startswith(table.lower() + "_") for table in tables):
            shadows.append(name)
    return shadows


def _with_shadow_tables(plain: Any) -> Any:
    @functools.wraps(plain)
    async def hidden_table_names(self: Database) -> list[str]:
        # Added behind what Datasette makes of a hidden table's name: old versions hide every table whose name begins so.
        hidden = list(await plain(self))
        return hidden + [name for name in await self.execute_fn(shadow_tables) if name not in hidden]

    hidden_table_names._nearlite = True  # type: ignore[attr-defined]
    return hidden_table_names


if not hasattr(Database.hidden_table_names, "_nearlite"):
    Database.hidden_table_names = _with_shadow_tables(Database.hidden_table_names)

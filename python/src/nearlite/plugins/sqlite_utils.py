"""nearlite in every connection that sqlite-utils opens."""

from __future__ import annotations

from typing import Any

from sqlite_utils import hookimpl

from ._prepare import prepare


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def prepare_connection(conn: Any) -> None:
    prepare(conn)

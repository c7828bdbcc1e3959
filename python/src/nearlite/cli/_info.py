"""``nearlite info``."""

from __future__ import annotations

from typing import Any

from .. import Collection, collections
from . import _open, _print
from ._failure import Failure


def run(given: Any) -> None:
    """Prints what collections there are, or what one is made of."""
    if given.table is None:
        connection = _open.database(given.db)
        names = collections(connection)
        if not names:
            raise Failure(f"there is no collection in {given.db}")
        rows = [Collection(connection, name).info() for name in names]
        if given.json:
            for row in rows:
                _print.as_json(row)
            return
        shown = [{**row, "disk": size(row["disk_bytes"]), "memory": size(row["memory_bytes"])} for row in rows]
        _print.table(shown, ["name", "rows", "delta", "segments", "dead", "disk", "memory"])
        return
    docs = _open.collection(given.db, given.table)
    info = docs.info()
    columns = [column._asdict() for column in docs.schema.columns]
    if given.json:
        _print.as_json({**info, "schema": columns})
        return
    print(
        f"{info['name']}: {info['rows']:,} rows, {info['delta']:,} of them in the log, {info['segments']} segments, {info['dead']:,} dead rows, "
        f"{size(info['disk_bytes'])} of indexes, {size(info['memory_bytes'])} in memory" + (f", model {info['model']}" if info["model"] else "")
    )
    if info["dead_bytes"] or info["free_bytes"]:
        print(f"maintain would free {size(info['dead_bytes'] or 0)}, VACUUM would give back {size(info['free_bytes'] or 0)}")
    if info["maintenance"]:
        print(f"the last maintenance gave up: {info['maintenance']}")
    sizes = {part["column"]: part["disk_bytes"] for part in info["columns"] if part["column"]}
    rows = [{"column": c["name"], "kind": c["kind"], "type": _type(c), "disk": size(sizes.get(c["name"]))} for c in columns]
    _print.table(rows, ["column", "kind", "type", "disk"])


def _type(column: dict[str, Any]) -> str:
    return f"VECTOR({column['dim']}) {column['metric']}" if column["dim"] else str(column["type"])


def size(count: Any) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"

"""The search page in Datasette: ``/-/nearlite``."""

from __future__ import annotations

import json
from typing import Any

from datasette.utils.asgi import Response

from .. import Collection, Hit, collections
from .._errors import Error

# Marks of a snippet that no text has: they become <mark> after the text is escaped.
_MARKS = ("\x02", "\x03")

_TEMPLATE = """{% extends "base.html" %}
{% block title %}nearlite search{% endblock %}
{% block content %}
<h1>Search</h1>
{% if not choices %}<p>No database here has a collection of nearlite.</p>{% else %}
<form action="{{ action }}" method="get">
  <p><label>Collection <select name="in">{% for choice in choices %}
    <option{% if choice == chosen %} selected{% endif %}>{{ choice }}</option>{% endfor %}</select></label></p>
  <p><label>Words <input type="text" name="words" value="{{ words }}" size="60"></label></p>
  <p><label>Like the row <input type="text" name="like" value="{{ like }}" size="20"></label>
     <label>Vector <input type="text" name="vector" value="{{ vector }}" size="30" placeholder="[0.1, ...]"></label></p>
  <p><label>Filter <input type="text" name="where" value="{{ where }}" size="60" placeholder='{"year": {"$gte": 2004}}'></label></p>
  <p><label>Rows <input type="number" name="k" value="{{ k }}" min="1" max="200" style="width: 5em"></label>
     <input type="submit" value="Search"></p>
</form>
{% if error %}<p class="message-error">{{ error }}</p>{% endif %}
{% if hits %}
<table class="rows-and-columns">
<thead><tr>{% for name in names %}<th>{{ name }}</th>{% endfor %}<th></th></tr></thead>
<tbody>{% for hit in hits %}
<tr>{% for cell in hit.cells %}<td>{{ cell }}</td>{% endfor %}<td><a href="{{ hit.like }}">like this</a></td></tr>{% endfor %}
</tbody></table>
{% elif asked and not error %}<p>Nothing was found.</p>{% endif %}
{% if plan %}
<h2>How it was searched</h2>
<ul>{% for line in steps %}<li>{{ line }}</li>{% endfor %}</ul>
<details><summary>SQL and plan</summary><pre>{{ sql }}</pre><pre>{{ plan }}</pre></details>
{% endif %}
{% endif %}
{% endblock %}
"""


async def page(datasette: Any, request: Any) -> Response:
    """Renders the form and what the query string asks for."""
    choices = []
    for database in datasette.databases.values():
        if database.name.startswith("_"):
            continue
        for table in await database.execute_fn(collections):
            if await _may_see(datasette, request, database.name, table):
                choices.append(f"{database.name}/{table}")
    given = {name: (request.args.get(name) or "").strip() for name in ("in", "words", "like", "vector", "where", "k")}
    chosen = given["in"] if given["in"] in choices else choices[0] if choices else ""
    context = {**given, "k": given["k"] or "10", "chosen": chosen, "choices": choices, "action": datasette.urls.path("/-/nearlite")}
    context["asked"] = bool(given["words"] or given["like"] or given["vector"] or given["where"])
    if chosen and context["asked"]:
        database, _, table = chosen.partition("/")
        try:
            found = await datasette.get_database(database).execute_fn(lambda connection: _search(connection, table, given))
            context.update(found)
            for hit in context["hits"]:
                hit["like"] = datasette.urls.path("/-/nearlite") + "?" + _query(chosen, str(hit["id"]))
        except (Error, ValueError) as error:
            context["error"] = str(error)
        except Exception as error:
            if type(error).__module__ not in ("sqlite3", "pysqlite3"):
                raise
            context["error"] = str(error)
    environment = datasette.get_jinja_environment(request) if hasattr(datasette, "get_jinja_environment") else datasette.jinja_env
    return Response.html(await datasette.render_template(environment.from_string(_TEMPLATE), context, request=request))


async def _may_see(datasette: Any, request: Any, database: str, table: str) -> bool:
    if hasattr(datasette, "ensure_permissions"):
        visible, _ = await datasette.check_visibility(
            request.actor, permissions=[("view-table", (database, table)), ("view-database", database), "view-instance"]
        )
        return bool(visible)
    from datasette.resources import TableResource

    return bool(await datasette.allowed(action="view-table", resource=TableResource(database, table), actor=request.actor))


def _query(chosen: str, id: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"in": chosen, "like": id})


def _search(connection: Any, table: str, given: dict[str, str]) -> dict[str, Any]:
    """What the search found, as the template takes it. Only dictionaries are filters: SQL of the visitor is never run."""
    docs = Collection(connection, table)
    options: dict[str, Any] = {"k": max(1, min(int(given["k"] or 10), 200)), "snippet": _MARKS}
    if given["where"]:
        options["where"] = json.loads(given["where"])
    if given["words"]:
        options["words"] = given["words"]
    vector: Any = json.loads(given["vector"]) if given["vector"] else None
    own = None
    if given["like"]:
        own = int(given["like"]) if docs.schema.key_type is int else given["like"]
        row = docs.get_one(own, columns=[docs.schema.vector().name])
        if row is None or row.blob is None:
            raise ValueError(f"there is no row {given['like']!r} with a vector")
        vector, options["k"] = row.blob, options["k"] + 1
    shown = docs.explain(vector, **options)
    hits = [hit for hit in shown.hits if own is None or hit.id != own][: options["k"] - (own is not None)]
    measures = [name for name in ("score", "distance", "vector_rank", "bm25", "text_rank") if any(getattr(hit, name) is not None for hit in hits)]
    keys = list(dict.fromkeys(key for hit in hits for key in hit.metadata))[:12]
    key = docs.schema.key.name if docs.schema.key is not None else "rowid"
    names = ["", key, *(name.replace("_", " ") for name in measures), "text", *keys]
    return {
        "names": names,
        "hits": [{"id": hit.id, "cells": _cells(at, hit, measures, keys)} for at, hit in enumerate(hits, 1)],
        "plan": json.dumps(shown.plan, indent=2),
        "sql": shown.sql,
        "steps": _steps(shown.plan),
    }


def _cells(at: int, hit: Hit, measures: list[str], keys: list[str]) -> list[Any]:
    from markupsafe import Markup, escape

    numbers = ["" if value is None else f"{value:.4f}" if isinstance(value, float) else value for value in (getattr(hit, name) for name in measures)]
    text = str(escape(hit.snippet or (hit.text or "")[:200])).replace(_MARKS[0], "<mark>").replace(_MARKS[1], "</mark>")
    values = [hit.metadata.get(key, "") for key in keys]
    return [at, hit.id, *numbers, Markup(text), *(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)]


def _steps(plan: dict[str, Any]) -> list[str]:
    """The plan in words."""
    if not plan:
        return []
    kinds = {"nearest": "by vector", "text": "by words", "hybrid": "by vector and words, fused"}
    bound = "at most " if plan.get("passing_at_most") else ""
    steps = [f"searched {kinds.get(plan['kind'], plan['kind'])}; {bound}{plan.get('passing', 0):,} rows pass the filter"]
    if plan.get("checked_by_row"):
        steps.append(f"{plan['checked_by_row']:,} rows were read because of a path of the metadata that few rows have")
    how = {
        "graph": "walked the graph",
        "filtered_graph": "walked the graph among the rows that pass",
        "scan": "scanned the codes",
        "delta": "compared the rows that are in the log only",
        "nothing": "skipped, no row passes",
    }
    for part in plan.get("parts", []):
        steps.append(f"part {part['part']}, {part['rows']:,} rows, {part['passing']:,} pass: {how.get(part['plan'], part['plan'])}")
    steps.append(f"{plan.get('distances', 0):,} distances computed, {plan.get('reranked', 0):,} vectors read")
    steps.append(f"{plan.get('filter_us', 0) / 1000:.2f} ms for the filter, {plan.get('search_us', 0) / 1000:.2f} ms for the search")
    return steps + [str(warning) for warning in plan.get("warnings", [])]

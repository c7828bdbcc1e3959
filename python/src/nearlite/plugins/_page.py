"""The search page in Datasette: ``/-/nearlite``."""

from __future__ import annotations

import json
from typing import Any

from datasette.utils.asgi import Response

from .. import Collection, Hit, collections
from .._errors import Error

# Marks of a snippet that no text has: they become <mark> after the text is escaped.
_MARKS = ("\x02", "\x03")

# Characters of a value that a cell shows.
_LONGEST = 200

_TEMPLATE = """{% extends "base.html" %}
{% block title %}nearlite search{% endblock %}
{% block extra_head %}<style>
form.nearlite { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20em, 100%), 1fr)); gap: 0.7em 1em;
  max-width: 60em; margin-bottom: 1.5em; }
form.nearlite label { display: block; width: auto; font-weight: bold; }
form.nearlite .wide { grid-column: 1 / -1; }
form.nearlite input:not([type=submit]), form.nearlite select { display: block; width: 100%; box-sizing: border-box; padding: 0.5em;
  border: 1px solid #ccc; border-radius: 3px; font-size: 1em; background: #fff; }
form.nearlite input[type=submit] { align-self: end; justify-self: start; font-size: 1em; }
table.nearlite td { overflow-wrap: anywhere; min-width: 4em; max-width: 24em; }
table.nearlite .number { min-width: 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre.nearlite { white-space: pre-wrap; overflow-wrap: anywhere; }
@media only screen and (max-width: 576px) {
  table.nearlite td, table.nearlite .number { max-width: none; text-align: left; white-space: normal; }
  table.nearlite td[data-name]::before { content: attr(data-name); display: block; width: auto; margin: 0; padding: 0; color: #666;
    font-size: 0.8em; }
  table.nearlite td { padding-left: 0.7em; }
  table.nearlite td:empty { display: none; }
}
</style>{% endblock %}
{% block content %}
<h1>Search</h1>
{% if not choices %}<p>No database here has a collection of nearlite.</p>{% else %}
<form class="core nearlite" action="{{ action }}" method="get">
  <label>Collection <select name="in">{% for choice in choices %}
    <option{% if choice == chosen %} selected{% endif %}>{{ choice }}</option>{% endfor %}</select></label>
  <label class="wide">Words <input type="search" name="words" value="{{ words }}" placeholder="words as you would type them"></label>
  <label>Like the row <input type="text" name="like" value="{{ like }}" placeholder="an id"></label>
  <label>or the vector <input type="text" name="vector" value="{{ vector }}" placeholder="[0.1, ...]"></label>
  <label class="wide">Filter <input type="text" name="where" value="{{ where }}" placeholder='{"year": {"$gte": 2004}}'></label>
  <label>Rows <input type="number" name="k" value="{{ k }}" min="1" max="200"></label>
  <input type="submit" value="Search">
</form>
{% if error %}<p class="message-error">{{ error }}</p>{% endif %}
{% if hits %}
<div class="table-wrapper"><table class="rows-and-columns nearlite">
<thead><tr>{% for name, kind in names %}<th class="{{ kind }}">{{ name }}</th>{% endfor %}<th></th></tr></thead>
<tbody>{% for hit in hits %}
<tr>{% for name, kind, cell in hit.cells %}<td class="{{ kind }}"{% if name %} data-name="{{ name }}"{% endif %}>{{ cell }}</td>{% endfor %}
<td><a href="{{ hit.like }}">like this</a></td></tr>{% endfor %}
</tbody></table></div>
{% elif asked and not error %}<p>{% if rows %}None of {{ rows }} rows was found.{% else %}The collection has no rows.{% endif %}</p>{% endif %}
{% if steps %}
<h2>How it was searched</h2>
<ul>{% for line in steps %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}
{% if sql %}<details><summary>SQL{% if steps %} and plan{% endif %}</summary>
<pre class="nearlite">{{ sql }}</pre>{% if steps %}<pre class="nearlite">{{ plan }}</pre>{% endif %}</details>{% endif %}
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
        except RecursionError:
            context["error"] = "filter: it is nested too deep"
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
    if given["like"] and given["vector"]:
        raise ValueError("give a row or a vector to be like, not both")
    if given["k"] and not given["k"].isdecimal():
        raise ValueError(f"rows: expected a number, got {given['k']!r}")
    options: dict[str, Any] = {"k": max(1, min(int(given["k"] or 10), 200)), "snippet": _MARKS}
    if given["where"]:
        options["where"] = _filter(given["where"])
    if given["words"]:
        options["words"] = given["words"]
    vector: Any = _parsed("vector", given["vector"]) if given["vector"] else None
    if given["like"]:
        options["like"] = _id(docs, given["like"])
    shown = docs.explain(vector, **options)
    hits = list(shown.hits)
    # The score of a search of one kind is its distance or its BM25 once more.
    shown_always = ("score",) if (vector is not None or given["like"]) and given["words"] else ()
    known = [name for name in ("distance", "vector_rank", "bm25", "text_rank") if any(getattr(hit, name) is not None for hit in hits)]
    measures = [*shown_always, *known]
    keys = list(dict.fromkeys(key for hit in hits for key in hit.metadata))[:12]
    key = docs.schema.id.name
    names = [("", "number"), (key, ""), *((name.replace("_", " "), "number") for name in measures), ("text", ""), *((name, "") for name in keys)]
    return {
        "names": names,
        "hits": [
            {"id": hit.id, "cells": [(*name, cell) for name, cell in zip(names, _cells(at, hit, measures, keys))]} for at, hit in enumerate(hits, 1)
        ],
        "rows": None if hits else docs.count(),
        "plan": json.dumps(shown.plan, indent=2),
        "sql": shown.sql,
        "steps": _steps(shown.plan),
    }


def _filter(text: str) -> dict[str, Any]:
    """The filter that a visitor typed. A text would be a condition in SQL, which could read tables that the visitor may not see."""
    found = _parsed("filter", text)
    if not isinstance(found, dict):
        raise ValueError(f"""filter: expected a JSON object such as {{"year": {{"$gte": 2004}}}}, got {json.dumps(found):.80}""")
    return found


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{name}: it is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{name}: it is nested too deep") from None


def _id(docs: Collection, text: str) -> Any:
    if docs.schema.key_type is not int:
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"ids of {docs.name} are whole numbers, got {text!r}") from None


def _cells(at: int, hit: Hit, measures: list[str], keys: list[str]) -> list[Any]:
    from markupsafe import Markup, escape

    numbers = ["" if value is None else f"{value:.4f}" if isinstance(value, float) else value for value in (getattr(hit, name) for name in measures)]
    text = hit.snippet or hit.text or ""
    text = str(escape(text if _MARKS[0] in text else _shortened(text))).replace(_MARKS[0], "<mark>").replace(_MARKS[1], "</mark>")
    values = [hit.metadata.get(key, "") for key in keys]
    written = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    return [at, hit.id, *numbers, Markup(text), *(_shortened(value) for value in written)]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


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
        if not part["rows"]:
            continue
        steps.append(f"part {part['part']}, {part['rows']:,} rows, {part['passing']:,} pass: {how.get(part['plan'], part['plan'])}")
    steps.append(f"{plan.get('distances', 0):,} distances computed, {plan.get('reranked', 0):,} vectors read")
    steps.append(f"{plan.get('filter_us', 0) / 1000:.2f} ms for the filter, {plan.get('search_us', 0) / 1000:.2f} ms for the search")
    return steps + [str(warning) for warning in plan.get("warnings", [])]

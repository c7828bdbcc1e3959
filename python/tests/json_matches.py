"""The meaning of ``json_matches``, written for clarity: what the tests compare the engine with."""

import json
import re

MISSING = object()


def matches(metadata, where):
    """Whether a metadata dictionary passes a filter."""
    for key, value in where.items():
        if key == "$and":
            passes = all(matches(metadata, inner) for inner in value)
        elif key == "$or":
            passes = any(matches(metadata, inner) for inner in value)
        elif key == "$not":
            passes = not matches(metadata, value)
        else:
            passes = _value(_at(metadata, key), value)
        if not passes:
            return False
    return True


def _at(metadata, key):
    if key in metadata:
        return metadata[key]
    found = metadata
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return MISSING
        found = found[part]
    return found


def _value(found, condition):
    if not (isinstance(condition, dict) and any(key.startswith("$") for key in condition)):
        condition = {"$eq": condition}
    return all(_operator(found, name, operand) for name, operand in condition.items())


def _operator(found, name, operand):
    elements = found if isinstance(found, list) else [] if found is MISSING else [found]
    if name == "$eq":
        if operand is None:
            return found is MISSING or found is None or None in elements
        return _equal(found, operand) or any(_equal(element, operand) for element in elements)
    if name == "$ne":
        return not _operator(found, "$eq", operand)
    if name == "$in":
        return any(_operator(found, "$eq", value) for value in operand)
    if name == "$nin":
        return not _operator(found, "$in", operand)
    if name == "$exists":
        return (found is not MISSING) == operand
    if name == "$not":
        return not _value(found, operand)
    if name == "$contains":
        return any(_equal(element, operand) for element in elements)
    if name == "$contains_any":
        return any(_operator(found, "$contains", value) for value in operand)
    if name == "$contains_all":
        return found is not MISSING and all(_operator(found, "$contains", value) for value in operand)
    if name == "$like":
        pattern = "".join(".*" if char == "%" else "." if char == "_" else re.escape(char) for char in operand)
        return any(isinstance(element, str) and re.fullmatch(pattern, element, re.S | re.I | re.A) for element in elements)
    if name == "$between":
        return any(_compare(element, "$gte", operand[0]) and _compare(element, "$lte", operand[1]) for element in elements)
    return any(_compare(element, name, operand) for element in elements)


def _equal(a, b):
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _compare(a, name, b):
    kinds = (str, str) if isinstance(b, str) else ((int, float), (int, float))
    if not isinstance(a, kinds[0]) or isinstance(a, bool) or isinstance(b, bool):
        return False
    return {"$gt": a > b, "$gte": a >= b, "$lt": a < b, "$lte": a <= b}[name]


def function(text, where):
    """``json_matches`` as an SQL function."""
    if text is None:
        return None
    return int(matches(json.loads(text), json.loads(where)))

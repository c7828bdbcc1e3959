"""The meaning of ``json_matches``, written for clarity: what the tests compare the engine with."""

import re


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


def _at(metadata, path):
    """The values that a path leads to: of the longest key with dots that leads to one; a list on the way stands for its objects."""
    if not isinstance(metadata, dict):
        return []
    if path in metadata:
        return [metadata[path]]
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        inner = metadata.get(".".join(parts[:end]))
        found = [value for each in (inner if isinstance(inner, list) else [inner]) for value in _at(each, ".".join(parts[end:]))]
        if found:
            return found
    return []


def _value(found, condition):
    if not (isinstance(condition, dict) and any(key.startswith("$") for key in condition)):
        condition = {"$eq": condition}
    return all(_operator(found, name, operand) for name, operand in condition.items())


def _operator(found, name, operand):
    elements = [element for value in found for element in (value if isinstance(value, list) else [value])]
    listed = [element for value in found if isinstance(value, list) for element in value]
    if name == "$eq":
        return any(_equal(element, operand) for element in elements) or (operand is None and not found)
    if name == "$ne":
        return not _operator(found, "$eq", operand)
    if name == "$in":
        return any(_operator(found, "$eq", value) for value in operand)
    if name == "$nin":
        return not _operator(found, "$in", operand)
    if name == "$exists":
        return bool(found) == operand
    if name == "$not":
        return not _value(found, operand)
    if name == "$contains":
        return any(_equal(element, operand) for element in listed)
    if name == "$contains_any":
        return any(_operator(found, "$contains", value) for value in operand)
    if name == "$contains_all":
        return any(isinstance(value, list) for value in found) and all(_operator(found, "$contains", value) for value in operand)
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

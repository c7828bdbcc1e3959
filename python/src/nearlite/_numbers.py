"""Numbers that a caller gives, as Python's own: what SQLite binds and JSON says."""

from __future__ import annotations

import json
import math
import operator
from typing import Any

from ._errors import InputError


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``, of any type that has them; raises InputError."""
    if type(value) is int and least <= value < 2**31:
        return value
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise InputError(f"{name}: expected a whole number, {least} or more, got {value!r}")
    return min(number, 2**31 - 1)


def real(name: str, value: Any, what: str = "a number") -> float:
    """A finite number of any type, numpy's too; raises InputError for anything else, a text that is one among it."""
    if type(value) is float and math.isfinite(value):
        return value
    plain = unboxed(value)
    try:
        number = float(plain) if not isinstance(plain, (bool, str, bytes, bytearray)) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: expected {what}, got {value!r}")
    return number


def unboxed(value: Any) -> Any:
    """A number or a text of numpy as Python's, anything else as it is: SQLite would take the bytes of a numpy number for a BLOB."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value


def options(name: str, given: Any) -> str:
    """Options as JSON; raises InputError where it cannot say them."""
    try:
        return json.dumps(given, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: an option has a value that JSON cannot say: {error}") from None


def _plain(value: Any) -> Any:
    """Arrays, sets and the like as lists, numbers of numpy as Python's."""
    plain = unboxed(value)
    if plain is not value:
        return plain
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")

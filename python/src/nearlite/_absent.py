"""What a change leaves as it is."""

from __future__ import annotations

from typing import Any

#: The value of a column in a row of a batch that does not name the column: the row keeps what it has there. None empties the column.
ABSENT: Any = object()

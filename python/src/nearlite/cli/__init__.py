"""The command ``nearlite``."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence

from .._errors import Error
from ._arguments import parser
from ._failure import Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, 1 for what failed, 2 for arguments that cannot be."""
    given = parser().parse_args(arguments)
    try:
        given.run(given)
        sys.stdout.flush()
        return 0
    except Failure as failure:
        return _told(str(failure), failure.code)
    except (Error, sqlite3.Error, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever reads the output has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if isinstance(error, OSError) and error.filename:
            return _told(f"{error.filename}: {error.strerror}", 1)
        return _told(str(error), 1)
    except KeyboardInterrupt:
        return _told("interrupted", 1)


def _told(message: str, code: int) -> int:
    print(f"nearlite: {message}", file=sys.stderr)
    return code

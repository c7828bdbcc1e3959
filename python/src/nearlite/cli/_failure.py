"""What ends the command with a sentence."""

from __future__ import annotations


class Failure(Exception):
    """Printed as one sentence; ``code`` is the exit code, 2 for arguments that cannot be."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

"""A progress bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
import time


class Progress:
    """``total`` is in the unit of ``update``'s second argument: rows, or bytes of a file; 0 where it is not known."""

    def __init__(self, total: int) -> None:
        self._total, self._start, self._shown = total, time.monotonic(), 0.0
        self._live = self._terminal()

    @staticmethod
    def _terminal() -> bool:
        return sys.stderr.isatty()

    def update(self, rows: int, done: int) -> None:
        """Shows that ``rows`` were written, which is ``done`` of the total."""
        now = time.monotonic()
        if not self._live or now - self._shown < 0.1:
            return
        self._shown = now
        spent = max(now - self._start, 1e-9)
        text = f"{rows:,} rows  {rows / spent:,.0f}/s"
        if self._total and done:
            share = min(done / self._total, 1.0)
            filled = round(share * 30)
            text = f"[{'█' * filled}{'░' * (30 - filled)}] {share:4.0%}  {text}  {_clock(spent / share - spent)} left"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Shows a text in place of the bar."""
        if self._live:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def end(self, rows: int, what: str) -> None:
        """Takes the bar away and says what was done."""
        spent = max(time.monotonic() - self._start, 1e-9)
        if self._live:
            sys.stderr.write("\r\x1b[K")
        sys.stderr.write(f"{what} in {_clock(spent)}" + (f", {rows / spent:,.0f} rows/s\n" if rows else "\n"))


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"

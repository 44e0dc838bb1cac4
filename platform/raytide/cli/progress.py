"""One line that says what is going on: rewritten in place on a terminal, printed when it changes elsewhere."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Final, Self, TextIO

_COLUMNS: Final = 80


class Line:
    """A progress line on standard error."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._started_s = time.monotonic()
        self._shown = ""

    def __enter__(self) -> Self:
        """The line, empty at first."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves a clean line behind."""
        if self._stream.isatty() and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, text: str) -> None:
        """Say what is going on now."""
        if self._stream.isatty():
            took = f"  {time.monotonic() - self._started_s:.0f} s"
            self._stream.write(f"\r\x1b[K  {_cut(text, _columns(self._stream) - len(took) - 3)}{took}")
        elif text != self._shown:
            self._stream.write(f"  {text}\n")
        self._shown = text
        self._stream.flush()


def _cut(text: str, length: int) -> str:
    """One that is wrapped could not be rewritten in place."""
    return text if len(text) <= length else f"{text[: max(0, length - 1)]}…"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):  # no terminal of the system's
        return _COLUMNS

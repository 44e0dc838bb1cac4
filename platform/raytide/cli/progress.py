"""One line that says what is going on: rewritten in place on a terminal, printed when it changes elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO


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
            self._stream.write(f"\r\x1b[K  {text}  {time.monotonic() - self._started_s:.0f} s")
        elif text != self._shown:
            self._stream.write(f"  {text}\n")
        self._shown = text
        self._stream.flush()

"""What the demo shows: one line per step with a tick, and below the last one what is going on right now."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

WIDTH = 11


class View:
    """The terminal; where there is none, every line that changes is printed."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def say(self, text: str, end: str = "\n") -> None:
        """Print text as it is."""
        self.console.print(text, end=end, markup=False, soft_wrap=True)

    def step(self, name: str) -> Step:
        """A step of the story, to be entered."""
        return Step(self.console, name)


class Step:
    """One step: a live line while it lasts, a tick and its outcome afterwards."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._started_s = time.monotonic()
        self._status: Status | None = None
        self._shown = ""

    def __enter__(self) -> Self:
        """The step, its clock running."""
        self._started_s = time.monotonic()
        if self._console.is_terminal:
            self._status = self._console.status(f"{self._name:<{WIDTH}}")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the live line away, and marks a failure."""
        self._stop()
        if error is not None:
            self._console.print(f"[red]✗[/] {self._name:<{WIDTH}}{self._seconds()}")

    def show(self, text: str) -> None:
        """Say what is going on now."""
        if self._status is not None:
            limit = max(20, self._console.width - WIDTH - 14)
            self._status.update(f"{self._name:<{WIDTH}}{self._seconds()}  [dim]{escape(text[:limit])}[/]")
        elif text != self._shown:
            self._console.print(f"  {self._name:<{WIDTH}}{escape(text)}", soft_wrap=True)
        self._shown = text

    def done(self, outcome: str) -> None:
        """The step is over, with this outcome."""
        self._stop()
        self._console.print(f"[green]✓[/] {self._name:<{WIDTH}}{self._seconds()}  {escape(outcome)}", soft_wrap=True)

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started_s:4.0f} s"

"""An answer that an event loop waits for and that another thread gives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Awaited(Generic[T]):
    """Made in the event loop. It is given, or fails, once, from any thread; the loop may have ended by then."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def give(self, answer: T) -> None:
        """This is it."""
        self._soon(lambda: self.answer.set_result(answer))

    def fail(self, error: Exception) -> None:
        """There is none, and why."""
        self._soon(lambda: self.answer.set_exception(error))

    def _soon(self, resolve: Callable[[], None]) -> None:
        def unless_done() -> None:  # whoever waited may have left
            if not self.answer.done():
                resolve()

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(unless_done)

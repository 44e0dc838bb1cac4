"""A way for parts of an answer to go out in the moment in which they come.

ASGI's `send` is a coroutine, so that each token would need a task that wakes for it. The gateway's own server offers
this beside it, as an ASGI extension; behind another server there is none, and `send` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION: Final = "raytide.outlet"


class Outlet:
    """Of one answer whose head has gone out, in chunks; its end is said by `send`."""

    def __init__(self, cycle: RequestResponseCycle, watching: set[Outlet]) -> None:
        self._cycle, self._watching = cycle, watching
        self.when_full: Callable[[], None]
        """Called when the client takes less than comes."""
        self.when_free: Callable[[], None]
        """Called when it has caught up."""

    def write(self, part: bytes) -> None:
        """One part of the body, on its way at once; nothing where the client has left or there is nothing in it."""
        if part and not self._cycle.disconnected:
            self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(part), part))

    @contextmanager
    def watched(self, when_full: Callable[[], None], when_free: Callable[[], None]) -> Iterator[None]:
        """Within this block whoever writes is told when to stop and when to go on."""
        self.when_full, self.when_free = when_full, when_free
        self._watching.add(self)
        try:
            if self._cycle.flow.write_paused:
                when_full()
            yield
        finally:
            self._watching.discard(self)


def outlet_of(scope: Scope) -> Outlet | None:
    """The one that this request's server offers; None where it has none."""
    outlet: Outlet | None = (scope.get("extensions") or {}).get(EXTENSION)
    return outlet

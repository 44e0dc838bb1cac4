"""What the gateway needs of the way to a replica: one request, and its answer piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, Protocol

from raytide.autoscaling.live.routes import Upstream

CONNECT_S: Final = 2.0
"""A replica is in the same network; one that takes no connection in this time is taken for dead."""
SILENT_S: Final = 600.0
"""Between two pieces of an answer, a long prompt in a full queue before the first one included."""
IDLE_S: Final = 60.0
"""How long a connection is kept for the next request: shorter than a replica keeps it, so that none is used that the
replica closes at that moment."""


def let_in(upstream: Upstream) -> dict[str, str]:
    """The header that its server lets a request in by."""
    return {"Authorization": f"Bearer {upstream.key}"} if upstream.key else {}


class UpstreamLost(Exception):
    """The replica does not answer, or not to the end."""


class UpstreamGone(UpstreamLost):
    """Nobody takes connections there: its process or its node has ended, and the request has not reached it."""


class UpstreamDeclines(UpstreamLost):
    """It is there, and another one may take what it does not: it says so, or says nothing for too long."""


class Answer(Protocol):
    """What a replica sends back."""

    status: int
    content_type: bytes

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises `UpstreamLost` where it breaks off."""

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        """The rest of the body into `sink`, each piece in the moment in which it comes; raises as `pieces`."""

    def pause(self) -> None:
        """Let nothing come for a while."""

    def resume(self) -> None:
        """Let it come again."""

    async def close(self) -> None:
        """Ends it; where it was not complete, the connection is closed, which makes the engine stop."""


class Client(Protocol):
    """Sends requests to replicas."""

    async def post(self, address: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The beginning of the answer to JSON; raises `UpstreamLost` where there is none."""

    async def get(self, address: str, path: str, headers: Mapping[str, str]) -> bytes:
        """A small answer; raises `UpstreamLost` where there is none."""

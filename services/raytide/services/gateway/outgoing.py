"""An answer on its way to the client, over ASGI: its head, its parts, its end, and whether anybody takes them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from starlette.types import Message, Send

from raytide.services.gateway.incoming import ClientLeft
from raytide.services.gateway.outlet import Outlet
from raytide.services.gateway.refusal import Refusal
from raytide.services.gateway.relay import Opened

STALLED_S: Final = 60.0
"""A client that takes nothing for so long has left without saying so."""


class Outgoing:
    """One answer; `ClientLeft` from any of it where nobody is there any more."""

    def __init__(self, request_id: str, send: Send, outlet: Outlet | None) -> None:
        self._id, self._send, self._outlet = request_id, send, outlet
        self._put_since_s = math.inf
        self.has_begun = False
        """Whether its status has gone out, and cannot be changed any more."""
        self._has_ended = False

    def is_stalled(self) -> bool:
        """Whether the client has taken nothing for too long."""
        return time.monotonic() - self._put_since_s > STALLED_S

    async def begin(self, status: int, content_type: bytes, num_bytes: int | None = None) -> None:
        """The head; `num_bytes` of the body where it comes whole."""
        headers = [(b"content-type", content_type), (b"x-request-id", self._id.encode())]
        if num_bytes is not None:
            headers.append((b"content-length", str(num_bytes).encode()))
        self.has_begun = True
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, part: bytes) -> None:
        """A part of the body; nothing goes out where it is empty."""
        if part:
            await self._put({"type": "http.response.body", "body": part, "more_body": True})

    async def parts_of(self, opened: Opened, feed: Callable[[bytes], bytes]) -> None:
        """All that comes, as `feed` lets it pass. Where the server has an outlet, no task wakes for a token.

        Raises:
            UpstreamLost: it breaks off.
        """
        if self._outlet is None:
            async for piece in opened.rest:
                await self.part(feed(piece))
            return
        outlet = self._outlet

        def full() -> None:
            self._put_since_s = time.monotonic()
            opened.pause()

        def free() -> None:
            self._put_since_s = math.inf
            opened.resume()

        with outlet.watched(full, free):
            await opened.pour(lambda piece: outlet.write(feed(piece)))

    async def end(self, part: bytes) -> None:
        """The last part, or all of a body that comes whole."""
        self._has_ended = True
        await self._put({"type": "http.response.body", "body": part, "more_body": False})

    async def end_with(self, refusal: Refusal) -> None:
        """The status has gone out: what went wrong is said as an event, and the missing end mark tells it too.

        Nothing is said after the end, which a slow client may still be taking.
        """
        if not self._has_ended:
            await self.end(refusal.event)

    async def _put(self, message: Message) -> None:
        self._put_since_s = time.monotonic()
        try:
            await self._send(message)
        except OSError as error:  # a server may say so when the client has left
            raise ClientLeft from error
        self._put_since_s = math.inf

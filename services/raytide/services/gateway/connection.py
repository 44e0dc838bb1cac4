"""A kept connection to a replica, and the answer that comes over it.

What passes here is every token of every stream, so that a piece goes from the socket to whoever wants it in one call:
no task wakes for it and no queue holds it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol, cast

import httptools

from raytide.services.gateway.upstream import SILENT_S, UpstreamDeclines, UpstreamLost

_HELD_BYTES: Final = 2**18
"""Of an answer that is asked for piece by piece; the replica waits with more."""
_KEPT_ALIVE: Final = "the replica closed a kept connection"


class Owner(Protocol):
    """Keeps connections between requests."""

    def keep(self, connection: Connection) -> None:
        """It is free for another request."""

    def forget(self, connection: Connection) -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, address: str, owner: Owner) -> None:
        self.address = address
        self.idle_since_s = 0.0
        self._owner = owner
        self._answer: ReplicaAnswer | None = None
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()

    def ask(self, request: bytes) -> ReplicaAnswer:
        """Sends a whole request; the answer has not begun yet."""
        self._answer = ReplicaAnswer(self)
        self._transport.write(request)
        return self._answer

    @property
    def is_open(self) -> bool:
        """Whether a request could go out."""
        return not self._transport.is_closing()

    def close(self) -> None:
        """At once: what has not been written is not sent any more."""
        self._transport.abort()

    def pause(self) -> None:
        """Read no more, so that the replica feels that nothing is taken."""
        if self.is_open:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.is_open:
            self._transport.resume_reading()

    def released(self, *, reusable: bool) -> None:
        """The answer is complete."""
        self._answer, self.idle_since_s = None, self._loop.time()
        if reusable:
            self._owner.keep(self)
        else:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From now on a request may go out."""
        # Not checked by its type: uvloop's own transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A part of the answer; what nobody asked for ends the connection."""
        if self._answer is None:
            self.close()
        else:
            self._answer.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that was not complete is lost."""
        self._owner.forget(self)
        if self._answer is not None:
            self._answer.lose(UpstreamLost(_KEPT_ALIVE if exc is None else f"{type(exc).__name__}: {exc}"))


class ReplicaAnswer:
    """What a replica sends back; `upstream.Answer`."""

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.content_type = b"application/json"
        self._connection = connection
        self._parser: Any = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._arrived: list[bytes] = []
        self._held: deque[bytes] = deque()
        self._num_held = 0
        self._sink: Callable[[bytes], None] | None = None
        self._has_begun = self._is_complete = self._is_reusable = self._is_paused = self._is_full = False
        self._lost: UpstreamLost | None = None
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_later(SILENT_S, self._look_again)

    async def begun(self) -> None:
        """Returns once status and headers are here; raises `UpstreamLost` where they do not come."""
        while not self._has_begun:
            await self._next()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises `UpstreamLost` where it breaks off."""
        while self._held or not self._is_complete:
            if self._held:
                yield self._taken()
            else:
                await self._next()

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        """The rest of the body into `sink`, each piece in the moment in which it comes; raises as `pieces`."""
        while self._held:
            sink(self._taken())
        self._sink = sink
        while not self._is_complete:
            await self._next()

    def pause(self) -> None:
        """Let nothing come for a while."""
        self._stand(is_paused=True, is_full=self._is_full)

    def resume(self) -> None:
        """Let it come again."""
        self._stand(is_paused=False, is_full=self._is_full)

    async def close(self) -> None:
        """Ends it; where it was not complete, the connection is closed, which makes the engine stop."""
        self._sink = None
        if not self._is_complete:
            self.lose(UpstreamLost("closed"))
            self._connection.close()

    def feed(self, data: bytes) -> None:
        """Bytes from the socket; all of the body in them goes on as one piece."""
        self._heard_s = self._loop.time()
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.lose(UpstreamLost(f"the replica's answer is no HTTP: {error}"))
            self._connection.close()
            return
        if self._arrived:
            self._pass(self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived))
            self._arrived.clear()
        if self._is_complete:
            self._end()

    def lose(self, lost: UpstreamLost) -> None:
        """It will not be complete."""
        if not self._is_complete and self._lost is None:
            self._lost = lost
            self._end()

    def on_message_begin(self) -> None:
        """The parser has read something: after the end, what nobody asked for, and no other request may meet it."""
        if self._is_complete:
            self._is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read one."""
        if name.lower() == b"content-type" and not self._is_complete:
            self.content_type = value

    def on_headers_complete(self) -> None:
        """The parser has read all of them; an interim answer (1xx) is none yet."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._is_complete:
            self.status, self._has_begun = status, True
            self._news.set()

    def on_body(self, body: bytes) -> None:
        """The parser has read a part of the body."""
        if not self._is_complete:
            self._arrived.append(body)

    def on_message_complete(self) -> None:
        """The parser has read the end."""
        if self._has_begun and not self._is_complete:
            self._is_complete, self._is_reusable = True, self._parser.should_keep_alive()

    def _pass(self, piece: bytes) -> None:
        if self._sink is not None:
            self._sink(piece)
            return
        self._held.append(piece)
        self._num_held += len(piece)
        self._stand(is_paused=self._is_paused, is_full=self._num_held > _HELD_BYTES)
        self._news.set()

    def _taken(self) -> bytes:
        piece = self._held.popleft()
        self._num_held -= len(piece)
        self._stand(is_paused=self._is_paused, is_full=self._num_held > _HELD_BYTES)
        return piece

    def _stand(self, *, is_paused: bool, is_full: bool) -> None:
        """Read on unless somebody asked for a pause or too much is held; once all of it is here, nothing is read."""
        before, now = self._is_paused or self._is_full, is_paused or is_full
        self._is_paused, self._is_full = is_paused, is_full
        if before == now or self._is_complete or self._lost is not None:
            return
        self._heard_s = self._loop.time()
        (self._connection.pause if now else self._connection.resume)()

    async def _next(self) -> None:
        """Returns once something is new."""
        if self._lost is not None:
            raise self._lost
        await self._news.wait()
        self._news.clear()
        if self._lost is not None and not self._held:
            raise self._lost

    def _end(self) -> None:
        self._timer.cancel()
        self._news.set()
        if self._is_complete:
            self._connection.resume()  # for the next answer
            self._connection.released(reusable=self._is_reusable)
        self._parser = None  # it refers to this answer, which else would live until the garbage is collected

    def _look_again(self) -> None:
        """One timer for an answer instead of one for each of its tokens."""
        left_s = self._heard_s + SILENT_S - self._loop.time()
        if left_s > 0 or self._is_paused or self._is_full:
            self._timer = self._loop.call_later(max(left_s, 1.0), self._look_again)
        else:
            self.lose(UpstreamDeclines(f"the replica said nothing for {SILENT_S:g} s"))
            self._connection.close()

"""A request as it comes in over ASGI: its headers, its body within bounds, and whether its client is still there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final, Self

from starlette.types import Receive

from raytide.services.gateway.refusal import Refused, invalid, unauthenticated
from raytide.services.gateway.tracing import CONTEXT

DEADLINE: Final = b"x-deadline-ms"
"""Milliseconds from now in which the client wants the whole answer."""
SESSION: Final = b"x-session-id"
"""Requests of one session go to one replica, which may have their common prefix cached."""
BODY_S: Final = 30.0
"""For the whole body; 10 MB at 3 Mbit/s."""
LINGER_S: Final = 2.0
_LOOK_S: Final = 5.0
_BEARER: Final = "bearer "
_MOST_SESSION_BYTES: Final = 256


class ClientLeft(Exception):
    """The connection has ended."""


class Headers:
    """The headers that the gateway reads, of several with one name the first; `Refused` for one that means nothing."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, bytes] = {}
        for name, value in raw:
            self._values.setdefault(name, value)

    def secret(self) -> str | None:
        """The API key; None without one."""
        value = self._values.get(b"authorization", b"").decode("latin-1").strip()
        if not value:
            return None
        if not value.lower().startswith(_BEARER):
            raise Refused(unauthenticated("the API key must be given as `Authorization: Bearer rt-…`"))
        return value[len(_BEARER) :].strip()

    def deadline_s(self) -> float | None:
        """Seconds that the client gives the whole answer; None where it does not say."""
        value = self._values.get(DEADLINE)
        if value is None:
            return None
        text = value.decode("latin-1")
        if not (text.isascii() and text.isdigit() and 0 < len(text) < 12 and int(text)):
            raise _bad(f"{DEADLINE.decode()} is {text[:40]!r}, and must be whole milliseconds")
        return int(text) / 1000

    def session(self) -> str | None:
        """What names the client's session."""
        value = self._values.get(SESSION)
        return value[:_MOST_SESSION_BYTES].decode("latin-1") if value else None

    def trace_context(self) -> dict[str, str]:
        """The trace that the client is in, as W3C's headers say; empty where it says none."""
        found = {name: self._values.get(name.encode()) for name in CONTEXT}
        return {name: value.decode("latin-1") for name, value in found.items() if value}

    def num_bytes(self) -> int | None:
        """Of the body, as announced; None for one in chunks."""
        value = self._values.get(b"content-length")
        if value is None:
            return None
        if not (value.isdigit() and len(value) < 19):
            raise _bad("Content-Length is no number")
        return int(value)


async def body_of(receive: Receive, announced: int | None, most_bytes: int) -> bytes:
    """The whole body.

    Raises:
        Refused: it is too large, or does not come to its end.
        ClientLeft: the connection ended before it was complete.
    """
    if announced is not None and announced > most_bytes:
        raise _too_large(most_bytes)
    parts, num_bytes = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                part = message.get("body", b"")
                parts.append(part)
                num_bytes += len(part)
                if num_bytes > most_bytes:
                    raise _too_large(most_bytes)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise _bad(f"the body was not complete after {BODY_S:g} s", status=408, code="body_timeout") from None


async def throw_away(receive: Receive) -> None:
    """Reads on for a moment: a client that still sends when its connection is closed may never read why."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] != "http.disconnect" and message.get("more_body", False):
                pass


class Presence:
    """A block that ends with `ClientLeft` as soon as the client closes the connection, or takes nothing any more."""

    def __init__(self, receive: Receive, is_stalled: Callable[[], bool]) -> None:
        self._receive, self._is_stalled = receive, is_stalled
        self._has_left = False

    async def __aenter__(self) -> Self:
        """Watches from now on; the body must have been read."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._watch = asyncio.create_task(self._until_left())
        self._look_again()
        return self

    def stop(self) -> None:
        """Watches no more: the last part of the answer follows, after which a server says that the client has left."""
        self._watch.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Turns the cancellation of its own into `ClientLeft`, and passes on that of others."""
        self._watch.cancel()
        self._timer.cancel()
        if self._has_left and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientLeft

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _look_again(self) -> None:
        """One timer for a request instead of one for each of its tokens."""
        if self._is_stalled():
            self._leave()
        else:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look_again)

    def _leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._task.cancel()


def _too_large(most_bytes: int) -> Refused:
    return _bad(f"the body has more than {most_bytes:,} bytes", status=413, code="body_too_large")


def _bad(message: str, *, status: int = 400, code: str = "invalid_request") -> Refused:
    return Refused(invalid(message, status=status, code=code))

"""One request to a replica over HTTP, and its answer piece by piece."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Final, Protocol, Self

import aiohttp

CONNECT_S: Final = 2.0
"""A replica is in the same network; one that takes no connection in this time is taken for dead."""
SILENT_S: Final = 600.0
"""Between two pieces of an answer, a long prompt in a full queue before the first one included."""
IDLE_S: Final = 60.0
"""How long a connection is kept for the next request: shorter than a replica keeps it, so that none is used that the
replica closes at that moment."""
_READ_BYTES: Final = 2**18
_NOBODY_THERE: Final = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
"""Of a connection that could not be made. Other numbers are trouble of this process, such as too many open files."""


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

    async def close(self) -> None:
        """Ends it; where it was not complete, the connection is closed, which makes the engine stop."""


class Client(Protocol):
    """Sends requests to replicas."""

    async def post(self, address: str, path: str, body: bytes, request_id: str) -> Answer:
        """The beginning of the answer; raises `UpstreamLost` where there is none."""

    async def get(self, address: str, path: str) -> bytes:
        """A small answer; raises `UpstreamLost` where there is none."""


class AiohttpClient:
    """Requests over kept connections."""

    def __init__(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_S)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, address: str, path: str, body: bytes, request_id: str) -> Answer:
        """As `Client`."""
        headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
        try:
            response = await self._session.post(f"http://{address}{path}", data=body, headers=headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from error
        return _AiohttpAnswer(response)

    async def get(self, address: str, path: str) -> bytes:
        """As `Client`."""
        try:
            async with asyncio.timeout(CONNECT_S), self._session.get(f"http://{address}{path}") as response:
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from error

    async def close(self) -> None:
        """Close the kept connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        """The client, closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the kept connections."""
        await self.close()


class _AiohttpAnswer:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("Content-Type", "application/json").encode("latin-1")

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from error

    async def close(self) -> None:
        self._response.close()


def _lost(error: Exception) -> UpstreamLost:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamGone(said)
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno in _NOBODY_THERE:
        return UpstreamGone(said)
    return UpstreamDeclines(said) if isinstance(error, TimeoutError) else UpstreamLost(said)

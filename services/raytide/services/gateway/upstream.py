"""One request to a replica over HTTP, and its answer piece by piece."""

from __future__ import annotations

import asyncio
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


class UpstreamLost(Exception):
    """The replica does not answer, or not to the end."""


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
            raise UpstreamLost(f"{type(error).__name__}: {error}") from error
        return _AiohttpAnswer(response)

    async def get(self, address: str, path: str) -> bytes:
        """As `Client`."""
        try:
            async with asyncio.timeout(CONNECT_S), self._session.get(f"http://{address}{path}") as response:
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpstreamLost(f"{type(error).__name__}: {error}") from error

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
            raise UpstreamLost(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        self._response.close()

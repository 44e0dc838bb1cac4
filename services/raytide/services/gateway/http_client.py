"""Requests to replicas over kept connections."""

from __future__ import annotations

import asyncio
import errno
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Self

from raytide.services.gateway.connection import Connection, ReplicaAnswer
from raytide.services.gateway.upstream import CONNECT_S, IDLE_S, Answer, UpstreamDeclines, UpstreamGone, UpstreamLost

_NOBODY_THERE: Final = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
"""Of a connection that could not be made. Other numbers are trouble of this process, such as too many open files."""


class HttpClient:
    """`upstream.Client` over sockets."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def post(self, address: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `Client`."""
        lines = f"{_lines(headers)}Content-Type: application/json\r\nContent-Length: {len(body)}"
        return await self._ask(address, _head("POST", path, address, lines) + body)

    async def get(self, address: str, path: str, headers: Mapping[str, str]) -> bytes:
        """As `Client`."""
        try:
            async with asyncio.timeout(CONNECT_S):
                answer = await self._ask(
                    address, _head("GET", path, address, f"{_lines(headers)}Accept: application/json")
                )
                try:
                    return b"".join([piece async for piece in answer.pieces()])
                finally:
                    await answer.close()
        except TimeoutError as error:
            raise UpstreamDeclines(f"no answer within {CONNECT_S:g} s") from error

    async def close(self) -> None:
        """Close the kept connections."""
        for connection in [each for kept in self._idle.values() for each in kept]:
            connection.close()

    async def __aenter__(self) -> Self:
        """The client, closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the kept connections."""
        await self.close()

    def keep(self, connection: Connection) -> None:
        """As `connection.Owner`."""
        self._idle[connection.address].append(connection)

    def forget(self, connection: Connection) -> None:
        """As `connection.Owner`."""
        kept = self._idle.get(connection.address, [])
        if connection in kept:
            kept.remove(connection)
        if not kept:
            self._idle.pop(connection.address, None)

    async def _ask(self, address: str, request: bytes) -> ReplicaAnswer:
        connection = self._kept(address) or await self._connected(address)
        answer = connection.ask(request)
        try:
            await answer.begun()
        except BaseException:
            await answer.close()
            raise
        return answer

    def _kept(self, address: str) -> Connection | None:
        """The one that was used last, unless its replica may close it at this moment."""
        now_s, kept = asyncio.get_running_loop().time(), self._idle.get(address, [])
        while kept:
            connection = kept.pop()
            if connection.is_open and now_s - connection.idle_since_s < IDLE_S:
                return connection
            connection.close()
        return None

    async def _connected(self, address: str) -> Connection:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(address, self), host.strip("[]"), int(port)
                )
        except TimeoutError as error:
            raise UpstreamGone(f"{address} takes no connection within {CONNECT_S:g} s") from error
        except OSError as error:
            kind = UpstreamGone if error.errno in _NOBODY_THERE else UpstreamLost
            raise kind(f"{type(error).__name__}: {error}") from error
        return connection


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _head(method: str, path: str, host: str, headers: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n".encode("latin-1")

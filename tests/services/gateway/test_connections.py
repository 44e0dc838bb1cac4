"""The way to a replica, against servers that say exactly what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from raytide.services.gateway import connection
from raytide.services.gateway.http_client import HttpClient
from raytide.services.gateway.upstream import UpstreamDeclines, UpstreamGone, UpstreamLost

from .conftest import run

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


@dataclass
class Scripted:
    """A replica that answers every request with these bytes; `goes_on` is awaited before each but the first."""

    says: list[bytes]
    hangs_up: bool = False
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    num_connections: int = 0
    num_taken_bytes: int = 0
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
                await reader.readexactly(int(length[0].partition(b":")[2]) if length else 0)
                for number, part in enumerate(self.says):
                    if number:
                        await self.goes_on.wait()
                    writer.write(part)
                    await writer.drain()
                    self.num_taken_bytes += len(part)
                if self.hangs_up:
                    break
        writer.close()


@asynccontextmanager
async def replica(
    *says: bytes, hangs_up: bool = False, at_once: bool = True
) -> AsyncIterator[tuple[HttpClient, Scripted]]:
    scripted = Scripted(list(says), hangs_up)
    if at_once:
        scripted.goes_on.set()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with HttpClient() as client:
        yield client, scripted
    server.close()


async def whole(client: HttpClient, at: Scripted) -> bytes:
    answer = await client.post(at.address, "/v1/completions", b"{}", {"X-Request-Id": "id"})
    try:
        return b"".join([piece async for piece in answer.pieces()])
    finally:
        await answer.close()


def against(*says: bytes, **how: bool) -> Callable[[Callable[[HttpClient, Scripted], Awaitable[None]]], None]:
    def play(body: Callable[[HttpClient, Scripted], Awaitable[None]]) -> None:
        async def played() -> None:
            async with replica(*says, **how) as (client, at):
                await body(client, at)

        run(played())

    return play


def test_one_connection_serves_one_request_after_the_other() -> None:
    async def thrice(client: HttpClient, at: Scripted) -> None:
        assert [await whole(client, at) for _ in range(3)] == [b"ab"] * 3
        assert at.num_connections == 1

    against(HEAD + chunk(b"a"), chunk(b"b") + END)(thrice)


def test_an_answer_is_the_same_however_its_bytes_arrive() -> None:
    said = HEAD + chunk(b"data: one\n\n") + chunk(b"data: two\n\n") + END

    async def once(client: HttpClient, at: Scripted) -> None:
        assert await whole(client, at) == b"data: one\n\ndata: two\n\n"

    against(*(said[n : n + 1] for n in range(len(said))))(once)


def test_what_is_poured_comes_at_once_and_in_order() -> None:
    async def poured(client: HttpClient, at: Scripted) -> None:
        answer = await client.post(at.address, "/", b"{}", {"X-Request-Id": "id"})
        assert (answer.status, answer.content_type) == (200, b"text/event-stream")
        seen: list[bytes] = []
        pouring = asyncio.ensure_future(answer.pour(seen.append))
        await asyncio.sleep(0.1)
        assert seen == [b"first"]
        at.goes_on.set()
        await pouring
        assert b"".join(seen) == b"firstsecondthird"

    against(HEAD + chunk(b"first"), chunk(b"second"), chunk(b"third") + END, at_once=False)(poured)


def test_a_reader_that_pauses_stops_the_replica_and_loses_nothing() -> None:
    many = 400

    async def slowly(client: HttpClient, at: Scripted) -> None:
        answer = await client.post(at.address, "/", b"{}", {"X-Request-Id": "id"})
        answer.pause()
        seen: list[bytes] = []
        pouring = asyncio.ensure_future(answer.pour(seen.append))
        before = -1
        while at.num_taken_bytes != before:  # until the buffers of both sockets are full
            before = at.num_taken_bytes
            await asyncio.sleep(0.2)
        assert at.num_taken_bytes < many * 2**17
        answer.resume()
        await pouring
        assert sum(map(len, seen)) == many * 2**17

    against(HEAD, *[chunk(b"x" * 2**17)] * many, END)(slowly)


def test_a_large_answer_that_nobody_reads_at_once_keeps_its_connection_usable() -> None:
    async def twice(client: HttpClient, at: Scripted) -> None:
        answer = await client.post(at.address, "/", b"{}", {"X-Request-Id": "id"})
        await asyncio.sleep(0.2)
        assert sum([len(piece) async for piece in answer.pieces()]) == 3 * 2**18
        assert len(await whole(client, at)) == 3 * 2**18
        assert at.num_connections == 1

    against(HEAD, *[chunk(b"x" * 2**18)] * 3, END)(twice)


@pytest.mark.parametrize(
    "says", [b"", HEAD, HEAD + chunk(b"a"), HEAD + b"5\r\nab"], ids=["nothing", "a head", "a part", "half a part"]
)
def test_a_replica_that_hangs_up_early_is_lost(says: bytes) -> None:
    async def lost(client: HttpClient, at: Scripted) -> None:
        with pytest.raises(UpstreamLost) as raised:
            await whole(client, at)
        assert not isinstance(raised.value, UpstreamGone | UpstreamDeclines)

    against(says, hangs_up=True)(lost)


def test_an_answer_that_nobody_asked_for_reaches_no_other_request() -> None:
    own, stray = HEAD + chunk(b"mine") + END, HEAD.replace(b"200", b"404") + chunk(b"not mine") + END

    async def twice(client: HttpClient, at: Scripted) -> None:
        for _ in range(2):
            answer = await client.post(at.address, "/", b"{}", {"X-Request-Id": "id"})
            assert b"".join([piece async for piece in answer.pieces()]) == b"mine"
            assert answer.status == 200
        assert at.num_connections == 2

    against(own + stray)(twice)


def test_an_interim_answer_is_not_the_answer() -> None:
    async def once(client: HttpClient, at: Scripted) -> None:
        assert await whole(client, at) == b"a"

    against(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", HEAD + chunk(b"a") + END)(once)


def test_what_is_no_http_is_said_to_be_none() -> None:
    async def garbled(client: HttpClient, at: Scripted) -> None:
        with pytest.raises(UpstreamLost, match="no HTTP"):
            await whole(client, at)

    against(b"SSH-2.0-OpenSSH_9.6\r\n")(garbled)


def test_a_port_where_nobody_listens_is_gone() -> None:
    async def gone() -> None:
        async with replica(b"") as (_, at):
            pass
        async with HttpClient() as client:
            with pytest.raises(UpstreamGone):
                await whole(client, at)

    run(gone())


def test_a_replica_that_falls_silent_declines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SILENT_S", 0.2)

    async def silent(client: HttpClient, at: Scripted) -> None:
        with pytest.raises(UpstreamDeclines, match="said nothing"):
            await whole(client, at)
        at.goes_on.set()

    against(HEAD + chunk(b"a"), END, at_once=False)(silent)


def test_an_answer_that_is_closed_before_its_end_closes_the_connection() -> None:
    async def closed(client: HttpClient, at: Scripted) -> None:
        answer = await client.post(at.address, "/", b"{}", {"X-Request-Id": "id"})
        await answer.close()
        at.goes_on.set()
        assert await whole(client, at) == b"ab"
        assert at.num_connections == 2

    against(HEAD + chunk(b"a"), chunk(b"b") + END, at_once=False)(closed)

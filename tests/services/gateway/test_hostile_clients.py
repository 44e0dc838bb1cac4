"""Bytes that no client should send, over real sockets: each is answered in OpenAI's shape, and no engine sees them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.services.gateway import incoming, outgoing, server

from .conftest import PAID, Replica, World, run, world

METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"])
PATHS = st.sampled_from(
    ["/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/models", "/health", "/metrics", "/", "*"]
) | st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), max_size=20).map("/".__add__)
TOKEN = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
NAMES = st.sampled_from(
    ["authorization", "content-length", "transfer-encoding", "expect", "x-deadline-ms", "x-session-id", "upgrade"]
)
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30) | st.sampled_from(
    ["chunked", "100-continue", "Bearer rt-x", "5", "-1", "1e3", "99999999999999999999", "websocket"]
)
BODIES = st.binary(max_size=80) | st.sampled_from(
    [
        b'{"model": "chat", "prompt": "x"}',
        b'{"model": "nothing"}',
        b'{"model": "chat", "stream": 1}',
        b"5\r\nhello\r\n0\r\n\r\n",
    ]
)


async def _raw(port: int, sent: bytes, within_s: float = 5.0) -> bytes:
    """The server's first answer to these bytes, or all that it says in this time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(within_s):
            while part := await reader.read(2**16):
                said += part
                if _is_whole(said):
                    break
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return said


def _is_whole(said: bytes) -> bool:
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


class Standing:
    """A gateway in a thread of its own, which many examples share."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stand()))
        self._thread.start()
        assert self._is_up.wait(60)

    async def _stand(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        async with world(self._home, Replica(), access=PAID) as self.at:
            self._is_up.set()
            await self._ends.wait()

    def say(self, sent: bytes, within_s: float = 0.1) -> bytes:
        """What it says to these bytes; to a request that is not complete, nothing in any time."""
        asked = asyncio.run_coroutine_threadsafe(_raw(self.at.port, sent, within_s), self._loop)
        return asked.result(within_s + 30)

    def is_healthy(self) -> bool:
        """Whether it still answers, and no engine was asked."""
        said = self.say(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 20)
        return said.startswith(b"HTTP/1.1 200") and self.at.replicas[0].asked == []

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    stands = Standing(tmp_path_factory.mktemp("standing"))
    yield stands
    stands.end()


def _errors(said: bytes) -> list[Any]:
    """The JSON bodies in what the server said."""
    return [json.loads(part.partition(b"\r\n\r\n")[2]) for part in said.split(b"HTTP/1.1 ")[1:] if b'{"error"' in part]


@settings(max_examples=150)
@given(METHODS, PATHS, st.lists(st.tuples(NAMES | TOKEN, VALUES), max_size=4), BODIES)
def test_whatever_is_sent_the_gateway_answers_in_openais_shape_and_stays_alive(
    standing: Standing, method: str, path: str, headers: list[tuple[str, str]], payload: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(payload)}\r\n{lines}\r\n"
    said = standing.say(head.encode("latin-1") + payload)
    status = said[9:12]
    assert status in (b"", b"200", b"100") or status.startswith(b"4"), said
    assert b"Traceback" not in said
    if status.startswith(b"4") and method != "HEAD":
        assert _errors(said)[0]["error"]["message"], said
    assert standing.is_healthy()


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_http_end_their_own_connection_only(standing: Standing, noise: bytes) -> None:
    said = standing.say(noise + b"\r\n\r\n")
    assert said == b"" or _errors(said)[0]["error"]["code"]
    assert standing.is_healthy()


REQUEST = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (REQUEST + b"a: b\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
        (REQUEST + b"a: " + b"b" * 40_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (REQUEST + b"a: " + b"b" * 500_000, 431, "headers_too_large"),
        (b"GET /" + b"a" * 500_000, 431, "headers_too_large"),
        (REQUEST + b"content-length: 20000000\r\n\r\n", 413, "body_too_large"),
        (REQUEST + b"content-length: 5\r\n\r\n{abcd", 400, "malformed_json"),
        (b"POST /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404, "unknown_route"),
        (b"GET /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405, "method_not_allowed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "malformed_http"),
    ],
)
def test_what_is_out_of_bounds_has_its_status(home: Path, sent: bytes, status: int, code: str) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            said = await _raw(at.port, sent)
            assert int(said[9:12]) == status
            assert _errors(said)[0]["error"]["code"] == code
            assert at.replicas[0].asked == []

    run(body())


def test_a_body_in_chunks_is_bounded_too(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), most_body_bytes=1000) as at:
            chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
            said = await _raw(at.port, REQUEST + b"transfer-encoding: chunked\r\n\r\n" + chunk * 8)
            assert int(said[9:12]) == 413

    run(body())


def test_a_body_of_ten_megabytes_passes(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            answer = await at.complete(prompt="x" * 9_900_000)
            assert answer.status_code == 200
            assert len(at.replicas[0].asked[0]["prompt"]) == 9_900_000
            assert (await at.complete(prompt="x" * 10_000_000)).status_code == 413

    run(body())


def test_clients_that_drip_their_request_are_let_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S", 0.05)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0.05)
    monkeypatch.setattr(incoming, "BODY_S", 0.05)

    async def body() -> None:
        async with world(home, Replica()) as at:
            head = await _raw(at.port, b"GET /health HT")
            assert (head[9:12], _errors(head)[0]["error"]["code"]) == (b"408", "head_timeout")
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            async with asyncio.timeout(2):
                assert await reader.read() == b""  # it never said anything
            writer.close()
            part = await _raw(at.port, REQUEST + b"content-length: 9\r\n\r\n{")
            assert (part[9:12], _errors(part)[0]["error"]["code"]) == (b"408", "body_timeout")

    run(body())


@pytest.mark.parametrize("stray", [b"\r\n", b"POST /v1/comp", b"no such thing\r\n\r\n"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_follows_a_request_is_not_answered_within_its_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, stray: bytes, stream: bool
) -> None:
    monkeypatch.setattr(server, "HEAD_S", 0.05)

    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            asked = json.dumps({"model": "chat", "prompt": "x", "stream": stream, "max_tokens": 2}).encode()
            writer.write(REQUEST + f"content-length: {len(asked)}\r\n\r\n".encode() + asked)
            await at.until(lambda: bool(replica.asked))
            writer.write(stray)
            await asyncio.sleep(0.3)
            replica.goes_on.set()
            async with asyncio.timeout(5):
                said = await reader.read()
            assert b"HTTP/1.1 4" not in said
            if not stray.startswith(b"no"):
                assert said.startswith(b"HTTP/1.1 200 OK")
                assert (b"data: [DONE]" if stream else b'"word word "') in said
            writer.close()

    run(body())


def test_a_client_that_takes_nothing_holds_a_replica_only_for_a_while(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "STALLED_S", 0.05)
    monkeypatch.setattr(incoming, "_LOOK_S", 0.02)

    async def body() -> None:
        replica = Replica(padding="x" * 60_000)
        async with world(home, replica) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port, limit=1024)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            asked = json.dumps({"model": "chat", "prompt": "x", "stream": True, "max_tokens": 1000}).encode()
            writer.write(REQUEST + f"content-length: {len(asked)}\r\n\r\n".encode() + asked)
            await at.until(lambda: replica.num_cut == 1)
            assert not reader.at_eof()
            writer.close()

    run(body())


def test_clients_that_read_slowly_or_ask_ahead_get_every_word_in_order(home: Path) -> None:
    """Two streams asked for at once on one connection, of which nothing is read for a while."""

    async def body() -> None:
        replica = Replica(padding="x" * 30_000)
        async with world(home, replica) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port, limit=1024)
            asked = json.dumps({"model": "chat", "prompt": "x", "stream": True, "max_tokens": 300}).encode()
            length = f"content-length: {len(asked)}\r\n".encode()
            writer.write(REQUEST.replace(b"close", b"keep-alive") + length + b"\r\n" + asked)
            writer.write(REQUEST + length + b"\r\n" + asked)
            await asyncio.sleep(0.5)
            seen = await reader.read()
            words = [int(event.partition(b'"text":"')[2].split(b" ")[0]) for event in seen.split(b"data: {")[1:]]
            assert words == [*range(300)] * 2
            writer.close()

    run(body())


def test_requests_one_after_the_other_on_one_connection_are_all_answered(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            one = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
            writer.write(one * 3 + b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 4
            writer.close()

    run(body())


def test_an_engine_that_sees_a_flood_of_nonsense_still_answers(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            await asyncio.gather(*(_flood(at, number) for number in range(50)))
            assert (await at.complete()).status_code == 200

    run(body())


async def _flood(at: World, number: int) -> None:
    await _raw(at.port, REQUEST + b"content-length: 4\r\n\r\n" + bytes([number]) * 4)

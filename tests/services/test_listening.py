from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from raytide.services.engines.listener import Listener

CHUNKS = 5


class Streaming:
    """Answers with chunks, each of which waits for its permission; counts what it has begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()
        self.lifespan: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.lifespan = [(await receive())["type"]]
            await send({"type": "lifespan.startup.complete"})
            self.lifespan.append((await receive())["type"])
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.begun += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(CHUNKS):
            await send({"type": "http.response.body", "body": str(number).encode(), "more_body": True})
            await self.go.wait()
        await send({"type": "http.response.body", "body": b""})


async def _begun(app: Streaming, num: int) -> None:
    async with asyncio.timeout(10):
        while app.begun < num:  # noqa: ASYNC110 (the application is asked, it tells nobody)
            await asyncio.sleep(0.01)


def test_what_is_open_is_finished_before_a_drain_returns_and_nothing_new_is_taken() -> None:
    async def scenario() -> tuple[list[str], bool]:
        app = Streaming()
        listener = Listener(app, "127.0.0.1")
        listener.start()
        async with httpx.AsyncClient(base_url=f"http://{listener.address}", timeout=10) as client:
            asked = [asyncio.create_task(client.get("/")) for _ in range(3)]
            await _begun(app, 3)
            drained = asyncio.create_task(listener.drain())
            await asyncio.sleep(0.3)
            was_done = drained.done()
            async with httpx.AsyncClient() as late:
                with pytest.raises(httpx.ConnectError):
                    await late.get(f"http://{listener.address}/")
            app.go.set()
            answers = [(await each).text for each in asked]
            await asyncio.wait_for(drained, 5)
        return answers, was_done

    answers, was_done = asyncio.run(scenario())
    assert answers == ["01234"] * 3
    assert not was_done


def test_an_idle_connection_does_not_hold_a_drain_up() -> None:
    async def scenario() -> None:
        app = Streaming()
        app.go.set()
        listener = Listener(app, "127.0.0.1")
        listener.start()
        async with httpx.AsyncClient(base_url=f"http://{listener.address}", timeout=10) as client:
            assert (await client.get("/")).text == "01234"
            await asyncio.wait_for(listener.drain(), 2)
        assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]

    asyncio.run(scenario())


def test_a_server_that_ended_unasked_makes_the_replica_unhealthy_and_a_drained_one_does_not() -> None:
    async def scenario(*, asked: bool) -> None:
        listener = Listener(Streaming(), "127.0.0.1")
        listener.start()
        await asyncio.sleep(0.3)
        listener.check_health()
        if asked:
            await listener.drain()
        elif listener._serving is not None:
            listener._serving.cancel()
            await asyncio.wait([listener._serving])
        listener.check_health()

    asyncio.run(scenario(asked=True))
    with pytest.raises(RuntimeError, match="HTTP server has ended"):
        asyncio.run(scenario(asked=False))

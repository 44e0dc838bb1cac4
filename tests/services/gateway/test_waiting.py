"""Requests that wait for a replica, and then for their turn."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .conftest import PAID, Replica, run, world

IMPATIENT = PAID.model_copy(update={"max_wait": 0.2, "api_keys": "off"})
LONG = "word " * 20_000
"""25,000 tokens, as estimated: longer than the wait that is allowed, at a replica that has nothing else to do."""


def test_a_prompt_that_no_replica_could_begin_in_time_keeps_nobody_from_being_served(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=IMPATIENT) as at:
            at.directory.find("", "chat").learn(frozenset({"chat"}), 100_000)
            at.serve(upstreams=(), waking=True)
            first = asyncio.create_task(at.complete(prompt=LONG))
            await at.until(lambda: at.held.num("chat") == 1)
            second = asyncio.create_task(at.complete())
            await at.until(lambda: at.held.num("chat") == 2)
            at.serve()
            async with asyncio.timeout(5):
                assert (await second).status_code == 200
                refused = await first
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "max_wait_unreachable")
            assert "idle" in refused.json()["error"]["message"]
            assert (await at.complete()).status_code == 200

    run(body())


def test_who_waits_for_a_service_that_is_deleted_hears_so_at_once(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            at.serve(upstreams=(), waking=True)
            waiting = asyncio.create_task(at.complete())
            await at.until(lambda: at.held.num("chat") == 1)
            assert 'raytide_gateway_requests_held{service="chat"} 1.0' in (await at.client.get("/metrics")).text
            at.directory.keep(())
            async with asyncio.timeout(5):
                answer = await waiting
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
            assert "raytide_gateway_requests_held{" not in (await at.client.get("/metrics")).text

    run(body())


def test_who_waits_is_served_by_the_application_that_takes_the_service_over(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            at.serve(upstreams=(), waking=True)
            waiting = asyncio.create_task(at.complete())
            await at.until(lambda: at.held.num("chat") == 1)
            at.directory.see("chat-r2", at.routes, "/")
            at.directory.keep(("chat-r2",))
            async with asyncio.timeout(5):
                assert (await at.complete()).status_code == 200
                assert (await waiting).status_code == 200

    run(body())

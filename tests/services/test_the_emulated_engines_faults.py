from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx

from raytide.services.engines.emulated.openai import OpenAI


async def _at_once(_prompt: int, output_tokens: int, num: int) -> AsyncGenerator[tuple[int, int]]:
    for choice in range(num):
        yield choice, output_tokens


def test_every_third_request_fails_where_that_is_declared() -> None:
    routes = OpenAI(("chat",), 100, _at_once, fail_every=3).application()

    async def statuses() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(routes), base_url="http://engine") as http:
            body = {"model": "chat", "prompt": [1], "max_tokens": 2}
            return [(await http.post("/v1/completions", json=body)).status_code for _ in range(6)]

    assert asyncio.run(statuses()) == [200, 200, 500, 200, 200, 500]

"""Light load: streamed completions at an even rate, each with few tokens, and what a client sees of each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from raytide.operator.drill.objective import Answer

_TIMEOUT_S: Final = 120.0
"""As long as a first replica may take to start: who waits for it is not lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Where and how much."""

    url: str
    model: str
    requests_per_s: float
    max_tokens: int
    api_key: str | None = None


async def ask_once(load: Load) -> Answer:
    """The answer to one request."""
    async with _client(load) as client:
        return await _answer(client, load)


async def send_until(load: Load, over: asyncio.Event) -> list[Answer]:
    """Every answer to the requests that were sent until `over`, in the order in which they were sent."""
    async with _client(load) as client:
        pending = [asyncio.create_task(_answer(client, load)) async for _ in _ticks(load.requests_per_s, over)]
        return list(await asyncio.gather(*pending))


def _client(load: Load) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {load.api_key}"} if load.api_key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=load.url, headers=headers, timeout=_TIMEOUT_S, limits=limits, trust_env=False)


async def _ticks(per_s: float, over: asyncio.Event) -> AsyncIterator[None]:
    while not over.is_set():
        yield
        try:
            async with asyncio.timeout(1.0 / per_s):
                await over.wait()
        except TimeoutError:
            continue


async def _answer(client: httpx.AsyncClient, load: Load) -> Answer:
    sent_s, tokens_s = time.time(), list[float]()
    body = {"model": load.model, "prompt": "import ", "max_tokens": load.max_tokens, "stream": True, "ignore_eos": True}
    try:
        async with client.stream("POST", "/v1/completions", json=body) as response:
            error = None if response.is_success else f"HTTP {response.status_code}"
            is_whole = False
            async for line in response.aiter_lines():
                is_whole = is_whole or line == "data: [DONE]"
                if line.startswith("data: {"):
                    error = error or _error(line)
                    tokens_s.append(time.time())
            error = error or (None if is_whole else "the stream was cut")
    except httpx.HTTPError as failure:
        error = type(failure).__name__
    return _seen(sent_s, tokens_s, error)


def _seen(sent_s: float, tokens_s: list[float], error: str | None) -> Answer:
    ttft_s = tokens_s[0] - sent_s if tokens_s else None
    tpot_s = (tokens_s[-1] - tokens_s[0]) / (len(tokens_s) - 1) if len(tokens_s) > 1 else None
    return Answer(sent_s=sent_s, ended_s=time.time(), error=error, ttft_s=ttft_s, tpot_s=tpot_s)


def _error(line: str) -> str | None:
    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return str(event["error"].get("message", event["error"]))[:80] if "error" in event else None

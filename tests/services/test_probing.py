from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from raytide.core.errors import RaytideError
from raytide.services.engines.probe import CHAT, COMPLETIONS, Probe

WAIT_S = 0.01


class Routes:
    """A streaming OpenAI server that keeps what it was asked; it refuses prompts of token 0."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        paths = (COMPLETIONS, CHAT)
        self.app = Starlette(routes=[Route(path, self._answer, methods=["POST"]) for path in paths])

    async def _answer(self, request: Request) -> Response:
        asked = await request.json()
        self.asked.append((request.url.path, asked))
        if asked.get("prompt") == [0]:
            return JSONResponse({"error": {"message": "token 0 is reserved"}}, status_code=400)
        return StreamingResponse(self._stream(asked["max_tokens"]), media_type="text/event-stream")

    async def _stream(self, num_tokens: int) -> AsyncIterator[str]:
        for number in range(num_tokens):
            await asyncio.sleep(WAIT_S)
            yield f"data: {json.dumps({'choices': [{'text': str(number)}]})}\n\n"
        await asyncio.sleep(WAIT_S)
        yield "data: [DONE]\n\n"


@pytest.fixture
def routes() -> Routes:
    return Routes()


def test_a_request_is_timed_from_its_first_to_its_last_token(routes: Routes) -> None:
    timing = asyncio.run(Probe(routes.app, "chat").generate([1, 2, 3], 4))
    assert timing.num_tokens == 4
    assert timing.last_token_s - timing.first_token_s >= 3 * WAIT_S
    assert timing.tpot_s >= WAIT_S


def test_it_asks_for_exactly_so_many_tokens(routes: Routes) -> None:
    asyncio.run(Probe(routes.app, "chat").generate([1, 2, 3], 4))
    assert routes.asked == [
        (
            COMPLETIONS,
            {
                "model": "chat",
                "prompt": [1, 2, 3],
                "stream": True,
                "temperature": 0.0,
                "max_tokens": 4,
                "min_tokens": 4,
                "ignore_eos": True,
            },
        )
    ]


def test_the_first_turns_are_a_chat_and_every_way_to_sample(routes: Routes) -> None:
    asyncio.run(Probe(routes.app, "chat").first_turns())
    (path, asked), *sampled = routes.asked
    assert path == CHAT
    assert asked["messages"] == [{"role": "user", "content": "hello"}]
    assert all(asked["temperature"] > 0 for _, asked in sampled)
    assert {"top_p", "top_k"} <= {key for _, asked in sampled for key in asked}


def test_many_run_at_once(routes: Routes) -> None:
    async def together() -> float:
        probe = Probe(routes.app, "chat")
        timings = await asyncio.gather(*(probe.generate([1], 2) for _ in range(8)))
        return max(timing.last_token_s for timing in timings) - min(timing.first_token_s for timing in timings)

    assert asyncio.run(together()) < 8 * 2 * WAIT_S


def test_a_refused_request_is_an_error_with_the_answer_and_no_measurement(routes: Routes) -> None:
    with pytest.raises(RaytideError, match=r"/v1/completions with 400: .*token 0 is reserved"):
        asyncio.run(Probe(routes.app, "chat").generate([0], 2))

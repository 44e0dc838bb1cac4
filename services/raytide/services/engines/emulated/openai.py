"""The OpenAI routes of an emulated engine: the answers of vLLM's in shape, in status and in time, not in content."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from raytide.services.engines.emulated.asked import ChatAsked, CompletionAsked, Refused

Generate = Callable[[int, int, int], AsyncGenerator[tuple[int, int]]]
"""`(prompt tokens, output tokens, number of answers)` → `(choice, tokens)` as they come."""
WORD: Final = " tide"


class OpenAI:
    """Completions, chat, models and health."""

    def __init__(
        self, models: Sequence[str], max_model_len: int, generate: Generate, fail_every: int | None = None
    ) -> None:
        self._models = models
        self._fail_every, self._num_asked = fail_every, 0
        self._max_model_len = max_model_len
        self._generate = generate

    def application(self) -> Starlette:
        """The routes as an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/completions", self._complete, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._list),
                Route("/health", _healthy),
            ]
        )

    async def _complete(self, request: Request) -> Response:
        return await self._answer(request, CompletionAsked)

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, ChatAsked)

    async def _answer(self, request: Request, kind: type[CompletionAsked | ChatAsked]) -> Response:
        try:
            asked = kind.model_validate_json(await request.body())
            num_tokens = asked.output_tokens(self._models, self._max_model_len)
        except Refused as error:
            return _refusal(error.status, error.kind, str(error))
        except ValidationError as error:
            return _refusal(400, "Bad Request", "; ".join(_said(each) for each in error.errors()))
        self._num_asked += 1
        if self._fail_every and self._num_asked % self._fail_every == 0:
            return _refusal(500, "Internal Server Error", "this engine fails as it was declared to (fail_every)")
        answer = _Answer(asked, num_tokens, self._generate(asked.prompt_tokens, num_tokens, asked.n))
        if asked.stream:
            return StreamingResponse(answer.events(), media_type="text/event-stream")
        return await _unless_gone(request, answer.whole())

    async def _list(self, _request: Request) -> Response:
        about = {"object": "model", "created": int(time.time()), "owned_by": "raytide"}
        models = [{"id": name, "max_model_len": self._max_model_len, **about} for name in self._models]
        return JSONResponse({"object": "list", "data": models})


class _Answer:
    """One request's answer, in pieces or whole."""

    def __init__(
        self, asked: CompletionAsked | ChatAsked, num_tokens: int, tokens: AsyncGenerator[tuple[int, int]]
    ) -> None:
        self._asked = asked
        self._num_tokens = num_tokens
        self._tokens = tokens
        self._head = {
            "id": f"{asked.id_prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": asked.model,
        }

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events: a token each, the usage if asked for, and the end mark."""
        left = dict.fromkeys(range(self._asked.n), self._num_tokens)
        async with aclosing(self._tokens) as tokens:
            for piece in self._asked.first_pieces():
                yield self._event([piece])
            async for choice, num in tokens:
                left[choice] -= num
                reasons = [None] * (num - 1) + [None if left[choice] else "length"]
                yield "".join(self._event([self._asked.piece(choice, WORD, reason)]) for reason in reasons)
        if self._asked.wants_usage:
            yield self._event([], usage=self._usage())
        yield "data: [DONE]\n\n"

    async def whole(self) -> Response:
        """Everything at once."""
        async with aclosing(self._tokens) as tokens:
            async for _ in tokens:
                pass
        text = WORD * self._num_tokens
        choices = [self._asked.choice(choice, text, "length") for choice in range(self._asked.n)]
        return JSONResponse({**self._head, "object": self._asked.object, "choices": choices, "usage": self._usage()})

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        body = {**self._head, "object": self._asked.chunk_object, "choices": choices, **more}
        return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"

    def _usage(self) -> dict[str, int]:
        prompt, completion = self._asked.prompt_tokens, self._num_tokens * self._asked.n
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


async def _unless_gone(request: Request, answering: Any) -> Response:
    """The answer; where the client goes first, the engine stops writing it."""
    answer: asyncio.Task[Response] = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else Response(status_code=499)
    finally:
        answer.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _healthy(_request: Request) -> Response:
    return Response()


def _refusal(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": status}}, status)


def _said(error: Any) -> str:
    where = ".".join(str(step) for step in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])

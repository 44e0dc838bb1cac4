"""One request to an OpenAI route, streamed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from raytide.cli.demo.view import View
from raytide.core.errors import RunFailed

TIMEOUT_S = 120.0
OUTPUT_TOKENS = 48


def request_body(model: str, prompt: str, output_tokens: int, **more: Any) -> dict[str, Any]:
    """The body of a streamed completion that ends with its usage."""
    usage = {"stream_options": {"include_usage": True}}
    return {"model": model, "prompt": prompt, "max_tokens": output_tokens, "stream": True, **usage, **more}


def stream_completion(url: str, model: str, prompt: str, view: View) -> None:
    """Shows a greedy completion as it arrives.

    Raises:
        RunFailed: the service does not answer, or answers with an error.
    """
    body = request_body(model, prompt, OUTPUT_TOKENS, temperature=0)
    try:
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=TIMEOUT_S, trust_env=False) as response:
            response.raise_for_status()
            for chunk in filter(None, map(parse, response.iter_lines())):
                view.say(chunk.text.replace("\n", "\n  "), end="")
    except httpx.HTTPError as error:
        raise RunFailed(f"{url} did not complete a prompt ({error}): `raytide status` says more") from error
    view.say("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One server-sent event of a completion. A busy engine puts several tokens into one."""

    text: str
    output_tokens: int | None
    """All tokens of the completion, in its last event."""


def parse(line: str) -> Chunk | None:
    """The event of a line; None for the lines between events and for the end mark.

    Raises:
        RunFailed: the event is an error, which vLLM sends in the middle of a stream where it fails there.
    """
    if not line.startswith("data: {"):
        return None
    event = json.loads(line.removeprefix("data: "))
    if "error" in event:
        raise RunFailed(f"the service broke a completion off: {event['error'].get('message', event['error'])}")
    usage = event.get("usage") or {}
    return Chunk(
        text="".join(choice["text"] for choice in event["choices"]), output_tokens=usage.get("completion_tokens")
    )

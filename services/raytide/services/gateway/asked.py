"""What a request's body asks for, as far as the gateway must know, and what it may cost at most.

The body is read once, without building what is only passed on: 10 MB take 10 to 40 ms instead of a second. Its bytes
reach the engine as they came, but for the wish to be told the usage of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from raytide.services.gateway.refusal import UNREADABLE, Refused, invalid, unreadable

COMPLETIONS: Final = "/v1/completions"
CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
GENERATING: Final = (COMPLETIONS, CHAT)

TEMPLATE_TOKENS: Final = 512
"""What a chat template adds to a conversation at most: role marks and a default system prompt. Those of Llama, Qwen,
Mistral and Gemma add 10 to 60 tokens."""
BYTES_PER_TOKEN: Final = 4
"""Of English text, for estimates; never for what is billed."""
_DEFAULT_COMPLETION_TOKENS: Final = 16
"""OpenAI's and vLLM's default of `max_tokens` on /v1/completions; a chat goes on to the end of the context."""
_MOST_TOKENS: Final = 2**31
_MOST_SEQUENCES: Final = 2**16
"""Of one request, over all prompts. vLLM takes 16,384 for each. What many more may cost is beyond the ledger's 64
bits, and such a request would keep from it those that are entered together with it."""


class Body(msgspec.Struct):
    """The keys that the gateway reads; the rest is passed on unread."""

    model: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    prompt: msgspec.Raw = msgspec.Raw(b"null")
    input: msgspec.Raw = msgspec.Raw(b"null")
    prompt_embeds: msgspec.Raw = msgspec.Raw(b"null")
    prompt_cache_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the gateway understands it."""

    path: str
    model: str | None
    is_stream: bool
    num_prompts: int
    num_sequences: int
    """Over all prompts."""
    max_output_tokens: int | None
    """Of each sequence; None where only the context ends it."""
    is_text: bool
    """Whether every token of the prompt takes at least a byte of the body."""
    body_bytes: int
    session: str | None
    """Requests of one session share a prefix."""
    stream_options: Mapping[str, Any] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the client itself asked for the usage of its stream."""
        return bool((self.stream_options or {}).get("include_usage"))

    @property
    def estimated_prompt_tokens(self) -> int:
        """For predictions and limits."""
        return max(1, self.body_bytes // BYTES_PER_TOKEN)

    def estimated_output_tokens(self, usual: float) -> int:
        """Over all sequences, where `usual` is the mean length of an answer."""
        each = usual if self.max_output_tokens is None else min(usual, self.max_output_tokens)
        return round(self.num_sequences * each)

    def most_prompt_tokens(self, context_tokens: int) -> int:
        """No tokenizer makes more tokens of a text than it has bytes."""
        all_context = self.num_prompts * context_tokens
        if not self.is_text:
            return all_context
        return min(self.body_bytes + self.num_prompts * TEMPLATE_TOKENS, all_context)

    def most_output_tokens(self, context_tokens: int) -> int:
        """Over all sequences."""
        each = context_tokens if self.max_output_tokens is None else min(self.max_output_tokens, context_tokens)
        return self.num_sequences * each


def asked_of(path: str, body: bytes, session: str | None) -> Asked:
    """What the body of a request to this path asks.

    Raises:
        Refused: it is no JSON, or not what an engine takes.
    """
    try:
        read = _DECODER.decode(body)
        _require_text(body)
        num_prompts = _num_prompts(path, read)
    except UNREADABLE as error:
        raise Refused(unreadable(error)) from error
    _require_in_range(read)
    asked = _asked(path, read, num_prompts, len(body), session)
    if asked.num_sequences > _MOST_SEQUENCES:
        message = f"{asked.num_sequences:,} answers are asked for, and at most {_MOST_SEQUENCES:,} may be at once"
        raise Refused(invalid(message, param="n"))
    return asked


def with_usage(body: bytes, asked: Asked) -> bytes:
    """The body that also asks for the usage of its stream. A key that stands twice has its last value."""
    if not asked.is_stream or asked.wants_usage:
        return body
    wanted = msgspec.json.encode({**(asked.stream_options or {}), "include_usage": True})
    return body[: body.rindex(b"}")] + b',"stream_options":' + wanted + b"}"


_DECODER: Final = msgspec.json.Decoder(Body)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""Of a character beyond 16 bits; the other half must follow."""


def _require_text(body: bytes) -> None:
    """Raises where a string is none: engines find that out late, each in its own words, or fail.

    Most bodies are through with the first look, so that only the others are decoded in full.
    """
    if not body.isascii():
        body.decode()
    if _HALF.search(body):
        msgspec.json.decode(body)


def _require_in_range(read: Body) -> None:
    for name in ("max_tokens", "max_completion_tokens", "n", "best_of"):
        value = getattr(read, name)
        least = 0 if name.startswith("max") else 1
        if value is not None and not least <= value < _MOST_TOKENS:
            raise Refused(invalid(f"{name} is {value}, and must be a number from {least}", param=name))


def _asked(path: str, read: Body, num_prompts: int, body_bytes: int, session: str | None) -> Asked:
    per_prompt = max(read.n or 1, read.best_of or 1) if path in GENERATING else 0
    return Asked(
        path=path,
        model=read.model,
        is_stream=bool(read.stream),
        num_prompts=num_prompts,
        num_sequences=num_prompts * per_prompt,
        max_output_tokens=_max_output_tokens(path, read),
        is_text=bytes(read.prompt_embeds) == b"null",
        body_bytes=body_bytes,
        session=session or read.prompt_cache_key,
        stream_options=read.stream_options,
    )


def _max_output_tokens(path: str, read: Body) -> int | None:
    given = [value for value in (read.max_tokens, read.max_completion_tokens) if value is not None]
    if given:
        return max(given)  # engines differ in which one goes first
    return _DEFAULT_COMPLETION_TOKENS if path == COMPLETIONS else None


def _num_prompts(path: str, read: Body) -> int:
    if path == CHAT:
        return 1
    return sum(_entries(bytes(each).lstrip()) for each in (read.prompt, read.input, read.prompt_embeds)) or 1


def _entries(value: bytes) -> int:
    """1 for a text or the tokens of one prompt, else the number of prompts in the list."""
    if value == b"null":
        return 0
    if not value.startswith(b"["):
        return 1
    entries = _LIST.decode(value)
    return 1 if entries and bytes(entries[0])[:1].isdigit() else len(entries)

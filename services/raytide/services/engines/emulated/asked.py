"""What clients ask of the OpenAI routes, as far as the length of an answer depends on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

CHARACTERS_PER_TOKEN: Final = 4
"""Of a text that nobody tokenizes."""
_USUAL_TOKENS: Final = 16
"""Of a completion that sets no `max_tokens`, as in the OpenAI API."""


class Refused(Exception):
    """The request cannot be answered."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class StreamOptions(BaseModel):
    """Of a streamed answer."""

    include_usage: bool | None = False


class Asked(BaseModel):
    """What both routes have in common; sampling does not change a length."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str
    n: int = Field(default=1, ge=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=0)

    @property
    def prompt_tokens(self) -> int:
        """At least one."""
        raise NotImplementedError

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def wanted_tokens(self) -> int | None:
        """The longest answer, where the client names it."""
        return self.max_tokens

    def output_tokens(self, models: Sequence[str], max_model_len: int) -> int:
        """The length of each answer; Refused where the model is another one, or the tokens are too many."""
        if self.model not in models:
            raise Refused(404, "NotFoundError", f"The model `{self.model}` does not exist.")
        room, wanted = max_model_len - self.prompt_tokens, self.wanted_tokens
        if room < max(1, wanted or 0):
            raise Refused(
                400,
                "BadRequestError",
                f"This model's maximum context length is {max_model_len} tokens, and the request asks for "
                f"{self.prompt_tokens} of the prompt and {wanted or 1} of the answer.",
            )
        return max(1, room if wanted is None else wanted)


class CompletionAsked(Asked):
    """`POST /v1/completions`."""

    prompt: str | list[int]
    max_tokens: int | None = Field(default=_USUAL_TOKENS, ge=0)
    object: Literal["text_completion"] = "text_completion"
    chunk_object: Literal["text_completion"] = "text_completion"
    id_prefix: Literal["cmpl"] = "cmpl"

    @property
    def prompt_tokens(self) -> int:
        """Ids are counted, a text is estimated."""
        return max(1, _tokens(self.prompt) if isinstance(self.prompt, str) else len(self.prompt))

    def first_pieces(self) -> Iterator[dict[str, Any]]:
        """A completion begins with its first token."""
        return iter(())

    def piece(self, choice: int, text: str, finish_reason: str | None) -> dict[str, Any]:
        """A token of a stream."""
        return self.choice(choice, text, finish_reason)

    def choice(self, choice: int, text: str, finish_reason: str | None) -> dict[str, Any]:
        """One of the answers."""
        return {
            "index": choice,
            "text": text,
            "logprobs": None,
            "finish_reason": finish_reason,
            "stop_reason": None,
        }


class ChatAsked(Asked):
    """`POST /v1/chat/completions`."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=0)
    object: Literal["chat.completion"] = "chat.completion"
    chunk_object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    id_prefix: Literal["chatcmpl"] = "chatcmpl"

    @property
    def prompt_tokens(self) -> int:
        """Of all messages."""
        return max(1, sum(_tokens(str(message.get("content", ""))) for message in self.messages))

    @property
    def wanted_tokens(self) -> int | None:
        """The newer name goes first."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def first_pieces(self) -> Iterator[dict[str, Any]]:
        """A turn begins with its role."""
        for choice in range(self.n):
            yield {"index": choice, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}

    def piece(self, choice: int, text: str, finish_reason: str | None) -> dict[str, Any]:
        """A token of a stream."""
        return {"index": choice, "delta": {"content": text}, "finish_reason": finish_reason}

    def choice(self, choice: int, text: str, finish_reason: str | None) -> dict[str, Any]:
        """One of the answers."""
        message = {"role": "assistant", "content": text}
        return {"index": choice, "message": message, "logprobs": None, "finish_reason": finish_reason}


def _tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)

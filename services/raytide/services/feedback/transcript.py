"""What an exchange said, from its bytes: one text asked and one answered, or nothing that could be learnt from."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_DATA: Final = b"data:"
_END: Final = b"\n\n"
_DONE: Final = b"[DONE]"


class _Message(msgspec.Struct):
    role: str
    content: str


class _Request(msgspec.Struct):
    messages: list[_Message] | None = None
    prompt: str | None = None
    n: int | None = None
    tools: list[Any] | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    text: str | None = None
    message: _Said | None = None
    delta: _Said | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []


_REQUEST: Final = msgspec.json.Decoder(_Request)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def asked_in(body: bytes) -> str | None:
    """The conversation or the prompt of a request, as `Answer.asked`; None where it is more or other than one text."""
    try:
        request = _REQUEST.decode(body)
    except msgspec.MsgspecError:  # parts with images, tokens instead of text, several prompts
        return None
    if request.tools or (request.n or 1) > 1 or (request.messages is None) == (request.prompt is None):
        return None
    asked = request.prompt if request.messages is None else request.messages
    return msgspec.json.encode(asked).decode()


def said_in(answer: bytes, *, is_stream: bool) -> str | None:
    """The text of an answer; None where it is no text, or several."""
    try:
        parts = [_ANSWER.decode(event) for event in (_events(answer) if is_stream else (answer,))]
    except msgspec.MsgspecError:
        return None
    choices = [choice for part in parts for choice in part.choices]
    texts = [_text(choice) for choice in choices]
    if any(text is None for text in texts) or any(choice.index for choice in choices):
        return None
    said = "".join(text for text in texts if text is not None)
    return said if said and "\0" not in said else None  # PostgreSQL's texts have no zero byte


def _events(stream: bytes) -> list[bytes]:
    found = (event.partition(_DATA)[2].strip() for event in stream.split(_END) if _DATA in event)
    return [event for event in found if event != _DONE]


def _text(choice: _Choice) -> str | None:
    said = choice.message or choice.delta
    if said is None:
        return choice.text
    return None if said.tool_calls else said.content or ""

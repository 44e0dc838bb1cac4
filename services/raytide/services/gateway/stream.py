"""What passes of an engine's answer: every byte as it came, but for the usage that only the gateway asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

_END: Final = b"\n\n"
_MARKS: Final = (b'"usage":{', b'"usage": {')
"""In a text of the model the quotes have backslashes, so that this stands for the key alone."""
_DATA: Final = b"data:"
_MOST_BYTES: Final = 2**22
"""Of an event that is not complete; a longer one passes unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, as the engine counted them."""

    prompt_tokens: int
    output_tokens: int


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0


class _Event(msgspec.Struct):
    usage: _Counts | None = None
    choices: list[Any] | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)


class EventStream:
    """A stream of events (`text/event-stream`) on its way: counts them, finds the usage, and takes it out if unwanted.

    Nothing complete is kept back: where a piece ends with an event, which it nearly always does, it passes whole.
    """

    def __init__(self, *, passes_usage: bool) -> None:
        self._passes_usage = passes_usage
        self._begun = b""
        self._said = b""
        self.num_events = 0
        """With something of an answer in them."""

    def feed(self, piece: bytes) -> bytes:
        """What may go on to the client now that this has come."""
        if self._begun:
            piece = self._begun + piece
            self._begun = b""
        if not piece.endswith(_END):
            end = piece.rfind(_END) + len(_END) if _END in piece else 0
            if len(piece) - end <= _MOST_BYTES:
                piece, self._begun = piece[:end], piece[end:]
        # Only at the beginning of a line: a model may write the same, in whose JSON no line ends.
        self.num_events += piece.startswith(_DATA) + piece.count(b"\n" + _DATA)
        if any(mark in piece for mark in _MARKS):
            return self._without_usage(piece)
        return piece

    def rest(self) -> bytes:
        """What is left when the engine has ended its answer in the middle of an event."""
        rest, self._begun = self._begun, b""
        return rest

    @property
    def usage(self) -> Usage | None:
        """As the last event said that had one."""
        event = _read(self._said)
        return None if event is None else _usage(event)

    def _without_usage(self, piece: bytes) -> bytes:
        passed = []
        for event in piece.split(_END):
            if not any(mark in event for mark in _MARKS):
                passed.append(event)
                continue
            self._said = event
            if self._passes_usage or not _is_usage_alone(event):
                passed.append(event)
        return _END.join(passed)


def usage_of(body: bytes) -> Usage | None:
    """The usage in an answer that is no stream; None where it has none."""
    try:
        return _usage(_EVENT.decode(body))
    except msgspec.MsgspecError:
        return None


def _is_usage_alone(event: bytes) -> bool:
    read = _read(event)
    return read is not None and read.choices == []


def _read(event: bytes) -> _Event | None:
    try:
        return _EVENT.decode(event.partition(_DATA)[2].strip())
    except msgspec.MsgspecError:
        return None


def _usage(event: _Event) -> Usage | None:
    if event.usage is None:
        return None
    return Usage(prompt_tokens=event.usage.prompt_tokens, output_tokens=event.usage.completion_tokens or 0)

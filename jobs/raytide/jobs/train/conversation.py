"""Conversations to token rows in which only the assistant's words count.

Every prompt is tokenized as a server tokenizes it, on its own, so that training continues exactly what serving asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from raytide.core.errors import RaytideError
from raytide.jobs.json_file import read_rows

Messages: TypeAlias = list[dict[str, str]]
Render: TypeAlias = Callable[[Messages, bool], str]
"""The chat template: messages, and whether the beginning of an answer follows them."""

_EXPECTED = '{"messages": [{"role": …, "content": …}, …]} with an assistant, or {"prompt": …, "answer": …}'


class Segment(NamedTuple):
    """A piece of a conversation's text."""

    text: str
    learnt: bool
    """Whether the assistant says it."""


def read_conversations(file: Path) -> list[Messages]:
    """The conversations of a file of JSON lines.

    Raises:
        RaytideError: There is no such file, or nothing in it.
        SpecError: Lines that are no conversations.
    """
    return read_rows(file, _conversation, named="spec.examples.file", what="conversation", expected=_EXPECTED)


def segments(messages: Messages, render: Render) -> Iterator[Segment]:
    """The text up to the last answer, cut where the assistant begins and ends.

    Raises:
        RaytideError: The template does not continue a shorter conversation into a longer one.
    """
    done = ""
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            asked, answered = render(messages[:at], True), render(messages[: at + 1], False)
            if not (asked.startswith(done) and answered.startswith(asked)):
                raise RaytideError(
                    "The chat template renders a conversation anew with each answer, so that answers cannot be told "
                    "from prompts; use a model with a template that only appends."
                )
            yield Segment(asked[len(done) :], False)
            yield Segment(answered[len(asked) :], True)
            done = answered


def are_messages(messages: list[Any]) -> bool:
    """Whether a list holds messages, one at least, each with a role and a text."""
    return bool(messages) and all(map(_is_message, messages))


def _conversation(content: Any) -> Messages | None:
    """The messages of a line; None where it holds none that could be learnt from."""
    match content:
        case {"prompt": str(prompt), "answer": str(answer)} if answer and len(content) == 2:
            return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        case {"messages": list(messages)} if are_messages(messages) and _somebody_answers(messages):
            return messages
    return None


def _somebody_answers(messages: Messages) -> bool:
    return any(message["role"] == "assistant" for message in messages)


def _is_message(message: object) -> bool:
    match message:
        case {"role": str(), "content": str()}:
            return True
    return False

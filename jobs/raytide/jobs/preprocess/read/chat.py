"""A value that is text, or a conversation that becomes one: roles as plain words, one turn per line.

A model that never saw a conversation continues what it reads; the tokenizer's chat template says the same.
"""

from __future__ import annotations

from typing import Final

ROLES: Final = frozenset({"system", "user", "assistant", "tool"})


class Malformed(Exception):
    """A value that is neither; the message says what it is."""


def text_of(value: object) -> str:
    """The text, or the conversation as text.

    Raises:
        Malformed: It is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return "".join(_turn(message) for message in value)
    raise Malformed("an empty list" if value == [] else f"a {type(value).__name__}")


def _turn(message: object) -> str:
    if not isinstance(message, dict):
        raise Malformed(f"a list of {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES or not isinstance(content, str):
        raise Malformed(f"a list with a turn of role {role!r} and content of type {type(content).__name__}")
    return f"{role}: {content}\n"

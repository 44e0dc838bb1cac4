"""A file's bytes to clean text, or the reason why it is left out."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MIN_CHARS: Final = 64
"""Shorter files (an empty `__init__.py`, a stub) teach nothing but their own boilerplate."""

MAX_LINE_CHARS: Final = 10_000
"""No person writes such a line: it is minified or generated."""

# Control characters except tab and newline, and the byte-order mark wherever concatenation left one.
_INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


class Dropped(Exception):
    """A document that is left out; the message is the reason that is counted."""


def decode(content: bytes) -> str:
    """The text of a UTF-8 file.

    Raises:
        Dropped: The bytes are not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Dropped("undecodable") from None


def clean(text: str) -> str:
    r"""The text in NFC with `\n` line ends, without control characters, trailing blanks and outer empty lines.

    Cleaning clean text changes nothing.
    """
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = (line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n"))
    body = "\n".join(lines).strip("\n")
    return f"{body}\n" if body else ""


def check(text: str) -> None:
    """Returns where the clean text is worth keeping.

    Raises:
        Dropped: It is too short, or a line is too long.
    """
    if len(text) < MIN_CHARS:
        raise Dropped("too_short")
    if max(map(len, text.split("\n"))) > MAX_LINE_CHARS:
        raise Dropped("long_lines")

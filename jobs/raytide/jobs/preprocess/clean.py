"""Text in one form, or the reason why it is left out."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_LINE_CHARS: Final = 10_000
"""No person writes such a line: it is minified or generated."""

# Control characters except tab and newline, and the byte-order mark wherever concatenation left one.
_INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


class Dropped(Exception):
    """A document that is left out: the step, the reason that is counted, and what was found."""

    def __init__(self, step: str, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.detail = detail


def clean(text: str) -> str:
    r"""The text in NFC with `\n` line ends, without control characters, trailing blanks and outer empty lines.

    Cleaning clean text changes nothing.
    """
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = (line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n"))
    body = "\n".join(lines).strip("\n")
    return f"{body}\n" if body else ""


def check(text: str, min_chars: int) -> None:
    """Returns where the clean text is worth keeping.

    Raises:
        Dropped: It is too short, or a line is too long.
    """
    if len(text) < min_chars:
        raise Dropped("clean", "too_short", f"{len(text)} characters")
    if (longest := max(map(len, text.split("\n")))) > MAX_LINE_CHARS:
        raise Dropped("clean", "long_lines", f"a line of {longest} characters")

"""Passwords in URLs."""

from __future__ import annotations

import re
from typing import Final

_WITH: Final = re.compile(r"([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+@")


def has_password(text: str) -> bool:
    """Whether a URL in the text has one."""
    return _WITH.search(text) is not None


def without_passwords(text: str) -> str:
    """The text with `…` for each."""
    return _WITH.sub(r"\1…@", text)

"""What a reader gives: a document, or a place where there should have been one and why there is none.

A failure is located as the document would have been (`shard.jsonl.gz:17`), so that whoever reads the report finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

UNDECODABLE: Final = "undecodable"
TOO_LARGE: Final = "too_large"
TOO_DEEP: Final = "too_deep"


@dataclass(frozen=True, slots=True)
class Record:
    """One document as it was found."""

    source: str
    """Where: a file, `file:line`, `file#row` or `file@offset`."""
    text: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that is no document."""

    source: str
    reason: str
    """One word that is counted, such as `truncated`."""
    detail: str = ""
    """What exactly was found, for the report's samples."""
    rows: int = 1
    """How many documents this stands for."""


Read: TypeAlias = Record | Unread

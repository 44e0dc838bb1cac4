"""Documents of any length to sequences of one length, without padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Sequence(NamedTuple):
    """One packed sequence."""

    tokens: list[int]
    starts: list[int]
    """Where in it a document begins: attention that must not cross documents is cut there."""


def pack(documents: Iterable[list[int]], length: int) -> Iterator[Sequence]:
    """Sequences of `length` tokens that hold every token once and in order.

    A document may begin anywhere in a sequence and span several. The last tokens, fewer than `length`, are left out.
    """
    rest: list[int] = []
    starts: list[int] = []
    for tokens in documents:
        if tokens:
            starts.append(len(rest))
        rest += tokens
        full = len(rest) - len(rest) % length
        for first in range(0, full, length):
            within = [start - first for start in starts if first <= start < first + length]
            yield Sequence(rest[first : first + length], within)
        del rest[:full]
        starts = [start - full for start in starts if start >= full]

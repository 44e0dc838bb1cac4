"""Documents of any length to sequences of one length, without padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def pack(documents: Iterable[list[int]], length: int) -> Iterator[list[int]]:
    """Sequences of `length` tokens that hold every token once and in order.

    A document may begin anywhere in a sequence and span several. The last tokens, fewer than `length`, are left out.
    """
    rest: list[int] = []
    for tokens in documents:
        rest += tokens
        full = len(rest) - len(rest) % length
        for start in range(0, full, length):
            yield rest[start : start + length]
        del rest[:full]

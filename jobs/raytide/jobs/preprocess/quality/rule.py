"""A quality rule: one thing that a document must not be, with the name that is counted and where the limit is from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raytide.jobs.preprocess.words import Offsets


class Text:
    """A document and what several rules count in it, each counted once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> list[str]:
        """What blanks separate, punctuation included."""
        return self.text.split()

    @cached_property
    def word_ids(self) -> Offsets:
        """`[words]`: equal where the words are equal."""
        known: dict[str, int] = {}
        return np.array([known.setdefault(word, len(known)) for word in self.words], np.int64)

    @cached_property
    def word_lengths(self) -> Offsets:
        """`[words]`: characters."""
        return np.array([len(word) for word in self.words], np.int64)

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line for line in self.text.split("\n") if line.strip()]

    @cached_property
    def paragraphs(self) -> list[str]:
        """What empty lines separate."""
        return re.split(r"\n{2,}", self.text.strip())


@dataclass(frozen=True, slots=True)
class Rule:
    """Where `measure` leaves the bounds, the document is left out for the reason `name`."""

    name: str
    measure: Callable[[Text], float]
    at_least: float = float("-inf")
    at_most: float = float("inf")

    def broken_by(self, text: Text) -> str | None:
        """What was measured, where it is out of bounds."""
        value = self.measure(text)
        return None if self.at_least <= value <= self.at_most else f"{value:.4g}"

"""An answer that may be judged, and what was thought of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_DRAWN: Final = 8
"""Hexadecimal digits of an id: as many as make a share of one in a million exact to a thousandth."""


class Rating(StrEnum):
    """A thumb."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`spec.feedback` of a service."""

    judge_within_s: float
    """Then an answer that nobody judged is forgotten."""
    keep_s: float
    """Then one that was judged is."""
    most_bytes: int
    """Of a request and its answer; larger ones are not kept."""
    share: float = 1.0
    """Of the answers that are kept, above 0 and up to 1."""

    def keeps(self, answer_id: str) -> bool:
        """Whether this one is drawn: by its id, whose end is random, so that it is drawn alike wherever it is asked."""
        return int(answer_id[-_DRAWN:], 16) < self.share * 16**_DRAWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked and answered, as text."""

    answer_id: str
    """The request's id."""
    key_id: str
    """Of who asked, and may judge."""
    service: str
    revision: str
    """Of the service, that answered."""
    asked: str
    """JSON, the same for the same request: a list of `{"role": …, "content": …}`, or the text of a prompt."""
    text: str
    answered_s: float
    keeping: Keeping


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a client thinks of an answer; a later one replaces it."""

    answer_id: str
    secret_hash: str | None
    """Of the API key that the client gives."""
    rating: Rating | None
    edit: str | None
    """What the answer should have been."""


class Unjudged(StrEnum):
    """Why a judgement is not taken."""

    NO_ANSWER = "no_answer"
    """None of this id is kept, or it is another key's."""
    NO_KEY = "no_key"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer with what is thought of it now."""

    answer_id: str
    service: str
    revision: str
    asked: str
    text: str
    rating: Rating | None
    edit: str | None
    judged_s: float

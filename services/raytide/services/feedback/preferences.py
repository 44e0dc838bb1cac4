"""Judged answers as preferences: for one question, an answer that was wanted and one that was not."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle
from typing import Any

from raytide.services.feedback.answer import Judged, Rating


class By(StrEnum):
    """What tells that one answer is preferred."""

    EDIT = "edit"
    """The client wrote what the answer should have been."""
    THUMBS = "thumbs"
    """Another answer to the same question was rated up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A pair of answers to one question."""

    asked: str
    """As `Answer.asked`."""
    chosen: str
    rejected: str
    by: By
    rejected_id: str
    """Of the answer that was not wanted."""
    revision: str
    """Of the service, that gave it."""

    @property
    def row(self) -> dict[str, Any]:
        """As a line of a file to train on."""
        asked = json.loads(self.asked)
        question = {"prompt": asked} if isinstance(asked, str) else {"messages": asked}
        source = {"answer": self.rejected_id, "revision": self.revision, "by": self.by}
        return {**question, "chosen": self.chosen, "rejected": self.rejected, "source": source}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What can be learnt from judgements, and how many of them say nothing alone."""

    pairs: tuple[Preference, ...]
    num_unpaired: int
    """Ratings without another answer to the same question to compare with."""


def preferences(judged: Sequence[Judged]) -> Preferences:
    """Every answer that was not wanted, once: beside its edit, else beside an answer to the same question that was.

    An edit counts however the answer was rated: who liked it and wrote it anew prefers what was written. Where several
    answers to a question were wanted, those that were not take turns with them.
    """
    of_question: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        of_question[one.asked].append(one)
    pairs = [tuple(_pairs(answers)) for answers in of_question.values()]
    num_unpaired = sum(map(_num_unpaired, of_question.values(), pairs))
    return Preferences(pairs=tuple(pair for each in pairs for pair in each), num_unpaired=num_unpaired)


def _pairs(answers: Sequence[Judged]) -> Iterator[Preference]:
    for one in answers:
        if _is_edited(one):
            yield _pair(one, str(one.edit), By.EDIT)
    edits = [str(one.edit) for one in answers if _is_edited(one)]
    good = [*(one.text for one in _wanted(answers)), *edits]
    turns = cycle(good)
    for one in _unwanted(answers):
        # An answer that one client liked and another did not is no preference.
        if chosen := next((each for each, _ in zip(turns, good, strict=False) if each != one.text), None):
            yield _pair(one, chosen, By.THUMBS)


def _num_unpaired(answers: Sequence[Judged], pairs: Sequence[Preference]) -> int:
    num_compared = sum(pair.by is By.THUMBS for pair in pairs)
    return len(_unwanted(answers)) - num_compared + (0 if num_compared else len(_wanted(answers)))


def _pair(rejected: Judged, chosen: str, by: By) -> Preference:
    return Preference(
        asked=rejected.asked,
        chosen=chosen,
        rejected=rejected.text,
        by=by,
        rejected_id=rejected.answer_id,
        revision=rejected.revision,
    )


def _is_edited(one: Judged) -> bool:
    return one.edit is not None and one.edit != one.text


def _wanted(answers: Sequence[Judged]) -> list[Judged]:
    return [one for one in answers if one.rating is Rating.UP and not _is_edited(one)]


def _unwanted(answers: Sequence[Judged]) -> list[Judged]:
    return [one for one in answers if one.rating is Rating.DOWN and not _is_edited(one)]

"""Judgements become pairs."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from raytide.services.feedback.answer import Judged, Rating
from raytide.services.feedback.preferences import By, preferences

UP, DOWN = Rating.UP, Rating.DOWN


def judged(text: str, rating: Rating | None = None, edit: str | None = None, asked: str = '"2+2?"') -> Judged:
    return Judged(
        answer_id=f"rt-{text}",
        service="chat",
        revision="r1",
        asked=asked,
        text=text,
        rating=rating,
        edit=edit,
        judged_s=1.0,
    )


def pairs(*answers: Judged) -> list[tuple[str, str, str]]:
    return [(pair.chosen, pair.rejected, pair.by.value) for pair in preferences(answers).pairs]


def test_an_edit_is_preferred_to_what_it_replaces() -> None:
    assert pairs(judged("five", DOWN, "four")) == [("four", "five", "edit")]
    assert pairs(judged("it is four", UP, "four")) == [("four", "it is four", "edit")]
    assert pairs(judged("four", edit="four")) == []


def test_an_answer_that_was_not_wanted_is_compared_with_one_to_the_same_question_that_was() -> None:
    found = preferences(
        [judged("five", DOWN), judged("four", UP), judged("six", DOWN), judged("Paris", UP, asked='"?"')]
    )
    assert [(pair.chosen, pair.rejected) for pair in found.pairs] == [("four", "five"), ("four", "six")]
    assert found.num_unpaired == 1  # Paris


def test_several_wanted_answers_take_turns_and_an_edit_is_one_of_them() -> None:
    answers = [judged("a", UP), judged("b", DOWN, "c"), judged("d", DOWN), judged("e", DOWN), judged("f", DOWN)]
    assert pairs(*answers) == [("c", "b", "edit"), ("a", "d", "thumbs"), ("c", "e", "thumbs"), ("a", "f", "thumbs")]


def test_an_answer_that_one_liked_and_another_did_not_is_no_preference() -> None:
    found = preferences([judged("four", UP), judged("four", DOWN)])
    assert (found.pairs, found.num_unpaired) == ((), 2)


def test_a_row_names_the_answer_and_the_revision_that_it_came_from() -> None:
    (pair,) = preferences([judged("five", None, "four", asked='[{"role": "user", "content": "2+2?"}]')]).pairs
    assert json.loads(json.dumps(pair.row)) == {
        "messages": [{"role": "user", "content": "2+2?"}],
        "chosen": "four",
        "rejected": "five",
        "source": {"answer": "rt-five", "revision": "r1", "by": "edit"},
    }


texts = st.sampled_from("abcd")
anything = st.builds(
    judged, texts, st.sampled_from([None, UP, DOWN]), st.none() | texts, st.sampled_from(['"x"', '"y"'])
)


@given(st.lists(anything, max_size=12))
def test_no_answer_is_preferred_to_itself_and_every_thumb_is_used_or_counted(answers: list[Judged]) -> None:
    found = preferences(answers)
    edits = [one for one in answers if one.edit not in (None, one.text)]
    assert all(pair.chosen != pair.rejected for pair in found.pairs)
    assert sum(pair.by is By.EDIT for pair in found.pairs) == len(edits)
    rated = [one for one in answers if one.rating and one not in edits]
    compared = sum(pair.by is By.THUMBS for pair in found.pairs)
    assert compared <= sum(one.rating is DOWN for one in rated)
    assert compared <= len(rated) - found.num_unpaired <= len(rated)
    wanted = {(one.asked, one.text) for one in rated if one.rating is UP} | {(one.asked, one.edit) for one in edits}
    assert all((pair.asked, pair.chosen) in wanted for pair in found.pairs)

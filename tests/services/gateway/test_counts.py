"""What a gateway counts of a revision: each request once, a missing answer before it comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.rollout.evidence import Tally
from raytide.autoscaling.terms import Objective
from raytide.services.gateway.counts import Counts

KEPT = Objective(ttft_s=1.0, tpot_s=0.1, attainment=0.99)


def _streamed(counts: Counts, *, first_s: float, end_s: float, tokens: int) -> None:
    seen = counts.begin(KEPT, 0.0, None)
    seen.first(first_s)
    seen.ended(end_s, tokens, is_whole=False)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ({"first_s": 0.9, "end_s": 1.8, "tokens": 11}, Tally(num=1)),
        ({"first_s": 1.1, "end_s": 1.8, "tokens": 11}, Tally(num=1, missed_ttft=1)),
        ({"first_s": 0.9, "end_s": 2.0, "tokens": 11}, Tally(num=1, missed_tpot=1)),
        ({"first_s": 1.1, "end_s": 9.0, "tokens": 11}, Tally(num=1, missed_ttft=1, missed_tpot=1)),
        ({"first_s": 0.9, "end_s": 5.0, "tokens": 1}, Tally(num=1)),  # of one token there is no time per token
    ],
)
def test_a_stream_is_judged_by_its_first_token_and_by_the_others(told: Any, counted: Tally) -> None:
    counts = Counts()
    _streamed(counts, **told)
    assert counts.tally(100.0) == counted


@pytest.mark.parametrize(("end_s", "missed"), [(1.9, 0), (2.1, 1)])
def test_an_answer_that_comes_whole_has_the_time_of_all_its_tokens(end_s: float, missed: int) -> None:
    counts = Counts()
    counts.begin(KEPT, 0.0, tokens=100).ended(end_s, 11, is_whole=True)
    assert counts.tally(100.0) == Tally(num=1, missed_tpot=missed)


def test_a_request_that_hangs_is_missed_before_anything_comes_and_counts_once() -> None:
    counts = Counts()
    seen, whole = counts.begin(KEPT, 0.0, None), counts.begin(KEPT, 0.0, tokens=11)
    assert counts.tally(0.5) == Tally()
    assert counts.tally(1.5) == Tally(num=1, missed_ttft=1)
    assert counts.tally(2.5) == Tally(num=2, missed_ttft=2)
    seen.failed()
    whole.dropped(3.0)
    assert counts.tally(3.0) == Tally(num=2, missed_ttft=2)


def test_what_fails_is_a_failure_and_what_the_client_gave_up_is_nothing() -> None:
    counts = Counts()
    counts.begin(KEPT, 0.0, None).failed()
    counts.begin(KEPT, 0.0, None).dropped(0.9)
    assert counts.tally(100.0) == Tally(num=1, failed=1)


ENDS = st.sampled_from(["failed", "ended", "dropped"])


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans(), ENDS, st.booleans()), max_size=30))
def test_counts_only_rise_and_are_always_those_of_requests(played: list[tuple[float, bool, str, bool]]) -> None:
    counts, now_s, before = Counts(), 0.0, Tally()
    for later_s, comes, end, looks in played:
        seen = counts.begin(KEPT, now_s, None)
        now_s += later_s
        if comes:
            seen.first(now_s)
        if looks:
            counts.tally(now_s)
        told = {"failed": (), "ended": (now_s, 2), "dropped": (now_s,)}[end]
        getattr(seen, end)(*told, **({"is_whole": False} if end == "ended" else {}))
        after = counts.tally(now_s)
        assert after.since(before) + before == after
        before = after
    assert before.num <= len(played)


@pytest.mark.parametrize(
    ("first_s", "end_s", "kept"), [(0.9, 1.8, True), (1.1, 1.8, False), (0.9, 2.0, False), (1.1, 9.0, False)]
)
def test_a_request_knows_whether_it_kept_its_objectives(first_s: float, end_s: float, kept: bool) -> None:
    seen = Counts().begin(KEPT, 0.0, None)
    seen.first(first_s)
    seen.ended(end_s, 11, is_whole=False)
    assert seen.kept is kept


def test_a_request_that_failed_kept_nothing_and_one_whose_client_left_is_not_judged() -> None:
    failed, left = Counts().begin(KEPT, 0.0, None), Counts().begin(KEPT, 0.0, None)
    failed.failed()
    left.dropped(0.5)
    assert (failed.kept, left.kept) == (False, None)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.forecast.work import (
    Work,
    add,
    decode_work_s,
    nothing_yet,
    request_work_s,
)
from raytide.autoscaling.observation import Demand
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective

Arriving = Callable[..., Demand]
# 50 output tokens at 60 % of a TPOT bound of 0.1 s are written in 3 s; work may wait for the TTFT bound of 0.5 s.
SLACK_S = 0.5
DECODE_S = 50 * 1e-3 + 50 * 125 * 1e-6


@pytest.fixture(scope="session")
def known(engine: Engine, objective: Objective, arriving: Arriving) -> Work:
    """A service that knows the lengths of its answers and on which nothing arrives at present."""
    work, _ = add(nothing_yet(), arriving([0], finished=10_000), engine, objective)
    return work


def test_a_prompt_is_work_when_it_arrives_and_an_answer_while_it_is_written(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, seconds = add(known, arriving([1, 0, 0, 0, 0]), engine, objective)
    assert seconds.work == pytest.approx([0.01 + DECODE_S / 3, DECODE_S / 3, DECODE_S / 3, 0, 0])


def test_answers_that_arrived_before_are_still_work(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    once, _ = add(known, arriving([1]), engine, objective)
    _, seconds = add(once, arriving([0, 0, 0]), engine, objective)
    assert seconds.work == pytest.approx([DECODE_S / 3, DECODE_S / 3, 0])


def test_all_the_work_of_a_request_is_counted_once(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, seconds = add(known, arriving([4, 0, 3, 0, 0, 0]), engine, objective)
    assert float(seconds.work.sum()) == pytest.approx(7 * request_work_s(known, engine))
    assert request_work_s(known, engine) == pytest.approx(0.01 + decode_work_s(known, engine))


def test_a_burst_needs_the_rate_that_serves_it_within_the_slack(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, seconds = add(known, arriving([0, 0, 100]), engine, objective)
    burst_s = 100 * (0.01 + DECODE_S / 3)
    assert seconds.need == pytest.approx([0, 0, burst_s / (1 + SLACK_S)])


def test_short_answers_wait_less_than_a_long_ttft_bound(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    long, longer = replace(objective, ttft_s=100.0), replace(objective, ttft_s=200.0)
    _, seconds = add(known, arriving([0, 0, 100]), engine, long)
    _, same = add(known, arriving([0, 0, 100]), engine, longer)
    assert seconds.need.tolist() == same.need.tolist()
    assert seconds.need[2] > 100 * (0.01 + DECODE_S / 3) / (1 + 50 * 0.1)


def test_an_even_load_needs_about_its_own_rate(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, seconds = add(known, arriving([10] * 120), engine, objective)
    rate = 10 * request_work_s(known, engine)
    assert seconds.need[-1] == pytest.approx(rate * 32 / (32 + SLACK_S))


def test_lengths_come_from_what_finished(engine: Engine, objective: Objective, arriving: Arriving) -> None:
    work, _ = add(nothing_yet(), arriving([1], prompt_tokens=300, output_tokens=40, finished=8), engine, objective)
    assert (work.prompt_tokens, work.output_tokens) == pytest.approx((300, 40))
    assert work.kv_token_steps == pytest.approx(40 * 320)
    longer, _ = add(work, arriving([1], prompt_tokens=300, output_tokens=80, finished=24), engine, objective)
    assert longer.output_tokens == pytest.approx((8 * 40 + 24 * 80) / 32)


def test_prompt_tokens_that_the_cache_holds_are_no_work(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    cached = arriving([10], finished=10, cached_share=0.8)
    _, seconds = add(known, cached, engine, objective)
    _, uncached = add(known, arriving([10], finished=10), engine, objective)
    assert uncached.work[0] - seconds.work[0] == pytest.approx(10 * 0.8 * 0.01)


def test_the_lengths_stay_where_nothing_finished(
    known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    after, _ = add(known, arriving([5], prompt_tokens=9000), engine, objective)
    assert (after.prompt_tokens, after.output_tokens) == (known.prompt_tokens, known.output_tokens)


def test_no_second_is_no_work(known: Work, engine: Engine, objective: Objective, arriving: Arriving) -> None:
    after, seconds = add(known, arriving([]), engine, objective)
    assert len(seconds.work) == len(seconds.need) == 0
    assert after.coming.tolist() == known.coming.tolist()


@given(
    base=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    more=st.lists(st.integers(0, 30), min_size=60, max_size=60),
)
def test_more_arrivals_never_need_less(
    base: list[int], more: list[int], known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, few = add(known, arriving(base), engine, objective)
    added = [count + extra for count, extra in zip(base, more[: len(base)], strict=True)]
    _, many = add(known, arriving(added), engine, objective)
    assert np.all(many.work >= few.work - 1e-12)
    assert np.all(many.need >= few.need - 1e-12)


@given(arrivals=st.lists(st.integers(0, 30), min_size=1, max_size=40), at=st.integers(0, 40))
def test_seconds_may_come_in_two_observations(
    arrivals: list[int], at: int, known: Work, engine: Engine, objective: Objective, arriving: Arriving
) -> None:
    _, whole = add(known, arriving(arrivals), engine, objective)
    first, early = add(known, arriving(arrivals[:at]), engine, objective)
    _, late = add(first, arriving(arrivals[at:]), engine, objective)
    assert np.concatenate([early.need, late.need]) == pytest.approx(whole.need)

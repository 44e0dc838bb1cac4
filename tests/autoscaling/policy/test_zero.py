"""A restart takes a minute and is worth two minutes of idling: the wait of those who ask is valued the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.terms import Terms, Variant

Walk = Callable[..., list[tuple[Observation, Decision]]]
WORTH_S, HOLD_S, TICK_S = 120.0, 120.0, 5.0


@pytest.fixture(scope="session")
def targets(walk: Walk, terms_of: Callable[..., Terms], step_of: type) -> Callable[..., list[int]]:
    """The targets of a service that may stop, over busy steps, idle ones, and then these."""

    def make(*, busy: int = 30, idle: int = 0, then: tuple[Any, ...] = (), ready: int = 1, **said: Any) -> list[int]:
        terms = terms_of(**{"min_replicas": 0, **said})
        quiet = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0)
        steps = [step_of(arrivals=(5,) * 5)] * busy + [quiet] * idle + list(then)
        return [decision.variants[0].target for _, decision in walk(terms, steps, ready=ready)]

    return make


def test_it_stops_after_the_idle_time_that_costs_as_much_as_a_restart(targets: Callable[..., list[int]]) -> None:
    played = targets(idle=80)[30:]
    stopped = played.index(0)
    assert WORTH_S <= stopped * TICK_S <= WORTH_S + HOLD_S + 2 * TICK_S
    assert not any(played[stopped:])


def test_it_never_stops_where_at_least_one_is_declared(targets: Callable[..., list[int]]) -> None:
    assert min(targets(idle=200, min_replicas=1)) == 1


def test_a_service_that_must_not_stop_goes_to_its_minimum_within_the_same_time(
    targets: Callable[..., list[int]], step_of: type
) -> None:
    # A load that fills more than a replica and may return: its forecast alone would wait for a quarter of an hour.
    calm, burst = (step_of(arrivals=(0, each, 0, 0, each), prompt_tokens=12_000) for each in (1, 5))
    quiet = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0)
    before = [*[calm] * 30, *[burst] * 30]
    played = targets(busy=0, then=(*before, *[quiet] * 80), min_replicas=1, max_replicas=2)[len(before) :]
    assert played[0] == 2
    assert WORTH_S <= played.index(1) * TICK_S <= WORTH_S + HOLD_S + 2 * TICK_S
    assert set(played[played.index(1) :]) == {1}


def test_it_wakes_when_a_request_waits(targets: Callable[..., list[int]], step_of: type) -> None:
    waiting = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0, num_queued=1)
    assert targets(idle=80, then=(waiting,))[-2:] == [0, 1]


def test_it_wakes_when_a_request_arrives(targets: Callable[..., list[int]], step_of: type) -> None:
    assert targets(idle=80, then=(step_of(arrivals=(0, 0, 0, 1, 0)),))[-1] >= 1


def test_it_does_not_start_for_nothing(targets: Callable[..., list[int]]) -> None:
    assert targets(busy=0, idle=10, ready=0) == [0] * 10


def test_long_answers_keep_it_up_although_nothing_arrives(targets: Callable[..., list[int]], step_of: type) -> None:
    writing = step_of(arrivals=(0,) * 5, running=1, kv_tokens=100)
    assert min(targets(then=(writing,) * 100)) >= 1


def test_replicas_of_which_nothing_is_known_are_not_idle(targets: Callable[..., list[int]], step_of: type) -> None:
    unseen = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0, no_gauges=True)
    assert min(targets(then=(unseen,) * 100)) >= 1


def test_it_is_up_before_a_request_that_comes_every_five_minutes(
    targets: Callable[..., list[int]], step_of: type
) -> None:
    quiet, request = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0), step_of(arrivals=(1, 0, 0, 0, 0))
    rhythm = (request, *[quiet] * 59) * 22
    last_gap = targets(then=rhythm)[-59:]
    assert 0 in last_gap
    assert last_gap[-1] == 1


def test_stopping_takes_its_price_from_the_first_variant(
    targets: Callable[..., list[int]], variant_of: Callable[..., Variant], walk: Walk, terms_of: Callable[..., Terms],
    step_of: type,
) -> None:  # fmt: skip
    quiet = step_of(arrivals=(0,) * 5, running=0, kv_tokens=0)
    terms = terms_of(variant_of(usd_per_hour=0.0), min_replicas=0)
    played = walk(terms, [step_of()] * 10 + [quiet] * 200)
    assert min(decision.variants[0].target for _, decision in played) >= 1

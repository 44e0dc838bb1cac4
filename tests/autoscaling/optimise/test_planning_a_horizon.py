from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.optimise.horizon import Plan, Prices, exact_plan, plan
from raytide.autoscaling.optimise.option import Bounds, Need, Option

STEP_S = 30.0
HOUR = 120
"""Steps in one."""
MISSED_USD = 50.0
PRICES = Prices(usd_per_change=0.01, usd_per_missed_work_hour=MISSED_USD)

TINY = st.builds(
    Option,
    variant=st.just("a"),
    capacity=st.sampled_from((1.0, 1.5, 2.0)),
    usd_per_hour=st.sampled_from((2.0, 3.0, 4.5)),
    num_ready=st.integers(0, 1),
    starting_ready_in_s=st.sampled_from(((), (30.0,))),
    cold_start_s=st.sampled_from((0.0, 30.0, 50.0)),
    min_billing_s=st.sampled_from((0.0, 60.0)),
    min_billing_left_s=st.sampled_from(((), (30.0,))),
    max_replicas=st.just(2),
)
PAIRS = st.tuples(TINY, TINY).map(lambda pair: (pair[0], replace(pair[1], variant="b", spot=True)))
WORK = st.lists(st.integers(0, 4).map(float), min_size=3, max_size=3).map(tuple)
BOUNDS = st.builds(
    Bounds,
    max_replicas=st.integers(2, 4),
    min_replicas=st.integers(0, 1),
    max_usd_per_hour=st.none() | st.sampled_from((5.0, 9.0)),
)


def _lives(option: Option, steps: int) -> list[list[tuple[int, int, int]]]:
    """Every way to live for each replica, as (paid from, ready from, stopped in); those not started yet come last."""
    left = sorted((math.ceil(left_s / STEP_S) for left_s in option.min_billing_left_s), reverse=True)
    ready = sorted([0] * option.num_ready + [math.ceil(s / STEP_S) for s in option.starting_ready_in_s], reverse=True)
    present = []
    for at, held in itertools.zip_longest(ready, left[: len(ready)], fillvalue=0):
        present.append([(0, at, stop) for stop in range(max(at, held), steps)] + [(0, at, steps)])
    cold, billed = math.ceil(option.cold_start_s / STEP_S), math.ceil(option.min_billing_s / STEP_S)
    new = [(steps, steps, steps)]
    for start in range(steps):
        stops = [*range(start + max(cold, billed), steps), steps]
        new += [(start, start + cold, stop) for stop in dict.fromkeys(stops)]
    return [*present, *[new] * (2 - len(present))]


def _cheapest_of_all_paths(options: tuple[Option, ...], need: Need, bounds: Bounds) -> float:
    steps = range(len(need.work))
    fates = [(option, ways) for option in options for ways in _lives(option, len(need.work))]
    best = math.inf
    for lives in itertools.product(*(ways for _, ways in fates)):
        told = [(option, *life) for (option, _), life in zip(fates, lives, strict=True)]
        best = min(best, _cost(told, [fate[1] for fate in fates], need, bounds, steps))
    return best


def _cost(
    told: list[tuple[Option, int, int, int]],
    ways: list[list[tuple[int, int, int]]],
    need: Need,
    bounds: Bounds,
    steps: range,
) -> float:
    usd = 0.0
    for step in steps:
        paid = [o.usd_per_hour for o, start, _, stop in told if start <= step <= stop]
        wanted = sum(start <= step < stop for _, start, _, stop in told)
        held = [
            o.usd_per_hour
            for (o, *_), w in zip(told, ways, strict=True)
            if w[0][0] == 0 and step <= min(x[2] for x in w)
        ]
        unstoppable = sum(w[0][0] == 0 and step < min(x[2] for x in w) for w in ways)
        if wanted > max(bounds.max_replicas, unstoppable):
            return math.inf
        if bounds.max_usd_per_hour is not None and sum(paid) > max(bounds.max_usd_per_hour, sum(held)) + 1e-9:
            return math.inf
        served = sum(o.capacity for o, _, ready, stop in told if ready <= step < stop)
        lacking = max(0, bounds.min_replicas - wanted) * max(o.capacity for o, *_ in told) * 10
        usd += (sum(paid) + MISSED_USD * (max(0.0, need.work[step] - served) + lacking)) / HOUR
    new = [w[0][0] != 0 for w in ways]
    starts = sum(n and start < len(steps) for n, (_, start, _, _) in zip(new, told, strict=True))
    stops = sum(start < len(steps) and stop < len(steps) for _, start, _, stop in told)
    return usd + PRICES.usd_per_change * (starts + stops)


@settings(max_examples=25)
@given(options=PAIRS, work=WORK, bounds=BOUNDS)
def test_the_exact_plan_is_the_best_of_all_paths(
    options: tuple[Option, ...], work: tuple[float, ...], bounds: Bounds
) -> None:
    need = Need.even(STEP_S, work)
    found = exact_plan(options, need, bounds, PRICES)
    assert found.objective_usd == pytest.approx(_cheapest_of_all_paths(options, need, bounds), abs=1e-6)


@settings(max_examples=60)
@given(options=PAIRS, work=WORK, bounds=BOUNDS)
def test_the_fast_plan_is_valid_and_never_below_its_bound(
    options: tuple[Option, ...], work: tuple[float, ...], bounds: Bounds
) -> None:
    need = Need.even(STEP_S, work)
    fast, exact = plan(options, need, bounds, PRICES), exact_plan(options, need, bounds, PRICES)
    assert fast.bound_usd - 1e-6 <= exact.objective_usd <= fast.objective_usd + 1e-6
    now = {option.variant: option.num_now for option in options}
    assert sum(fast.targets.values()) <= max(bounds.max_replicas, sum(now.values()))
    orders = sum(max(0, fast.targets[o.variant] - now[o.variant]) * o.usd_per_hour for o in options)
    held = sum(o.num_now * o.usd_per_hour for o in options)
    if bounds.max_usd_per_hour is not None:
        assert held + orders <= max(bounds.max_usd_per_hour, held) + 1e-6


Plans = Callable[[tuple[Option, ...], Need, Bounds, Prices], Plan]
EITHER = pytest.mark.parametrize("planned", [plan, exact_plan])
ROOM = Bounds(max_replicas=9)


@EITHER
def test_a_replica_is_started_a_cold_start_ahead_of_the_work(option: Callable[..., Option], planned: Plans) -> None:
    options = (option("a", num_ready=1, cold_start_s=90.0),)
    rising = Need.even(30.0, (1.0, 1.0, 1.0, 3.0, 3.0, 3.0))
    assert planned(options, rising, ROOM, PRICES).targets == {"a": 3}
    later = Need.even(30.0, (1.0, 1.0, 1.0, 1.0, 3.0, 3.0))
    assert planned(options, later, ROOM, PRICES).targets == {"a": 1}


@EITHER
def test_a_replica_is_kept_through_a_dip_that_is_shorter_than_a_restart(
    option: Callable[..., Option], planned: Plans
) -> None:
    options = (option("a", usd_per_hour=60.0, num_ready=2, cold_start_s=60.0),)
    dip = Need.even(30.0, (1.0, 1.0, 2.0, 2.0))
    gone = Need.even(30.0, (1.0, 1.0, 1.0, 1.0))
    assert planned(options, dip, ROOM, Prices(usd_per_change=0.1)).targets == {"a": 2}
    assert planned(options, gone, ROOM, Prices(usd_per_change=0.1)).targets == {"a": 1}


@EITHER
def test_what_is_paid_anyway_is_not_stopped(option: Callable[..., Option], planned: Plans) -> None:
    options = (option("a", num_ready=2, min_billing_left_s=(60.0,)),)
    idle = Need.even(30.0, (0.0,) * 4)
    found = planned(options, idle, ROOM, Prices())
    assert found.targets == {"a": 1}
    assert found.path == {"a": (1, 1, 0, 0)}


@EITHER
def test_a_dear_variant_that_starts_fast_bridges_a_cheap_one(option: Callable[..., Option], planned: Plans) -> None:
    options = (option("cheap", cold_start_s=120.0), option("fast", usd_per_hour=3.0))
    found = planned(options, Need.even(30.0, (1.0,) * 40), ROOM, Prices())
    assert found.targets == {"cheap": 1, "fast": 1}
    assert found.path["fast"][:6] == (1, 1, 1, 1, 0, 0)
    assert found.missed_work_hours == 0


@EITHER
def test_a_variant_that_cannot_be_had_is_not_ordered(option: Callable[..., Option], planned: Plans) -> None:
    options = (option("a", available=False, num_ready=1), option("b", usd_per_hour=2.0, max_new=1))
    assert planned(options, Need.even(30.0, (4.0,) * 4), ROOM, Prices()).targets == {"a": 1, "b": 1}

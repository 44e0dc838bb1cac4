from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from raytide.autoscaling.optimise.horizon import Plan, Prices, horizon_of, plan, promising
from raytide.autoscaling.optimise.judge import Judge
from raytide.autoscaling.optimise.mix import cheapest_mix
from raytide.autoscaling.optimise.option import Bounds, Need, Option
from raytide.autoscaling.optimise.program import whole
from raytide.autoscaling.optimise.schedule import program_of

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


@dataclass(frozen=True)
class _Fates:
    """Every way that the replicas of one option can live; arrays of shape (ways, steps), and (ways,)."""

    paid: NDArray[np.int64]
    wanted: NDArray[np.int64]
    ready: NDArray[np.int64]
    num_changes: NDArray[np.int64]
    held: NDArray[np.int64]
    """Present replicas that are paid in each step in any case, and those that cannot stop by it; shape (steps,)."""
    unstoppable: NDArray[np.int64]


def _fates(option: Option, steps: int) -> _Fates:
    """A life is (paid from, ready from, stopped in); besides what is present, at most two more ever start."""
    left = sorted((math.ceil(left_s / STEP_S) for left_s in option.min_billing_left_s), reverse=True)
    ready = sorted([0] * option.num_ready + [math.ceil(s / STEP_S) for s in option.starting_ready_in_s], reverse=True)
    firsts = [max(at, held) for at, held in itertools.zip_longest(ready, left[: len(ready)], fillvalue=0)]
    present = [
        [*((0, at, stop) for stop in range(first, steps)), (0, at, steps)]
        for at, first in zip(ready, firsts, strict=True)
    ]
    cold, billed = math.ceil(option.cold_start_s / STEP_S), math.ceil(option.min_billing_s / STEP_S)
    new = [(steps, steps, steps)]
    for start in range(steps):
        stops = [*range(start + max(cold, billed), steps), steps]
        new += [(start, start + cold, stop) for stop in dict.fromkeys(stops)]
    told = [(*a, *b) for a in itertools.product(*present) for b in itertools.combinations_with_replacement(new, 2)]
    lives, step = np.array(told)[:, :, None, :], np.arange(steps)
    begin, at, end = lives[..., 0], lives[..., 1], lives[..., 2]
    num_started = (begin < steps).sum(axis=(1, 2)) - len(present)
    num_stopped = ((begin < steps) & (end < steps)).sum(axis=(1, 2))
    held = np.array([sum(t <= first for first in firsts) for t in range(steps)])
    paid = ((begin <= step) & (step <= end)).sum(axis=1)
    assert option.max_replicas is not None
    within = (paid <= np.maximum(option.max_replicas, held)).all(axis=1)
    return _Fates(
        paid=paid[within],
        wanted=((begin <= step) & (step < end)).sum(axis=1)[within],
        ready=((at <= step) & (step < end)).sum(axis=1)[within],
        num_changes=(num_started + num_stopped)[within],
        held=held,
        unstoppable=np.array([sum(t < first for first in firsts) for t in range(steps)]),
    )


def _cheapest_of_all_paths(options: tuple[Option, ...], need: Need, bounds: Bounds) -> float:
    one, other = (_fates(option, len(need.work)) for option in options)
    (a, b), (p, q) = (o.capacity for o in options), (o.usd_per_hour for o in options)
    total = one.wanted[:, None] + other.wanted
    spend = p * one.paid[:, None] + q * other.paid
    most = np.maximum(bounds.max_replicas, one.unstoppable + other.unstoppable)
    budget = math.inf if bounds.max_usd_per_hour is None else bounds.max_usd_per_hour
    broken = (total > most) | (spend > np.maximum(budget, p * one.held + q * other.held) + 1e-9)
    missed = np.maximum(0.0, np.array(need.work) - a * one.ready[:, None] - b * other.ready)
    lacking = np.maximum(0, bounds.min_replicas - total) * max(a, b) * 10
    usd = (spend + MISSED_USD * (missed + lacking)).sum(axis=-1) / HOUR
    usd += PRICES.usd_per_change * (one.num_changes[:, None] + other.num_changes)
    return float(np.where(broken.any(axis=-1), math.inf, usd).min())


def _exact_usd(options: tuple[Option, ...], need: Need, bounds: Bounds) -> float:
    """The objective of the best plan, by the integer program under the relaxation."""
    horizon = horizon_of(options, need, bounds, PRICES)
    program = program_of(horizon)
    solution = whole(program, np.arange(program.costs.size) < horizon.num_moves, max_nodes=500)
    assert solution is not None
    columns = np.rint(solution.x[: horizon.num_moves]).astype(np.int64).reshape(horizon.shape).cumsum(axis=-1)
    return float(Judge.of(horizon).verdicts(columns[None, :, 0], columns[None, :, 1]).objective_usd[0])


def _planned(options: tuple[Option, ...], need: Need, bounds: Bounds, prices: Prices = PRICES) -> Plan:
    return plan(options, need, bounds, prices, cheapest_mix(options, need.work[-1], bounds).counts)


@settings(max_examples=25)
@given(options=PAIRS, work=WORK, bounds=BOUNDS)
def test_the_program_describes_all_paths(options: tuple[Option, ...], work: tuple[float, ...], bounds: Bounds) -> None:
    need = Need.even(STEP_S, work)
    assert _exact_usd(options, need, bounds) == pytest.approx(_cheapest_of_all_paths(options, need, bounds), abs=1e-6)


@settings(max_examples=60)
@given(options=PAIRS, work=WORK, bounds=BOUNDS)
def test_a_plan_is_valid_and_never_below_its_bound(
    options: tuple[Option, ...], work: tuple[float, ...], bounds: Bounds
) -> None:
    need = Need.even(STEP_S, work)
    fast, exact_usd = _planned(options, need, bounds), _exact_usd(options, need, bounds)
    assert fast.bound_usd - 1e-6 <= exact_usd <= fast.objective_usd + 1e-6
    now = {option.variant: option.num_now for option in options}
    assert sum(fast.targets.values()) <= max(bounds.max_replicas, sum(now.values()))
    orders = sum(max(0, fast.targets[o.variant] - now[o.variant]) * o.usd_per_hour for o in options)
    held = sum(o.num_now * o.usd_per_hour for o in options)
    if bounds.max_usd_per_hour is not None:
        assert held + orders <= max(bounds.max_usd_per_hour, held) + 1e-6


ROOM = Bounds(max_replicas=9)


def test_a_replica_is_started_a_cold_start_ahead_of_the_work(option: Callable[..., Option]) -> None:
    options = (option("a", num_ready=1, cold_start_s=90.0),)
    rising = Need.even(30.0, (1.0, 1.0, 1.0, 3.0, 3.0, 3.0))
    assert _planned(options, rising, ROOM).targets == {"a": 3}
    later = Need.even(30.0, (1.0, 1.0, 1.0, 1.0, 3.0, 3.0))
    assert _planned(options, later, ROOM).targets == {"a": 1}


def test_a_replica_is_kept_through_a_dip_that_is_shorter_than_a_restart(option: Callable[..., Option]) -> None:
    options = (option("a", usd_per_hour=60.0, num_ready=2, cold_start_s=60.0),)
    dip = Need.even(30.0, (1.0, 1.0, 2.0, 2.0))
    gone = Need.even(30.0, (1.0, 1.0, 1.0, 1.0))
    assert _planned(options, dip, ROOM, Prices(usd_per_change=0.1)).targets == {"a": 2}
    assert _planned(options, gone, ROOM, Prices(usd_per_change=0.1)).targets == {"a": 1}


def test_what_is_paid_anyway_is_not_stopped(option: Callable[..., Option]) -> None:
    options = (option("a", num_ready=2, min_billing_left_s=(60.0,)),)
    idle = Need.even(30.0, (0.0,) * 4)
    found = _planned(options, idle, ROOM, Prices())
    assert found.targets == {"a": 1}
    assert found.path == {"a": (1, 1, 0, 0)}


def test_a_dear_variant_that_starts_fast_bridges_a_cheap_one(option: Callable[..., Option]) -> None:
    options = (option("cheap", cold_start_s=120.0), option("fast", usd_per_hour=3.0))
    found = _planned(options, Need.even(30.0, (1.0,) * 40), ROOM, Prices())
    assert found.targets == {"cheap": 1, "fast": 1}
    assert found.path["fast"][:6] == (1, 1, 1, 1, 0, 0)
    assert found.missed_work_hours == 0


def test_a_variant_that_cannot_be_had_is_not_ordered(option: Callable[..., Option]) -> None:
    options = (option("a", available=False, num_ready=1), option("b", usd_per_hour=2.0, max_new=1))
    assert _planned(options, Need.even(30.0, (4.0,) * 4), ROOM, Prices()).targets == {"a": 1, "b": 1}


def test_steps_need_not_be_of_one_length(option: Callable[..., Option]) -> None:
    options = (option("cheap", cold_start_s=600.0), option("fast", usd_per_hour=2.0, cold_start_s=60.0))
    late = Need(steps_s=(60.0, 480.0, 60.0, 3600.0), work=(0.0, 0.0, 0.0, 1.0))
    assert _planned(options, late, ROOM).targets == {"cheap": 1, "fast": 0}
    brief = Need(steps_s=(60.0, 480.0, 60.0, 60.0), work=(0.0, 0.0, 0.0, 1.0))
    assert _planned(options, brief, ROOM).targets == {"cheap": 0, "fast": 0}


def test_a_plan_says_what_it_saves_on_changing_nothing(option: Callable[..., Option]) -> None:
    options = (option("a", num_ready=2), option("b", usd_per_hour=2.0))
    idle = _planned(options, Need.even(3600.0, (1.0, 1.0)), ROOM, Prices())
    assert idle.saves_usd == pytest.approx(1.0)
    assert _planned(options, Need.even(3600.0, (2.0, 2.0)), ROOM, Prices()).saves_usd == pytest.approx(0.0)


def test_promising_options_are_those_of_the_end_the_fastest_and_those_that_run(option: Callable[..., Option]) -> None:
    slow = tuple(option(f"slow{index}", cold_start_s=600.0, usd_per_hour=1.0 + index) for index in range(8))
    options = (*slow, option("fast", usd_per_hour=40.0), option("runs", usd_per_hour=50.0, num_ready=1))
    names = [option.variant for option in promising(options, {"slow5": 2}, limit=4)]
    assert names == ["slow0", "slow5", "fast", "runs"]

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.optimise.mix import GAP, Mix, cheapest_mix
from raytide.autoscaling.optimise.option import Bounds, Option

Options = tuple[Option, ...]


def _options(max_size: int, max_quota: int) -> st.SearchStrategy[Options]:
    """Prices in cents and capacities in tenths, so that ties and exact fits are common."""
    one = st.builds(
        Option,
        variant=st.just("a"),
        capacity=st.integers(1, 40).map(lambda tenths: tenths / 10),
        usd_per_hour=st.integers(10, 900).map(lambda cents: cents / 100),
        num_ready=st.integers(0, 3),
        max_replicas=st.integers(0, max_quota),
        spot=st.booleans(),
        available=st.sampled_from((True, True, True, False)),
        num_draining=st.sampled_from((0, 0, 0, 1)),
    )
    return st.lists(one, min_size=1, max_size=max_size).map(
        lambda found: tuple(replace(option, variant=f"v{index}") for index, option in enumerate(found))
    )


BOUNDS = st.builds(
    Bounds,
    max_replicas=st.integers(0, 10),
    min_replicas=st.integers(0, 3),
    max_usd_per_hour=st.none() | st.integers(0, 3000).map(lambda cents: cents / 100),
    base_on_demand=st.integers(0, 2),
)
WORK = st.integers(0, 250).map(lambda tenths: tenths / 10)
FEW = _options(max_size=4, max_quota=4)
MANY = _options(max_size=24, max_quota=9)


def _totals(options: Options, counts: tuple[int, ...]) -> tuple[float, float, int]:
    """Dollars per hour with draining replicas, work covered, and changed replicas."""
    usd = sum(option.usd_per_hour * (n + option.num_draining) for option, n in zip(options, counts, strict=True))
    capacity = sum(option.capacity * n for option, n in zip(options, counts, strict=True))
    return usd, capacity, sum(abs(n - option.num_now) for option, n in zip(options, counts, strict=True))


def _by_brute_force(options: Options, work: float, bounds: Bounds) -> tuple[float, float, int]:
    """What the best of all counts costs, covers and changes."""
    limit = float("inf") if bounds.max_usd_per_hour is None else bounds.max_usd_per_hour
    ranked = []
    for counts in itertools.product(*(range(option.most(bounds.max_replicas) + 1) for option in options)):
        usd, capacity, changes = _totals(options, counts)
        if sum(counts) > bounds.max_replicas or (usd > limit + 1e-9 and any(counts)):
            continue
        steady = sum(n for option, n in zip(options, counts, strict=True) if not option.spot)
        floors = min(steady, bounds.base_on_demand), min(sum(counts), bounds.min_replicas)
        covered = min(work, capacity)
        ranked.append((-floors[0], -floors[1], round(-covered, 9), round(usd, 9), changes))
    _, _, covered, usd, changes = min(ranked)
    return usd, -covered, changes


def _mix_totals(options: Options, mix: Mix) -> tuple[float, float, int]:
    return _totals(options, tuple(mix.counts[option.variant] for option in options))


@settings(max_examples=150)
@given(options=FEW, work=WORK, bounds=BOUNDS)
def test_up_to_four_variants_it_is_the_best_of_all_counts(options: Options, work: float, bounds: Bounds) -> None:
    mix = cheapest_mix(options, work, bounds)
    usd, _, changes = _mix_totals(options, mix)
    assert _by_brute_force(options, work, bounds) == pytest.approx((usd, mix.covered, changes))


@settings(max_examples=60)
@given(options=MANY, work=WORK, bounds=BOUNDS)
def test_it_never_exceeds_a_bound(options: Options, work: float, bounds: Bounds) -> None:
    mix = cheapest_mix(options, work, bounds)
    usd, capacity, _ = _mix_totals(options, mix)
    assert sum(mix.counts.values()) <= bounds.max_replicas
    assert all(mix.counts[option.variant] <= option.most(bounds.max_replicas) for option in options)
    if bounds.max_usd_per_hour is not None and any(mix.counts.values()):
        assert usd <= bounds.max_usd_per_hour + 1e-6
    assert mix.uncovered == pytest.approx(max(0.0, work - capacity), abs=1e-6)


@settings(max_examples=60)
@given(options=MANY, work=WORK, bounds=BOUNDS)
def test_it_is_within_its_gap_of_a_bound_and_of_the_runner_up(options: Options, work: float, bounds: Bounds) -> None:
    mix = cheapest_mix(options, work, bounds)
    assert mix.usd_per_hour >= mix.bound_usd_per_hour >= mix.usd_per_hour * (1 - GAP) - 1e-6
    if mix.runner_up is not None:
        assert mix.saves_usd_per_hour >= 0
        assert mix.runner_up.covered >= mix.covered - 1e-6


@settings(max_examples=80)
@given(options=FEW, work=WORK, more=WORK, bounds=BOUNDS)
def test_more_work_never_costs_less(options: Options, work: float, more: float, bounds: Bounds) -> None:
    less, greater = cheapest_mix(options, work, bounds), cheapest_mix(options, work + more, bounds)
    assert greater.usd_per_hour >= less.usd_per_hour - 1e-9
    assert greater.covered >= less.covered - 1e-9


@settings(max_examples=40)
@given(options=MANY, work=WORK, bounds=BOUNDS, seed=st.randoms(use_true_random=False))
def test_the_order_of_the_options_does_not_matter(options: Options, work: float, bounds: Bounds, seed: object) -> None:
    shuffled = list(options)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cheapest_mix(tuple(shuffled), work, bounds) == cheapest_mix(options, work, bounds)


def test_a_small_replica_takes_the_remainder_that_a_large_one_would_waste(option: Callable[..., Option]) -> None:
    options = (option("large", capacity=10.0, usd_per_hour=8.0), option("small", capacity=2.0, usd_per_hour=2.5))
    mix = cheapest_mix(options, 21.0, Bounds(max_replicas=20))
    assert mix.counts == {"large": 2, "small": 1}
    assert mix.binding is Rule.DEMAND
    assert mix.runner_up is not None
    assert mix.runner_up.counts == {"large": 0, "small": 11}
    assert mix.saves_usd_per_hour == pytest.approx(27.5 - 18.5)


def test_of_equal_prices_what_runs_already_stays(option: Callable[..., Option]) -> None:
    options = (option("a"), option("b", num_ready=3), option("c"))
    assert cheapest_mix(options, 3.0, Bounds(max_replicas=9)).counts == {"a": 0, "b": 3, "c": 0}


def test_a_variant_that_cannot_be_had_keeps_what_it_has(option: Callable[..., Option]) -> None:
    options = (option("a", available=False, num_ready=1), option("b", usd_per_hour=3.0))
    assert cheapest_mix(options, 3.0, Bounds(max_replicas=9)).counts == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("bounds", "known", "rule"),
    [
        (Bounds(max_replicas=9, max_usd_per_hour=2.0), {}, Rule.BUDGET),
        (Bounds(max_replicas=2), {}, Rule.MAX_REPLICAS),
        (Bounds(max_replicas=9), {"max_replicas": 2}, Rule.QUOTA),
        (Bounds(max_replicas=9), {"available": False, "num_ready": 2}, Rule.UNAVAILABLE),
        (Bounds(max_replicas=9, min_replicas=7), {}, Rule.MIN_REPLICAS),
    ],
)
def test_it_says_what_binds(option: Callable[..., Option], bounds: Bounds, known: dict[str, int], rule: Rule) -> None:
    options = (option("a", **known), option("b", max_replicas=0))
    assert cheapest_mix(options, 5.0, bounds).binding is rule

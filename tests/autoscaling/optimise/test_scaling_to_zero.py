from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.zero import TRUST, break_even_s, off_after_s, survival_of, wakes

EVEN_S = 300.0
NONE: Floats = np.zeros(0)
GAPS_S = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=40).map(np.array)


def _ratio(gaps_s: Floats, wait_s: float) -> float:
    """Cost of waiting so long in every gap, relative to hindsight; in seconds of idling."""
    ours = np.where(gaps_s > wait_s, wait_s + EVEN_S, gaps_s)
    return float(ours.sum() / np.minimum(gaps_s, EVEN_S).sum())


def _gaps_s(kind: str, random: np.random.Generator, num: int) -> Floats:
    short_or_long = np.where(random.random(num) < 0.8, random.exponential(60, num), random.exponential(20_000, num))
    drawn: dict[str, Floats] = {
        "steady": random.exponential(250, num),
        "sparse": random.exponential(3_000, num),
        "heavy-tailed": 30 * random.pareto(0.9, num) + 1,
        "sessions": short_or_long,
        "just too long": random.uniform(310, 900, num),
    }
    return drawn[kind]


def test_off_once_idling_has_cost_as_much_as_a_restart() -> None:
    assert break_even_s(restart_usd=0.5, usd_per_hour=6.0) == 300.0
    assert off_after_s(restart_usd=0.5, usd_per_hour=6.0) == 300.0
    assert off_after_s(restart_usd=0.5, usd_per_hour=0.0) == np.inf


@given(gaps_s=GAPS_S)
def test_the_deterministic_wait_costs_at_most_twice_hindsight(gaps_s: Floats) -> None:
    assert _ratio(gaps_s, off_after_s(restart_usd=EVEN_S, usd_per_hour=3600.0)) <= 2 + 1e-9


@given(seen_s=st.lists(st.floats(0.1, 1e5), min_size=20, max_size=60).map(np.array), gaps_s=GAPS_S)
def test_a_wait_learned_from_other_gaps_keeps_its_worst_case(seen_s: Floats, gaps_s: Floats) -> None:
    wait_s = off_after_s(restart_usd=EVEN_S, usd_per_hour=3600.0, gaps=survival_of(seen_s, NONE))
    assert _ratio(gaps_s, wait_s) <= 1 + TRUST + 1e-9


@pytest.mark.parametrize("kind", ["steady", "sparse", "heavy-tailed", "sessions", "just too long"])
@pytest.mark.parametrize("seed", range(5))
def test_the_learned_wait_costs_at_most_1_8_times_hindsight_on_gaps_not_seen(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    wait_s = off_after_s(EVEN_S, 3600.0, survival_of(_gaps_s(kind, random, 200), NONE))
    assert _ratio(_gaps_s(kind, random, 20_000), wait_s) <= 1.8


def test_a_gap_that_has_not_ended_counts_for_as_long_as_it_lasted() -> None:
    gaps = survival_of(np.array([10.0, 30.0]), np.array([20.0, 40.0]))
    assert gaps.beyond(5.0) == 1.0
    assert gaps.beyond(15.0) == pytest.approx(3 / 4)
    assert gaps.beyond(35.0) == pytest.approx(3 / 4 * 1 / 2)


def test_it_wakes_for_a_request_or_when_one_is_more_likely_than_not() -> None:
    regular = survival_of(np.full(30, 600.0), NONE)
    assert wakes(None, idle_s=10.0, cold_start_s=60.0, num_waiting=1)
    assert not wakes(None, idle_s=10.0, cold_start_s=60.0, num_waiting=0)
    assert not wakes(regular, idle_s=500.0, cold_start_s=60.0, num_waiting=0)
    assert wakes(regular, idle_s=550.0, cold_start_s=60.0, num_waiting=0)
    assert not wakes(regular, idle_s=700.0, cold_start_s=60.0, num_waiting=0)

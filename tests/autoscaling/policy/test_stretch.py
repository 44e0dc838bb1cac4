from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.policy.stretch import LEAST, MOST, Stretch, unstretched

HALF_LIFE_S = 3600.0
BUDGET = 0.01


def _served(load_at_which_they_miss: float, num: int = 1000, seed: int = 1) -> Stretch:
    """Seconds of even loads up to 1.3, each of ten requests, which miss above the load that is said."""
    random, stretch = np.random.default_rng(seed), unstretched(1e9, BUDGET)
    for _ in range(num):
        loads, arrivals = random.uniform(0, 1.3, 5), np.full(5, 10.0)
        stretch = stretch.after(5.0, loads, arrivals, int(10 * np.count_nonzero(loads > load_at_which_they_miss)))
    return stretch


def test_before_anything_is_seen_the_model_is_right() -> None:
    assert unstretched(HALF_LIFE_S, BUDGET).factor == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("bears", [0.7, 0.85, 1.0, 1.1])
def test_it_learns_the_load_above_which_requests_miss(bears: float) -> None:
    assert _served(bears).factor == pytest.approx(bears, rel=0.05)


def test_a_handful_of_misses_does_not_bend_it() -> None:
    few = unstretched(HALF_LIFE_S, BUDGET).after(5.0, np.full(5, 0.5), np.full(5, 2.0), 10)
    assert few.factor == pytest.approx(1.0, rel=0.05)


def test_what_was_learnt_fades() -> None:
    loads, arrivals = np.linspace(0.1, 1.3, 5), np.full(5, 1000.0)
    learnt = unstretched(HALF_LIFE_S, BUDGET).after(5.0, loads, arrivals, 3000)
    assert learnt.factor < 0.9
    assert learnt.after(50 * HALF_LIFE_S, loads[:0], arrivals[:0], 0).factor == pytest.approx(1.0, rel=0.03)


def test_a_fleet_that_is_too_large_does_not_keep_itself_so() -> None:
    clogged = unstretched(1e9, BUDGET).after(300.0, np.full(300, 0.7), np.full(300, 20.0), 3000)
    assert clogged.factor < 0.75
    calm = clogged.after(36_000.0, np.full(36_000, 0.7), np.full(36_000, 20.0), 0)
    assert calm.factor == pytest.approx(1.0, rel=0.03)


@given(
    loads=st.lists(st.floats(0, 50), min_size=1, max_size=20).map(np.array),
    missed=st.integers(0, 10_000),
    weight=st.floats(0, 1000),
)
def test_the_factor_stays_within_what_a_model_may_be_wrong_by(loads: np.ndarray, missed: int, weight: float) -> None:
    factor = unstretched(HALF_LIFE_S, BUDGET).after(5.0, loads, np.full(len(loads), weight), missed).factor
    assert LEAST <= factor <= MOST


def test_more_misses_at_the_same_loads_never_mean_that_a_replica_bears_more() -> None:
    loads, arrivals = np.linspace(0.2, 1.3, 12), np.full(12, 100.0)
    factors = [
        unstretched(HALF_LIFE_S, BUDGET).after(5.0, loads, arrivals, missed).factor for missed in range(0, 1200, 100)
    ]
    assert all(later <= earlier for earlier, later in pairwise(factors))

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.spot import Risk, counted_on

RISKS = st.builds(
    Risk, shortfall=st.sampled_from((0.001, 0.01, 0.1)), correlation=st.floats(0, 0.95) | st.floats(0, 1e-5)
)
PROBABILITIES = st.floats(0.05, 0.999)


@given(num=st.integers(0, 40), survives=PROBABILITIES, risk=RISKS)
def test_more_replicas_or_safer_ones_are_never_counted_on_less(num: int, survives: float, risk: Risk) -> None:
    counted = counted_on(num, survives, risk)
    assert 0 <= counted <= num
    assert counted <= counted_on(num + 1, survives, risk) <= num + 1
    assert counted <= counted_on(num, (1 + survives) / 2, risk)


@pytest.mark.parametrize("correlation", [0.0, 0.2])
def test_a_shortfall_is_as_rare_as_promised(correlation: float) -> None:
    risk, random = Risk(shortfall=0.05, correlation=correlation), np.random.default_rng(4)
    counted = counted_on(12, 0.9, risk)
    shared = 1 / correlation - 1 if correlation else math.inf
    chance = random.beta(0.9 * shared, 0.1 * shared, 100_000) if correlation else np.full(100_000, 0.9)
    survivors = random.binomial(12, chance)
    assert (survivors < counted).mean() <= 0.053
    assert (survivors < counted + 1).mean() > 0.047


@given(num=st.integers(0, 40), risk=RISKS)
def test_without_preemptions_all_are_counted_on(num: int, risk: Risk) -> None:
    assert counted_on(num, 1.0, risk) == num

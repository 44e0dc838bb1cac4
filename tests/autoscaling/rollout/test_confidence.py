from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.rollout.confidence import bounds_of

LOOKS = np.unique(np.geomspace(1, 5000, 40).astype(int))


def test_nothing_seen_excludes_nothing() -> None:
    assert (bounds_of(0, 0, 0.05).lower, bounds_of(0, 0, 0.05).upper) == (0.0, 1.0)


@pytest.mark.parametrize(("num", "upper"), [(10, 0.37699), (100, 0.0570286), (1000, 0.0069975), (10_000, 0.000816994)])
def test_where_none_failed_the_bound_is_the_closed_form(num: int, upper: float) -> None:
    """(1 - p)^n = alpha · B(1/2, n + 1/2) / B(1/2, 1/2)."""
    found = bounds_of(num, 0, 0.05)
    assert found.lower == 0.0
    assert found.upper == pytest.approx(upper, rel=1e-4)


@given(st.integers(1, 2000), st.data(), st.floats(1e-6, 0.5))
def test_the_bounds_hold_the_observed_share_and_mirror_each_other(num: int, data: st.DataObject, alpha: float) -> None:
    successes = data.draw(st.integers(0, num))
    found, mirrored = bounds_of(num, successes, alpha), bounds_of(num, num - successes, alpha)
    assert 0.0 <= found.lower <= successes / num <= found.upper <= 1.0
    assert found.lower == pytest.approx(1.0 - mirrored.upper, abs=1e-9)


@given(st.integers(1, 500), st.data())
def test_less_doubt_needs_wider_bounds(num: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, num))
    wide, narrow = bounds_of(num, successes, 0.001), bounds_of(num, successes, 0.1)
    assert wide.lower <= narrow.lower <= narrow.upper <= wide.upper


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_looking_at_every_moment_is_wrong_no_more_often_than_promised(share: float) -> None:
    alpha, streams, wrong = 0.1, 300, 0
    random = np.random.default_rng(7)
    for _ in range(streams):
        seen = np.cumsum(random.random(LOOKS[-1]) < share)
        found = (bounds_of(int(num), int(seen[num - 1]), alpha) for num in LOOKS)
        wrong += any(not bounds.lower <= share <= bounds.upper for bounds in found)
    assert wrong / streams <= alpha

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.forecast.decayed import Decayed

GRID = np.arange(1, 11).astype(np.float64)
EMPTY = Decayed.on(GRID, half_life_s=100.0)
VALUES = st.lists(st.floats(0, 20), min_size=1, max_size=30).map(np.array)


def _with(values: np.ndarray, elapsed_s: float = 0.0, past: Decayed = EMPTY) -> Decayed:
    return past.after(elapsed_s, values, np.ones(len(values)))


def test_half_of_what_was_seen_is_gone_after_a_half_life() -> None:
    seen = _with(np.array([3.0, 3.0, 7.0]))
    assert seen.total == 3.0
    assert _with(np.array([5.0]), elapsed_s=100.0, past=seen).total == 2.5


def test_what_is_recent_outweighs_what_is_old() -> None:
    seen = _with(np.array([2.0]), elapsed_s=300.0, past=_with(np.full(4, 9.0)))
    assert seen.quantile(0.5) == 2.0


def test_a_quantile_is_the_upper_edge_of_its_cell() -> None:
    seen = _with(np.array([1.5, 2.5, 3.5, 8.5]))
    assert [seen.quantile(q) for q in (0.25, 0.5, 0.75, 1.0)] == [2.0, 3.0, 4.0, 9.0]


def test_nothing_seen_is_no_quantile_and_nothing_above() -> None:
    assert EMPTY.quantile(0.5) is None
    assert EMPTY.quantiles(np.array([0.1, 0.9])) is None
    assert EMPTY.share_above(np.array([0.0, 5.0])).tolist() == [0.0, 0.0]


def test_what_lies_above_the_grid_counts_in_its_last_cell() -> None:
    seen = _with(np.array([1e9]))
    assert seen.quantile(0.5) == 10.0
    assert seen.share_above(np.array([9.5, 10.5])).tolist() == [1.0, 0.0]


@given(values=VALUES)
def test_the_share_above_falls_from_all_to_none(values: np.ndarray) -> None:
    shares = _with(values).share_above(np.arange(12).astype(np.float64))
    assert np.all(np.diff(shares) <= 1e-12)
    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.0)


@given(values=VALUES, q=st.floats(0.05, 0.95))
def test_at_most_the_rest_lies_in_the_cells_above_a_quantile(values: np.ndarray, q: float) -> None:
    seen = _with(values)
    edge = seen.quantile(q)
    assert edge is not None
    assert seen.share_above(np.array([edge + 1e-6]))[0] <= 1 - q + 1e-9


@given(values=VALUES, shares=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_several_quantiles_are_those_asked_for_one_by_one(values: np.ndarray, shares: list[float]) -> None:
    seen = _with(values)
    found = seen.quantiles(np.array(shares))
    assert found is not None
    assert found.tolist() == [seen.quantile(share) for share in shares]

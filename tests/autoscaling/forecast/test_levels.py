from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.forecast.levels import NO_LEVELS, SCALES_S


def test_the_level_of_an_even_load_is_right_from_the_first_second() -> None:
    assert NO_LEVELS.after(np.array([7.0])).values == pytest.approx([7.0, 7.0, 7.0])


def test_the_mean_of_three_seconds_is_nearly_their_mean_and_not_mostly_zero() -> None:
    assert NO_LEVELS.after(np.array([3.0, 6.0, 9.0])).values == pytest.approx([6.0, 6.0, 6.0], rel=0.02)


def test_short_levels_follow_a_jump_before_long_ones() -> None:
    jumped = NO_LEVELS.after(np.full(1200, 1.0)).after(np.full(30, 2.0)).values
    assert jumped[0] == pytest.approx(2 - np.exp(-1.0), rel=1e-3)
    assert np.all(np.diff(jumped) < 0)


def test_before_anything_was_seen_the_level_is_nothing() -> None:
    assert NO_LEVELS.values.tolist() == [0.0] * len(SCALES_S)


@given(work=st.lists(st.floats(0, 50), max_size=40), at=st.integers(0, 40))
def test_seconds_may_come_in_any_number_of_parts(work: list[float], at: int) -> None:
    series = np.array(work)
    whole, parts = NO_LEVELS.after(series), NO_LEVELS.after(series[:at]).after(series[at:])
    assert whole.values.tolist() == parts.values.tolist()
    assert whole.age_s == parts.age_s == len(work)

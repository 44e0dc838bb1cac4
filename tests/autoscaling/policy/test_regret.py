from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.policy.regret import MOST_TURNS, NOTHING_REGRETTED, Regret, soon_s

LEAST, TICK_S, SOON_S, HALF_LIFE_S = 1.5, 5.0, 600.0, 5400.0


def _after(steps: Sequence[int], regret: Regret = NOTHING_REGRETTED) -> Regret:
    """With decisions for so many replicas more, five seconds apart."""
    for tick, more in enumerate(steps):
        regret = regret.after(TICK_S, more, tick * TICK_S, soon_s=SOON_S, half_life_s=HALF_LIFE_S)
    return regret


def test_a_replica_that_is_soon_ordered_again_makes_the_next_one_harder_to_let_go() -> None:
    assert _after([-1]).doubt(LEAST) == LEAST
    assert _after([-1, 0, 0, 1]).doubt(LEAST) == 2 * LEAST


def test_what_is_ordered_long_after_was_rightly_let_go() -> None:
    assert _after([-1] + [0] * 120 + [1]).doubt(LEAST) == LEAST


def test_an_order_that_follows_no_letting_go_is_no_regret() -> None:
    assert _after([1, 0, 1]).doubt(LEAST) == LEAST
    assert _after([-1, 1, 1, 1]).turns == _after([-1, 1, 0, 0]).turns


def test_what_was_regretted_is_forgotten() -> None:
    regretted = _after([-1, 1])
    assert _after([0] * 1080, regretted).turns == pytest.approx(regretted.turns / 2)  # 1,080 ticks are a half-life


def test_soon_is_ten_minutes_and_more_where_starts_are_slow() -> None:
    assert (soon_s(30.0), soon_s(300.0)) == (600.0, 1500.0)


@given(st.lists(st.integers(-3, 3), max_size=60))
def test_doubt_is_bounded_whatever_happens(steps: list[int]) -> None:
    assert LEAST <= _after(steps).doubt(LEAST) <= LEAST * 2.0**MOST_TURNS


def test_what_a_bound_kept_was_not_let_go_and_is_not_regretted(
    walk: Callable[..., list[Any]], terms_of: Callable[..., Any], step_of: Callable[..., Any]
) -> None:
    calm, busy = step_of(arrivals=(2,) * 5, running=1), step_of(arrivals=(50,) * 5)
    played = walk(terms_of(min_replicas=3), [*[calm] * 150, *[busy] * 20], ready=3)
    targets = [decision.variants[0].target for _, decision in played]
    assert (min(targets), targets[-1] > 3) == (3, True)
    assert played[-1][1].state.regret.turns == 0.0

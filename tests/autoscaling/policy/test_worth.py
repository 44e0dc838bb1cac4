from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.policy.worth import Worth, nothing_learnt, worth_having

CELL = 1.07
"""Values are known to one cell of their grid, which is 6 % wide."""
FOREVER_S = 1e12


def _hours(shares: list[list[float]], rates: list[float], elapsed_s: float = 1.0) -> Worth:
    worth = nothing_learnt(FOREVER_S)
    for missing, rate in zip(shares, rates, strict=True):
        worth = worth.after(elapsed_s, np.array(missing), rate)
    return worth


def _chosen(worth: Worth, shares: list[list[float]], rates: list[float], budget: float) -> list[int]:
    price = worth.price(budget)
    return [worth_having(np.array(m), rate, price) for m, rate in zip(shares, rates, strict=True)]


def _missed(counts: tuple[int, ...] | list[int], shares: list[list[float]], rates: list[float]) -> float:
    return sum(rate * missing[count] for count, missing, rate in zip(counts, shares, rates, strict=True))


@st.composite
def convex_hours(draw: st.DrawFn) -> tuple[list[list[float]], list[float]]:
    """Up to four hours in which each further replica avoids less than the one before."""
    num = draw(st.integers(2, 4))
    drops = draw(st.lists(st.lists(st.floats(0.05, 1), min_size=3, max_size=3), min_size=num, max_size=num))
    ordered = [sorted(each, reverse=True) for each in drops]
    shares = [[1 - sum(each[:n]) / sum(each) for n in range(4)] for each in ordered]
    return shares, draw(st.lists(st.floats(1, 50), min_size=num, max_size=num))


@given(hours=convex_hours(), budget=st.floats(0.01, 0.5))
def test_the_price_buys_the_fleet_of_brute_force(hours: tuple[list[list[float]], list[float]], budget: float) -> None:
    shares, rates = hours
    chosen = _chosen(_hours(shares, rates), shares, rates, budget)
    allowed = budget * sum(rates)
    fleets = product(range(4), repeat=len(rates))
    cheapest = min(sum(fleet) for fleet in fleets if _missed(fleet, shares, rates) <= allowed * (1 + 1e-9))
    # The price is that of one replica, so the choice is within the replicas that share its cell of the grid.
    values = [r * (m[n] - m[n + 1]) for m, r in zip(shares, rates, strict=True) for n in range(3)]
    price = _hours(shares, rates).price(budget)
    undecided = sum(price / CELL**2 <= value <= price * CELL**2 for value in values)
    assert abs(sum(chosen) - cheapest) <= undecided


def test_the_budget_is_spent_in_the_hour_in_which_protecting_a_request_costs_most() -> None:
    busy, quiet = [1.0, 0.4, 0.1, 0.0], [1.0, 0.02, 0.0, 0.0]
    shares, rates = [busy, quiet], [100.0, 5.0]
    assert _chosen(_hours(shares, rates), shares, rates, budget=0.05) == [3, 0]


@given(num=st.integers(1, 9), rate=st.floats(0.5, 500), budget=st.floats(0.001, 0.5))
def test_replicas_that_help_only_together_are_bought_together(num: int, rate: float, budget: float) -> None:
    even = [1.0] * num + [0.0] * 3
    assert _chosen(_hours([even], [rate]), [even], [rate], budget) == [num]


@given(
    shares=st.lists(
        st.lists(st.floats(0, 1), min_size=5, max_size=5).map(lambda each: [1.0, *sorted(each, reverse=True)]),
        min_size=1,
        max_size=6,
    ),
    budget=st.floats(0.001, 0.9),
)
def test_no_more_than_the_budget_is_left_to_miss_of_what_replicas_could_avoid(
    shares: list[list[float]], budget: float
) -> None:
    rates = [10.0] * len(shares)
    counts = _chosen(_hours(shares, rates), shares, rates, budget)
    avoidable = _missed(counts, shares, rates) - _missed([5] * len(shares), shares, rates)
    assert avoidable <= budget * sum(rates) + 1e-3


def test_a_larger_budget_raises_the_price() -> None:
    worth = _hours([[1.0, 0.5, 0.2, 0.05, 0.0]], [10.0])
    prices = [worth.price(budget) for budget in (0.0, 0.1, 0.3, 0.9)]
    assert prices == sorted(prices)
    assert prices[0] < prices[-1]


def test_a_decision_counts_for_as_long_as_it_lasted() -> None:
    short = nothing_learnt(FOREVER_S).after(5.0, np.array([1.0, 0.0]), 10.0)
    assert short.arrived == pytest.approx(50.0)
    assert short.avoided.total == pytest.approx(50.0)


@given(
    missing=st.lists(st.floats(0, 1), min_size=1, max_size=12).map(lambda shares: sorted(shares, reverse=True)),
    rate=st.floats(0, 100),
    price=st.floats(1e-6, 100),
)
def test_no_number_is_worth_more_than_the_chosen_one(missing: list[float], rate: float, price: float) -> None:
    costs = [price * num + rate * share for num, share in enumerate(missing)]
    assert costs[worth_having(np.array(missing), rate, price)] == pytest.approx(min(costs))


@given(rate=st.floats(0.1, 100), price=st.floats(1e-3, 10), dearer=st.floats(1, 10))
def test_a_dearer_replica_is_bought_less_often(rate: float, price: float, dearer: float) -> None:
    missing = np.exp(-np.arange(10.0))
    assert worth_having(missing, rate, price * dearer) <= worth_having(missing, rate, price)

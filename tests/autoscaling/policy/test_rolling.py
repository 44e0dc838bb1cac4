"""A service that may run a variant that is cheap and starts slowly, and one that is dear and starts fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.rolling import Way
from raytide.autoscaling.simulate.conditions import Conditions, Faults, Span, Stockout
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.workloads import staircase
from raytide.autoscaling.terms import Terms, Variant

Make = Callable[..., Variant]
Declare = Callable[..., Terms]

JUMP = ((15.0, 900.0), (50.0, 1200.0), (15.0, 600.0))
"""To four times the load after a quarter of an hour; what runs first bears it twice."""


def _played(terms: Terms, faults: Faults | None = None) -> Score:
    conditions = Conditions(num_laps=1, initial_replicas=3, faults=faults or Faults(), seed=3)
    return score(play(staircase(JUMP, lengths_from=None, seed=3), Raytide(), terms, conditions), terms)


@pytest.fixture(scope="session")
def mixed(terms_of: Declare, variant_of: Make) -> Terms:
    return terms_of(variant_of("slow", usd_per_hour=4.0, cold_start_s=420.0), variant_of("fast"), max_replicas=20)


@pytest.fixture(scope="session")
def ours(mixed: Terms) -> Score:
    return _played(mixed)


def test_what_starts_fast_carries_a_jump_that_what_starts_slowly_would_miss(mixed: Terms, ours: Score) -> None:
    slow = replace(mixed, variants=mixed.variants[:1])
    assert ours.attainment > _played(slow).attainment + 0.05


def test_a_mix_costs_less_than_the_fast_variant_alone_and_loses_little(mixed: Terms, ours: Score) -> None:
    fast = replace(mixed, variants=mixed.variants[1:])
    alone = _played(fast)
    assert ours.cost_usd < 0.9 * alone.cost_usd
    assert ours.attainment >= alone.attainment - 0.02


def test_while_the_cheap_variant_is_out_of_stock_the_other_carries_the_load(mixed: Terms, ours: Score) -> None:
    none = Faults(stockouts=(Stockout(variant="slow", span=Span(start_s=600.0, end_s=2700.0)),))
    assert _played(mixed, none).attainment >= ours.attainment - 0.02


def test_the_way_shows_what_can_wait() -> None:
    way = Way(soon=2.0, later=5.0, soon_s=60.0, later_s=600.0)
    assert way.need().steps_s[:3] == (60.0, 480.0, 60.0)
    assert way.need().work == (2.0, 2.0, 2.0, 5.0, 5.0)
    assert way.beside(3.0, 1.0).need().work[-2:] == (4.0, 4.0)

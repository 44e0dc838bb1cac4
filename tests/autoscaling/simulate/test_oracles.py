from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.simulate.baselines.static import Static
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.oracle.causal import causal, curve
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle, clairvoyant
from raytide.autoscaling.simulate.oracle.fluid import fluid
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import step
from raytide.autoscaling.terms import Terms

CONDITIONS = Conditions(cold_start_s=60.0)


@pytest.fixture(scope="module")
def hill() -> Trace:
    """Six requests per second with five minutes of eighteen in the middle."""
    return step(6.0, factor=3.0, before_s=300.0, during_s=300.0, after_s=300.0, lengths_from=None, seed=3)


@pytest.fixture(scope="module")
def terms(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    made = terms_of(replace(engine, max_num_seqs=256), max_replicas=16)
    return replace(made, min_replicas=1, objective=replace(made.objective, tpot_s=0.05, ttft_s=1.0))


@pytest.fixture(scope="module")
def planned(hill: Trace, terms: Terms) -> Oracle:
    return clairvoyant(hill, terms, CONDITIONS)


def static_usd(hill: Trace, terms: Terms) -> float:
    for num in range(1, 17):
        own = replace(CONDITIONS, initial_replicas=num, num_laps=1)
        found = score(play(hill, Static(num_replicas=num), terms, own), terms)
        if found.attainment >= terms.objective.attainment:
            return found.cost_usd
    raise AssertionError("no fleet is large enough")


def test_the_clairvoyant_plan_keeps_the_objective_between_the_fluid_bound_and_the_constant_fleet(
    hill: Trace, terms: Terms, planned: Oracle
) -> None:
    found = planned.score
    bound = fluid(hill, terms)
    assert not isinstance(bound, Missing)
    assert found.attainment >= terms.objective.attainment
    assert bound <= found.cost_usd < 0.95 * static_usd(hill, terms)


def test_the_clairvoyant_plan_has_more_replicas_on_the_hill_than_at_its_foot(planned: Oracle) -> None:
    assert planned.plan.at(400.0) > planned.plan.at(150.0)


def test_who_knows_only_the_law_pays_at_least_what_who_knows_the_moment_does(
    hill: Trace, terms: Terms, planned: Oracle
) -> None:
    found = causal(hill, terms, CONDITIONS, [raytide], headrooms=(0, 2, 8))
    assert not isinstance(found, Missing)
    assert found.score.attainment >= terms.objective.attainment
    assert found.score.cost_usd >= planned.score.cost_usd


def test_standing_headroom_costs_more_and_attains_no_less_on_the_first_lap(hill: Trace, terms: Terms) -> None:
    once = replace(CONDITIONS, num_laps=1)
    points = list(curve(hill, terms, once, raytide, (0, 8)))
    assert points[1].score.cost_usd > points[0].score.cost_usd
    assert points[1].score.attainment > points[0].score.attainment


def test_no_policy_that_keeps_the_objective_is_said_and_not_made_up(hill: Trace, terms: Terms) -> None:
    found = causal(hill, terms, CONDITIONS, [lambda _: Static(num_replicas=1)], headrooms=(0,))
    assert isinstance(found, Missing)


def test_a_load_five_times_higher_than_ever_is_ordered_within_twenty_seconds_and_served_before_it_ends(
    terms: Terms,
) -> None:
    jump = step(8.0, factor=5.0, before_s=900.0, during_s=300.0, after_s=60.0, lengths_from=None, seed=1)
    once = replace(CONDITIONS, num_laps=1)
    played = play(jump, Raytide(), terms, once)
    ordered = [d for d in played.decisions if 900 <= d.at_s <= 920 and d.variants[0].target > d.variants[0].previous]
    assert ordered
    kept = (played.ttft_s <= terms.objective.ttft_s) & (played.tpot_s <= terms.objective.tpot_s)
    after = (played.arrival_s > 1150) & (played.arrival_s < 1200)
    assert np.mean(kept[after]) >= 0.95


def raytide(headroom: int) -> Any:
    return Raytide(settings=Settings(headroom_replicas=headroom))

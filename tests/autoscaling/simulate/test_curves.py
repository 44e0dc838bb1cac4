from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.analytic import Sized, sized
from raytide.autoscaling.simulate.baselines.static import Static
from raytide.autoscaling.simulate.case import constant
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.curves import changes_of, curves_of
from raytide.autoscaling.simulate.plots import ttft_plot
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.standing import Standing
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

SPAN_S = 300.0


@pytest.fixture
def steady(trace_of: Callable[..., Trace]) -> Trace:
    return trace_of([(n / 4, 500, 20) for n in range(1200)], SPAN_S)


@pytest.fixture
def terms(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    return terms_of(engine, cold_start_s=20.0)


def _grown(trace: Trace, terms: Terms) -> Played:
    return play(trace, Static(num_replicas=3, interval_s=10.0), terms, Conditions(num_laps=2, initial_replicas=1))


def test_curves_are_those_of_the_last_lap(steady: Trace, terms: Terms) -> None:
    played = _grown(steady, terms)
    curves = curves_of(played, terms)
    assert curves.at_s.tolist() == [0.0, 60.0, 120.0, 180.0, 240.0]
    assert curves.requests_per_s == pytest.approx([4.0] * 5)
    assert curves.ready == pytest.approx([3.0] * 5)
    assert curves.cost_usd[-1] == pytest.approx(score(played, terms).cost_usd, rel=0.01)
    assert np.all(np.diff(curves.cost_usd) > 0)
    assert np.all((curves.ttft_p99_s > 0) & (curves.ttft_p99_s < 1.0))


def test_a_change_says_from_where_to_where_and_why(steady: Trace, terms: Terms) -> None:
    (change,) = changes_of(_grown(steady, terms).decisions)
    assert (change.at_s, change.previous, change.target, change.rule) == (10.0, 1, 3, "demand")
    assert change.says == "3 replicas, always"


def test_a_plot_is_the_same_text_every_time_in_the_colour_of_its_page(steady: Trace, terms: Terms) -> None:
    runs = (("static", curves_of(_grown(steady, terms), terms)),)
    first, second = ttft_plot(runs, 1.0), ttft_plot(runs, 1.0)
    assert first == second
    assert first.startswith("<svg")
    assert "currentColor" in first


@pytest.mark.parametrize(("num_standing", "expected"), [(0, 2), (3, 5), (20, 8)])
def test_standing_replicas_come_on_top_within_the_bounds(
    steady: Trace, terms: Terms, num_standing: int, expected: int
) -> None:
    policy = Standing(policy=Static(num_replicas=2, interval_s=10.0), num_standing=num_standing)
    played = play(steady, policy, terms, Conditions(num_laps=1, initial_replicas=1))
    assert played.timeline.target[:, 0].tolist() == [expected] * len(played.timeline.at_s)


def test_standing_replicas_leave_other_variants_room(
    engine: Engine, steady: Trace, terms_of: Callable[..., Terms]
) -> None:
    terms = terms_of(engine, engine)
    policy = Standing(policy=Static(num_replicas=2, interval_s=10.0), num_standing=3)
    played = play(steady, policy, terms, Conditions(num_laps=1, initial_replicas=1))
    assert played.timeline.target[-1].tolist() == [5, 0]


def test_the_closed_form_needs_as_many_replicas_as_a_constant_fleet_does(
    trace_of: Callable[..., Trace], terms: Terms
) -> None:
    random = np.random.default_rng(0)
    arrival_s = np.sort(random.uniform(0, SPAN_S, 3600))
    trace = trace_of([(at, 600, 60) for at in arrival_s], SPAN_S)
    found = sized(trace, terms)
    assert isinstance(found, Sized)
    num = found.max_replicas
    played = play(trace, constant(num, trace), terms, Conditions(num_laps=1, initial_replicas=num))
    assert score(played, terms).attainment >= 0.99
    assert 0.99 <= found.attainment <= 1.0
    assert 1 <= found.mean_replicas <= num < 8


def test_the_closed_form_says_what_it_lacks(steady: Trace, terms: Terms) -> None:
    unpriced = replace(terms, variants=(replace(terms.variants[0], usd_per_hour=Missing(reason="not said")),))
    assert isinstance(sized(steady, unpriced), Missing)

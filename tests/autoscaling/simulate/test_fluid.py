"""The fluid bound: below every plan that keeps the objective, and not far below where a plan can be tight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.oracle.clairvoyant import clairvoyant
from raytide.autoscaling.simulate.oracle.fluid import fluid
from raytide.autoscaling.simulate.oracle.plan import Plan, Planned
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms, Variant

SPAN_S = 120.0


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    num = draw(st.integers(100, 4000))
    longest_prompt, longest_output = draw(st.sampled_from([(2000, 1), (2000, 20), (200, 200)]))
    return Trace(
        name="made",
        arrival_s=np.sort(rng.uniform(0.0, SPAN_S, num)),
        prompt_tokens=rng.integers(1, longest_prompt + 1, num, dtype=np.int32),
        output_tokens=rng.integers(1, longest_output + 1, num, dtype=np.int32),
        span_s=SPAN_S,
    )


@st.composite
def services(draw: st.DrawFn) -> Terms:
    def variant(name: str) -> Variant:
        iteration = Iteration(
            base_s=draw(st.sampled_from([0.005, 0.02])),
            per_sequence_s=draw(st.sampled_from([0.0, 5e-4])),
            per_kv_token_s=1e-7,
            per_prefill_token_s=draw(st.sampled_from([2e-5, 1e-4])),
            per_root_sequence_s=draw(st.sampled_from([0.0, 2e-3])),
        )
        sequences = draw(st.sampled_from([8, 64]))
        engine = Engine(iteration=iteration, kv_capacity_tokens=20_000, chunk_tokens=1024, max_num_seqs=sequences)
        return Variant(name=name, engine=engine, usd_per_hour=draw(st.sampled_from([1.0, 2.0])), cold_start_s=30.0)

    return Terms(
        objective=Objective(
            ttft_s=2.0,
            tpot_s=draw(st.sampled_from([0.03, 0.1])),
            attainment=draw(st.sampled_from([0.5, 0.9])),
        ),
        variants=(variant("a"), variant("b")),
        min_replicas=draw(st.sampled_from([0, 1, 2])),
        max_replicas=8,
    )


@settings(max_examples=60)
@given(traces(), services(), st.lists(st.integers(1, 4), min_size=4, max_size=4), st.sampled_from([10.0, 60.0]))
def test_no_plan_that_keeps_the_objective_costs_less(
    trace: Trace, terms: Terms, counts: list[int], window_s: float
) -> None:
    plan = Plan(window_s=30.0, counts=np.maximum(counts, terms.min_replicas), span_s=SPAN_S)
    conditions = Conditions(num_laps=2, initial_replicas=counts[0], metric_delay_s=0, cold_start_s=30.0)
    found = score(play(trace, Planned(plan=plan, lead_s=30.0, interval_s=5.0), terms, conditions), terms)
    assume(found.attainment >= terms.objective.attainment)
    bound = fluid(trace, terms, window_s)
    assert not isinstance(bound, Missing)
    assert bound <= found.cost_usd


def test_a_clairvoyant_plan_stays_above_and_within_reach(
    engine: Engine, terms_of: Callable[..., Terms], steady: Trace
) -> None:
    terms = terms_of(engine, max_replicas=6)
    bound = fluid(steady, terms)
    plan = clairvoyant(steady, terms, Conditions(cold_start_s=30.0), window_s=30.0)
    assert plan.score.attainment >= 0.99
    assert not isinstance(bound, Missing)
    assert 0.5 * plan.score.cost_usd < bound <= plan.score.cost_usd


@pytest.fixture(scope="module")
def steady() -> Trace:
    """Decode that fills two or three replicas."""
    rng = np.random.default_rng(1)
    num = 7200
    return Trace(
        name="made",
        arrival_s=np.sort(rng.uniform(0.0, 300.0, num)),
        prompt_tokens=np.full(num, 200),
        output_tokens=np.full(num, 150),
        span_s=300.0,
    )


def test_requests_that_may_miss_are_the_dearest(engine: Engine, terms_of: Callable[..., Terms]) -> None:
    prompt = np.array([100] * 99 + [50_000])
    trace = Trace(
        name="made", arrival_s=np.zeros(100), prompt_tokens=prompt, output_tokens=np.ones(100, int), span_s=60.0
    )
    terms = terms_of(engine)
    strict = replace(terms, objective=replace(terms.objective, attainment=1.0))
    per_request_s = engine.iteration.per_prefill_token_s * 100 + engine.iteration.base_s * 100 / engine.chunk_tokens
    assert fluid(trace, terms) == pytest.approx(99 * per_request_s / 3600)
    assert fluid(trace, strict) == pytest.approx((99 + 500) * per_request_s / 3600)


def test_work_that_may_outlast_the_lap_is_not_paid_in_it(engine: Engine, terms_of: Callable[..., Terms]) -> None:
    terms = terms_of(engine)  # a TTFT of 1 s, then 50 ms a token

    def bound(arrival_s: float) -> float | Missing:
        trace = Trace(
            name="made",
            arrival_s=np.array([arrival_s]),
            prompt_tokens=np.array([100]),
            output_tokens=np.array([101]),
            span_s=60.0,
        )
        return fluid(trace, terms)

    assert bound(54.0) == bound(0.0) != 0.0
    assert bound(54.1) == 0.0


def test_each_request_takes_the_variant_with_the_cheaper_work(engine: Engine, terms_of: Callable[..., Terms]) -> None:
    slow_decode = replace(engine, iteration=replace(engine.iteration, per_sequence_s=1e-3))
    slow_prefill = replace(engine, iteration=replace(engine.iteration, per_prefill_token_s=1e-3))
    trace = Trace(
        name="made",
        arrival_s=np.zeros(2),
        prompt_tokens=np.array([5000, 10]),
        output_tokens=np.array([1, 500]),
        span_s=600.0,
    )

    def bound(*engines: Engine) -> float:
        terms = terms_of(*engines)
        cheap = tuple(replace(variant, usd_per_hour=1.0) for variant in terms.variants)
        found = fluid(trace, replace(terms, variants=cheap))
        assert not isinstance(found, Missing)
        return found

    assert bound(slow_decode, slow_prefill) < min(bound(slow_decode), bound(slow_prefill))


def test_a_burst_beside_a_floor_costs_more_than_either(engine: Engine, terms_of: Callable[..., Terms]) -> None:
    num = 500
    trace = Trace(
        name="made",
        arrival_s=np.full(num, 120.0),
        prompt_tokens=np.full(num, 4000),
        output_tokens=np.ones(num, int),
        span_s=600.0,
    )
    terms = terms_of(engine)
    burst, both = fluid(trace, terms), fluid(trace, replace(terms, min_replicas=1))
    assert not isinstance(burst, Missing)
    assert both == pytest.approx(600.0 / 3600 + burst - 60.0 / 3600)


def test_a_base_above_the_tpot_bound_cannot_be_bought(engine: Engine, terms_of: Callable[..., Terms]) -> None:
    terms = terms_of(replace(engine, iteration=replace(engine.iteration, base_s=0.06)))
    trace = Trace(
        name="made",
        arrival_s=np.zeros(2),
        prompt_tokens=np.array([5, 5]),
        output_tokens=np.array([1, 2]),
        span_s=60.0,
    )
    assert fluid(trace, terms) == float("inf")


def test_without_every_price_there_is_no_bound(engine: Engine, terms_of: Callable[..., Terms], steady: Trace) -> None:
    terms = terms_of(engine, engine)
    unpriced = replace(terms.variants[1], usd_per_hour=Missing(reason="no list price"))
    assert isinstance(fluid(steady, replace(terms, variants=(terms.variants[0], unpriced))), Missing)

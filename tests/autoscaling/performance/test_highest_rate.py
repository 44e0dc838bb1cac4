from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.performance.capacity import Infeasible, Sustained, highest_rate
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.latency import attainment
from raytide.autoscaling.performance.measured import engine_from_capacity
from raytide.autoscaling.performance.steady import Limit
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective

few = settings(max_examples=25)
factor = st.floats(min_value=1.0, max_value=4.0)


def rate(engine: Engine, workload: Workload, objective: Objective) -> float:
    found = highest_rate(engine, workload, objective)
    return found.requests_per_s if isinstance(found, Sustained) else 0.0


def longer(workload: Workload, prompt: float, output: float = 1.0) -> Workload:
    square = output * workload.output_tokens_squared / 2 * output
    return replace(
        workload,
        prompt_tokens=prompt * workload.prompt_tokens,
        output_tokens=output * workload.output_tokens,
        kv_token_steps=prompt * output * (workload.kv_token_steps - workload.output_tokens_squared / 2) + square,
        prompt_tokens_squared=prompt**2 * workload.prompt_tokens_squared,
        output_tokens_squared=output**2 * workload.output_tokens_squared,
    )


@few
@given(by=factor)
def test_longer_prompts_lower_it(engine: Engine, workload: Workload, objective: Objective, by: float) -> None:
    assert rate(engine, longer(workload, by), objective) <= 1.000001 * rate(engine, workload, objective)


@few
@given(by=factor)
def test_longer_requests_lower_it(engine: Engine, workload: Workload, objective: Objective, by: float) -> None:
    assert rate(engine, longer(workload, by, by), objective) <= 1.000001 * rate(engine, workload, objective)


@few
@given(ttft=factor, tpot=factor)
def test_looser_bounds_raise_it(
    engine: Engine, workload: Workload, objective: Objective, ttft: float, tpot: float
) -> None:
    looser = replace(objective, ttft_s=ttft * objective.ttft_s, tpot_s=tpot * objective.tpot_s)
    assert rate(engine, workload, looser) >= 0.999999 * rate(engine, workload, objective)


@few
@given(dispersion=st.floats(min_value=1.0, max_value=20.0), replicas=st.integers(min_value=1, max_value=30))
def test_the_objective_holds_at_it_and_not_above(
    engine: Engine, workload: Workload, objective: Objective, dispersion: float, replicas: int
) -> None:
    found = highest_rate(engine, workload, objective, replicas=replicas, dispersion=dispersion)
    assert isinstance(found, Sustained)
    held, broken = (
        attainment(engine, workload.at_rate(by * found.requests_per_s), replicas, objective, dispersion)
        for by in (1.0, 1.001)
    )
    assert held >= objective.attainment > broken


def test_a_pool_sustains_more_than_its_replicas_alone(engine: Engine, workload: Workload, objective: Objective) -> None:
    pool = highest_rate(engine, workload, objective, replicas=8)
    assert isinstance(pool, Sustained)
    assert pool.requests_per_s > 8 * rate(engine, workload, objective)


@pytest.mark.parametrize(
    ("engine_has", "limit"),
    [
        ({"chunk_tokens": 8192}, Limit.TPOT),
        ({"chunk_tokens": 512}, Limit.TTFT),
        ({"kv_capacity_tokens": 30_000}, Limit.KV),
        ({"max_num_seqs": 16}, Limit.SEQUENCES),
    ],
)
def test_what_a_higher_rate_breaks_is_named(
    engine: Engine,
    workload: Workload,
    objective: Objective,
    engine_has: dict[str, Any],
    limit: Limit,
) -> None:
    found = highest_rate(replace(engine, **engine_has), workload, objective)
    assert isinstance(found, Sustained)
    assert found.limit is limit


@pytest.mark.parametrize("bound", [{"tpot_s": 0.01}, {"ttft_s": 0.02}])
def test_an_impossible_bound_is_answered_with_the_nearest_possible_one(
    engine: Engine, workload: Workload, objective: Objective, bound: dict[str, float]
) -> None:
    found = highest_rate(engine, workload, replace(objective, **bound))
    assert isinstance(found, Infeasible)
    assert f"{1000 * found.nearest:.3g} ms" in found.says
    possible = replace(objective, **{f"{found.limit.value}_s": 1.01 * found.nearest})
    assert isinstance(highest_rate(engine, workload, possible), Sustained)


def test_a_request_that_does_not_fit_into_memory_is_infeasible(
    engine: Engine, workload: Workload, objective: Objective
) -> None:
    found = highest_rate(replace(engine, kv_capacity_tokens=1000), workload, objective)
    assert isinstance(found, Infeasible)
    assert found.limit is Limit.KV
    assert "1,366 tokens" in found.says


def test_a_measured_replica_becomes_an_engine_that_repeats_the_measurement(capacity: Capacity) -> None:
    engine = engine_from_capacity(capacity, 10_000, chunk_tokens=512, max_num_seqs=16)
    for point in capacity.points:
        assert engine.iteration.seconds(point.concurrency, 0, 0) == pytest.approx(point.tpot_s, rel=0.25)
    chunk_s = engine.iteration.seconds(0, 0, 512)
    assert 512 / chunk_s == pytest.approx(capacity.prefill_tokens_per_s)


def test_a_single_measured_point_is_all_base(capacity: Capacity) -> None:
    lone = replace(capacity, points=capacity.points[:1])
    assert engine_from_capacity(lone, 10_000).iteration.base_s == capacity.points[0].tpot_s

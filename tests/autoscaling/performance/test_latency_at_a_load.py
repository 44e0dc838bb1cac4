from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.latency import attained, attainment, tpot_quantile_s, ttft_quantile_s
from raytide.autoscaling.performance.load import Load, load_of
from raytide.autoscaling.performance.queueing import crowd_wait, erlang_c, lengths, pooled_wait
from raytide.autoscaling.performance.steady import Limit
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective


def loaded(engine: Engine, workload: Workload, replicas: int = 1, dispersion: float = 1.0) -> Load:
    found = load_of(engine, workload, replicas, dispersion)
    assert isinstance(found, Load)
    return found


@given(
    rate=st.floats(min_value=0.1, max_value=60.0),
    replicas=st.integers(min_value=1, max_value=40),
    dispersion=st.floats(min_value=0.5, max_value=10.0),
)
def test_another_replica_never_costs_attainment(
    engine: Engine, workload: Workload, objective: Objective, rate: float, replicas: int, dispersion: float
) -> None:
    some, more = (
        attainment(engine, workload.at_rate(rate), r, objective, dispersion) for r in (replicas, replicas + 1)
    )
    assert some <= more + 1e-9


@given(low=st.floats(min_value=0.1, max_value=9.0), high=st.floats(min_value=0.1, max_value=9.0))
def test_more_load_never_gains_attainment(
    engine: Engine, workload: Workload, objective: Objective, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    assert attainment(engine, workload.at_rate(high), 1, objective) <= (
        attainment(engine, workload.at_rate(low), 1, objective) + 1e-9
    )


def test_a_load_that_cannot_be_sustained_attains_nothing(
    engine: Engine, workload: Workload, objective: Objective
) -> None:
    assert attainment(engine, workload.at_rate(1000.0), 1, objective) == 0.0


@settings(max_examples=15)
@given(q=st.floats(min_value=0.5, max_value=0.99))
def test_a_quantile_is_the_bound_that_its_share_keeps(engine: Engine, workload: Workload, q: float) -> None:
    load = loaded(engine, workload)
    ttft_s, tpot_s = ttft_quantile_s(load, q), tpot_quantile_s(load, q)
    kept = attained(load, Objective(ttft_s=ttft_s, tpot_s=tpot_s, attainment=q))
    assert kept.ttft * kept.kv * kept.sequences >= q
    assert kept.tpot >= q
    assert ttft_quantile_s(load, 0.4) <= ttft_s


def test_bursts_cost_attainment(engine: Engine, workload: Workload) -> None:
    calm, bursty = (loaded(engine, workload, 1, dispersion) for dispersion in (1.0, 8.0))
    assert ttft_quantile_s(bursty, 0.99) > ttft_quantile_s(calm, 0.99)
    assert tpot_quantile_s(bursty, 0.99) > tpot_quantile_s(calm, 0.99)


def test_short_answers_see_a_wider_spread_of_tpot(engine: Engine, workload: Workload) -> None:
    long = replace(
        workload,
        output_tokens=20 * workload.output_tokens,
        output_tokens_squared=400 * workload.output_tokens_squared,
        kv_token_steps=20 * workload.kv_token_steps,
    )
    spread = [
        tpot_quantile_s(load, 0.95) / load.batch.iteration_s
        for load in (loaded(engine, workload.at_rate(4.0)), loaded(engine, long.at_rate(4.0 / 20)))
    ]
    assert spread[0] > spread[1]


def test_a_chunk_that_keeps_tpot_takes_the_prompts_out_of_it(
    engine: Engine, code_workload: Workload, objective: Objective
) -> None:
    wide, narrow = (
        attained(loaded(replace(engine, chunk_tokens=chunk), code_workload.at_rate(4.0)), objective).tpot
        for chunk in (8192, 1024)
    )
    assert wide < 0.99 < narrow


def test_the_cause_of_most_misses_is_named(engine: Engine, workload: Workload, objective: Objective) -> None:
    scarce = replace(engine, kv_capacity_tokens=45_000)
    assert attained(loaded(scarce, workload), objective).weakest is Limit.KV
    assert attained(loaded(engine, workload), replace(objective, tpot_s=0.02)).weakest is Limit.TPOT
    assert attained(loaded(engine, workload), replace(objective, ttft_s=0.05)).weakest is Limit.TTFT


@pytest.mark.parametrize(("servers", "busy", "expected"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.4092)])
def test_erlang_c_is_that_of_the_tables(servers: int, busy: float, expected: float) -> None:
    assert erlang_c(servers, busy) == pytest.approx(expected, abs=1e-4)


def test_a_single_server_waits_as_an_m_m_1_queue() -> None:
    wait = pooled_wait(1, 0.5, 2.0, 1.0)
    assert wait.longer_than(4.0) == pytest.approx(0.5 * 2.718281828**-1.0)
    assert wait.longer_than(-1.0) == 1.0


def test_a_crowd_waits_as_a_large_m_m_c_queue() -> None:
    assert crowd_wait(100.0, 90.0, 1.0, 1.0).probability == pytest.approx(erlang_c(100, 90.0), rel=0.1)


@given(mean=st.floats(min_value=1, max_value=1e5), variation=st.floats(min_value=0, max_value=10))
def test_drawn_lengths_keep_the_mean(mean: float, variation: float) -> None:
    drawn = lengths(mean, variation)
    assert sum(weight for _, weight in drawn) == pytest.approx(1.0)
    assert sum(tokens * weight for tokens, weight in drawn) == pytest.approx(mean)

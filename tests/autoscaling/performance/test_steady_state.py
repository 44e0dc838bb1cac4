from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.steady import Limit, Saturated, Steady, steady, work_s
from raytide.autoscaling.performance.workload import Workload

share = st.floats(min_value=0.01, max_value=0.6)


def at(engine: Engine, workload: Workload, utilisation: float) -> Steady:
    unlimited = replace(engine, kv_capacity_tokens=10**12, chunk_tokens=10**9, max_num_seqs=10**9)
    found = steady(unlimited, workload.at_rate(utilisation / work_s(engine, workload)))
    assert isinstance(found, Steady)
    return found


@given(utilisation=st.floats(min_value=0.0, max_value=0.99))
def test_an_iteration_of_the_steady_batch_takes_the_steady_time(
    engine: Engine, workload: Workload, utilisation: float
) -> None:
    found = at(engine, workload, utilisation)
    again_s = engine.iteration.seconds(found.sequences, found.kv_tokens, found.prefill_tokens)
    assert found.iteration_s == pytest.approx(again_s, rel=1e-9)


@given(low=share, high=share)
def test_tpot_grows_with_the_load(engine: Engine, workload: Workload, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert at(engine, workload, low).iteration_s <= at(engine, workload, high).iteration_s


def test_without_curvature_the_base_stretches_by_what_the_load_leaves(engine: Engine, workload: Workload) -> None:
    straight = replace(engine, iteration=replace(engine.iteration, per_root_sequence_s=0.0))
    assert at(straight, workload, 0.75).iteration_s == pytest.approx(engine.iteration.base_s / 0.25)


def test_cached_prompts_are_less_work(engine: Engine, workload: Workload) -> None:
    assert work_s(engine, replace(workload, cached_fraction=0.5)) < work_s(engine, workload)


@pytest.mark.parametrize(
    ("limited", "limit"),
    [
        ({"kv_capacity_tokens": 5_000}, Limit.KV),
        ({"max_num_seqs": 4}, Limit.SEQUENCES),
        ({"chunk_tokens": 64}, Limit.CHUNK),
    ],
)
def test_what_is_exceeded_is_named(engine: Engine, workload: Workload, limited: dict[str, Any], limit: Limit) -> None:
    assert steady(replace(engine, **limited), workload) == Saturated(limit=limit)


def test_more_work_than_time_has_no_steady_state(engine: Engine, workload: Workload) -> None:
    assert steady(engine, workload.at_rate(1000.0)) == Saturated(limit=Limit.WORK)

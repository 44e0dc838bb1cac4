from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.cotune import CHUNK_RANGE, CHUNK_STEP, Tuning, propose
from raytide.autoscaling.performance.capacity import Infeasible, Sustained, highest_rate
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective


def tuned(engine: Engine, workload: Workload, objective: Objective) -> Tuning:
    found = propose(engine, workload, objective)
    assert isinstance(found, Tuning)
    return found


@settings(max_examples=30)
@given(tpot_s=st.floats(min_value=0.02, max_value=2.0))
def test_the_chunk_stays_within_its_range_and_step(
    engine: Engine, workload: Workload, objective: Objective, tpot_s: float
) -> None:
    found = tuned(engine, workload, replace(objective, tpot_s=tpot_s))
    assert CHUNK_RANGE[0] <= found.chunk_tokens <= CHUNK_RANGE[1]
    assert found.chunk_tokens % CHUNK_STEP == 0
    assert 1 <= found.max_num_seqs <= found.chunk_tokens


def test_a_full_iteration_beside_the_crowd_keeps_tpot(
    engine: Engine, code_workload: Workload, objective: Objective
) -> None:
    found = tuned(engine, code_workload, objective)
    sequences = 5
    full_s = engine.iteration.seconds(sequences, sequences * 2100, found.chunk_tokens - sequences)
    assert 0.9 * objective.tpot_s < full_s <= objective.tpot_s


def test_prompts_in_smaller_pieces_let_a_bursty_service_carry_half_as_much_again(
    engine: Engine, code_workload: Workload, objective: Objective
) -> None:
    before = highest_rate(engine, code_workload, objective)
    after = highest_rate(tuned(engine, code_workload, objective).applied_to(engine), code_workload, objective)
    assert isinstance(before, Sustained)
    assert isinstance(after, Sustained)
    assert after.requests_per_s > 1.5 * before.requests_per_s


def test_little_memory_limits_the_sequences(engine: Engine, workload: Workload, objective: Objective) -> None:
    found = tuned(replace(engine, kv_capacity_tokens=20_000), workload, objective)
    assert found.max_num_seqs == 16
    assert "KV cache" in found.reasons[1]


def test_sequences_beyond_the_limit_would_break_tpot(engine: Engine, workload: Workload, objective: Objective) -> None:
    limit = tuned(engine, workload, objective).max_num_seqs

    def seconds(sequences: int) -> float:
        prefill = sequences * workload.prompt_tokens / workload.output_tokens
        return engine.iteration.seconds(sequences, sequences * workload.context_tokens, prefill)

    assert seconds(limit) <= objective.tpot_s < seconds(limit + 1)


@pytest.mark.parametrize("tpot_s", [0.001, 0.0135])
def test_an_impossible_objective_is_not_tuned_for(
    engine: Engine, workload: Workload, objective: Objective, tpot_s: float
) -> None:
    assert isinstance(propose(engine, workload, replace(objective, tpot_s=tpot_s)), Infeasible)

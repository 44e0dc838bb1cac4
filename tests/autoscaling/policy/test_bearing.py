from __future__ import annotations

from dataclasses import replace

import pytest

from raytide.autoscaling.forecast.work import nothing_yet, request_work_s
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.policy.bearing import bearable_work
from raytide.autoscaling.terms import Objective

OBJECTIVE = Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99)
WORK = replace(nothing_yet(), prompt_tokens=5.0, output_tokens=64.0, kv_token_steps=64 * 37.0)
SMALL = Engine(
    iteration=Iteration(base_s=0.02, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=0.35e-3),
    kv_capacity_tokens=100_000,
    max_num_seqs=4,
)
"""As a small model on a CPU measures itself: hardly anything is work, and four requests fill it."""


def _requests_per_s(engine: Engine, objective: Objective = OBJECTIVE) -> float:
    own_s = request_work_s(WORK, engine)
    return bearable_work(engine, WORK, own_s, objective) / own_s


def test_an_engine_bears_what_fills_its_batch_however_little_work_that_is() -> None:
    answer_s = 64 * 0.02
    assert _requests_per_s(SMALL) == pytest.approx(4 / answer_s, rel=0.01)


def test_an_engine_bears_what_fills_its_cache_however_little_work_that_is() -> None:
    answer_s, tokens = 64 * 0.02, 5 + 64 / 2
    tight = replace(SMALL, kv_capacity_tokens=60, max_num_seqs=256)
    assert _requests_per_s(tight) == pytest.approx(0.95 * 60 / tokens / answer_s, rel=0.01)


def test_a_tpot_that_cannot_be_met_leaves_a_little_and_never_nothing() -> None:
    wide = replace(SMALL, max_num_seqs=100_000, kv_capacity_tokens=10**9)
    assert bearable_work(wide, WORK, request_work_s(WORK, wide), replace(OBJECTIVE, tpot_s=0.001)) == pytest.approx(
        0.02
    )

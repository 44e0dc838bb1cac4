"""The points at 4096/1024 are those of Qwen3-32B on two H100 with vLLM 0.12 (aiconfigurator's silicon_sample.csv)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raytide.autoscaling.performance.closed_loop import closed_loop
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.steady import Limit


@pytest.fixture(scope="module")
def qwen() -> Engine:
    iteration = Iteration(
        base_s=0.01392,
        per_sequence_s=5.58e-5,
        per_root_sequence_s=1.7e-5,
        per_kv_token_s=54.2e-9,
        per_prefill_token_s=49e-6,
    )
    return Engine(iteration=iteration, kv_capacity_tokens=270_000)


def test_requests_beyond_the_kv_cache_wait_as_long_as_measured(qwen: Engine) -> None:
    found = closed_loop(qwen, 128, 4096, 1024)
    assert found.limit is Limit.KV
    assert found.ttft_s == pytest.approx(58.75, rel=0.15)


def test_tpot_stays_once_the_cache_is_full(qwen: Engine) -> None:
    assert closed_loop(qwen, 128, 4096, 1024).tpot_s == closed_loop(qwen, 1024, 4096, 1024).tpot_s


def test_a_batch_that_fits_decodes_as_fast_as_measured(qwen: Engine) -> None:
    found = closed_loop(qwen, 32, 4096, 1024)
    assert found.tpot_s == pytest.approx(0.0293, rel=0.1)
    assert found.waiting == 0
    assert found.limit is None


def test_prompts_that_fill_the_chunk_hold_decodes_back(qwen: Engine) -> None:
    found = closed_loop(qwen, 128, 4096, 128)
    assert found.limit is Limit.CHUNK
    assert found.ttft_s == pytest.approx(18.96, rel=0.15)


def test_the_sequence_limit_makes_the_rest_wait(qwen: Engine) -> None:
    found = closed_loop(replace(qwen, max_num_seqs=8), 10, 1024, 1024)
    assert (found.running, found.waiting, found.limit) == (8, 2, Limit.SEQUENCES)


def test_a_lone_request_sees_an_idle_engine(qwen: Engine) -> None:
    found = closed_loop(qwen, 1, 1000, 100)
    assert found.tpot_s == pytest.approx(qwen.iteration.seconds(1, 1050, 0))
    assert found.ttft_s == pytest.approx(qwen.iteration.seconds(0, 0, 1000))

"""An engine like a 32-billion-parameter model on two H100, and one hour's mean of a chat and of a code service."""

from __future__ import annotations

import pytest

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective


@pytest.fixture(scope="session")
def engine() -> Engine:
    iteration = Iteration(
        base_s=0.0135, per_sequence_s=3e-5, per_kv_token_s=8e-8, per_prefill_token_s=5e-5, per_root_sequence_s=2e-4
    )
    return Engine(iteration=iteration, kv_capacity_tokens=270_000)


@pytest.fixture(scope="session")
def workload() -> Workload:
    return Workload(
        requests_per_s=4.0,
        prompt_tokens=1155.0,
        output_tokens=211.0,
        kv_token_steps=259_000.0,
        prompt_tokens_squared=2.56e6,
        output_tokens_squared=7.11e4,
    )


@pytest.fixture(scope="session")
def code_workload() -> Workload:
    return Workload(
        requests_per_s=1.0,
        prompt_tokens=2048.0,
        output_tokens=28.0,
        kv_token_steps=59_400.0,
        prompt_tokens_squared=8.09e6,
        output_tokens_squared=4.36e3,
    )


@pytest.fixture(scope="session")
def objective() -> Objective:
    return Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99)

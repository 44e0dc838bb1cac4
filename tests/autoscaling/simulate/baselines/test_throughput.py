from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.baselines.throughput import requests_per_s

ROUND = Engine(
    iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=1e-7, per_prefill_token_s=5e-5),
    kv_capacity_tokens=1_000_000,
    chunk_tokens=100_000,
    max_num_seqs=10_000,
)


def test_the_rate_is_where_the_load_reaches_what_the_bound_allows() -> None:
    # A request of 1000 and 200 tokens takes β·I + O·γ·(I + O/2) = 0.05 + 0.022 = 0.072 s; ρ ≤ 1 − 0.01/0.1 = 0.9.
    assert requests_per_s(ROUND, 1000.0, 200.0, 0.1) == pytest.approx(0.9 / 0.072)


def test_a_full_batch_caps_the_rate() -> None:
    small = replace(ROUND, max_num_seqs=10)
    # 10 sequences: T = 0.01 + 10·(1e-7·1100 + 5e-5·1000/200) = 0.0136 s
    assert requests_per_s(small, 1000.0, 200.0, 0.1) == pytest.approx(10 / (200 * 0.0136))


def test_the_kv_cache_caps_the_rate() -> None:
    # 11 000 tokens hold ten sequences of 1000 + 200/2.
    assert requests_per_s(replace(ROUND, kv_capacity_tokens=11_000), 1000.0, 200.0, 0.1) == pytest.approx(
        requests_per_s(replace(ROUND, max_num_seqs=10), 1000.0, 200.0, 0.1)
    )


def test_an_engine_slower_than_the_bound_sustains_nothing() -> None:
    assert requests_per_s(ROUND, 1000.0, 200.0, 0.01) == 0.0


@given(
    st.floats(1.0, 20_000.0), st.floats(1.0, 4_000.0), st.floats(0.02, 0.5), st.floats(0.0, 1e-3), st.floats(0.0, 5e-5)
)
def test_at_the_sustained_rate_the_iteration_keeps_the_bound(
    prompt: float, output: float, tpot_s: float, per_root_s: float, per_sequence_s: float
) -> None:
    iteration = replace(ROUND.iteration, per_root_sequence_s=per_root_s, per_sequence_s=per_sequence_s)
    rate_rps = requests_per_s(replace(ROUND, iteration=iteration), prompt, output, tpot_s)
    num = rate_rps * output * tpot_s  # Little's law at the bound; fewer where something else caps the batch
    taken_s = iteration.seconds(num, num * (prompt + output / 2), num * prompt / output)
    assert taken_s <= tpot_s * (1 + 1e-9) or num > ROUND.max_num_seqs
    assert rate_rps > 0.0

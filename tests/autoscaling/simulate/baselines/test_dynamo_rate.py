from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.baselines.dynamo_rate import max_batch, sustained
from raytide.autoscaling.simulate.baselines.measured import Lengths

ROUND = Engine(
    iteration=Iteration(base_s=10e-3, per_sequence_s=0.0, per_kv_token_s=100e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)


def test_the_batch_ends_at_the_cache_the_maximum_or_the_balance_of_prompts() -> None:
    # 270 000/1100 = 245.5; 256; 2048 − 1000/200 = 2043
    assert max_batch(ROUND, CHAT) == 245
    assert max_batch(replace(ROUND, max_num_seqs=64), CHAT) == 64
    # 2048 − 8190/4 = 0.5: at least one
    assert max_batch(ROUND, Lengths(prompt_tokens=8190.0, output_tokens=4.0)) == 1


def test_the_largest_batch_within_the_itl_bound() -> None:
    # ITL(n) = 10 ms + n·1100·100 ns + n·1000/200·50 µs = 10 + n·(0.11 + 0.25) ms ≤ 50 ms: n = 111
    # rate = 111/(200·49.96 ms) = 11.109 requests/s
    best = sustained(ROUND, CHAT, math.inf, 0.05)
    assert best.batch == 111
    assert best.itl_s == pytest.approx(49.96e-3)
    assert best.rate_rps == pytest.approx(11.109, abs=1e-3)


def test_the_largest_batch_within_the_ttft_bound() -> None:
    # TTFT(n) = 10 ms + n·0.11 ms + (⌊5·n⌋ + 1000)·50 µs = 60 + n·0.36 ms ≤ 80 ms: n = 55
    assert sustained(ROUND, CHAT, 0.08, 1.0).batch == 55


def test_a_prompt_beyond_the_chunk_takes_several_iterations() -> None:
    # At n = 1: 4096 + ⌊4096/200⌋ = 4116 tokens in 2048 + 2048 + 20: 3·(10 ms + 0.4196 ms) + 4116·50 µs = 237.06 ms
    best = sustained(ROUND, Lengths(prompt_tokens=4096.0, output_tokens=200.0), 0.0, 1.0)
    assert best.batch == 1
    assert best.ttft_s == pytest.approx(0.23706, abs=1e-5)


def test_the_prefix_cache_spares_prefill_but_no_room() -> None:
    # ITL(n) = 10 ms + n·(0.11 + 0.5·0.25) ms ≤ 50 ms: n = 170
    half = replace(CHAT, cached=0.5)
    assert sustained(ROUND, half, math.inf, 0.05).batch == 170
    assert max_batch(ROUND, half) == max_batch(ROUND, CHAT)


def test_a_batch_of_one_where_no_batch_keeps_the_bounds() -> None:
    # 1/(200·10.36 ms)
    assert sustained(ROUND, CHAT, math.inf, 0.001).rate_rps == pytest.approx(0.48263, abs=1e-5)


@given(st.floats(1.0, 20_000.0), st.floats(1.0, 4000.0), st.floats(0.01, 1.0), st.floats(0.01, 5.0))
def test_what_is_sustained_keeps_both_bounds_or_is_a_batch_of_one(
    prompt_tokens: float, output_tokens: float, itl_s: float, ttft_s: float
) -> None:
    best = sustained(ROUND, Lengths(prompt_tokens=prompt_tokens, output_tokens=output_tokens), ttft_s, itl_s)
    assert best.rate_rps > 0.0
    assert best.batch == 1 or (best.itl_s <= itl_s and best.ttft_s <= ttft_s)

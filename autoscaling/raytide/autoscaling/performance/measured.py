"""An engine from what a replica measured on itself while it warmed up."""

from __future__ import annotations

from typing import Final

import numpy as np

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.performance.coefficients import nonnegative
from raytide.autoscaling.performance.engine import Engine, Iteration

_LEAST_PREFILL: Final = 0.1
"""Share of the measured prefill time per token that is taken to be the token's own, whatever the base explains."""


def engine_from_capacity(
    capacity: Capacity, kv_capacity_tokens: int, *, chunk_tokens: int = 2048, max_num_seqs: int = 256
) -> Engine:
    """The engine whose base and per-sequence time explain the decode points best, in relative error.

    The time per KV token stays in these two: all points have one context length. A prefill of long prompts fills its
    chunks, and each of these pays the base once.
    """
    base_s, per_sequence_s = _decode_s(capacity)
    measured_s = 1.0 / capacity.prefill_tokens_per_s
    return Engine(
        iteration=Iteration(
            base_s=base_s,
            per_sequence_s=per_sequence_s,
            per_kv_token_s=0.0,
            per_prefill_token_s=max(measured_s - base_s / chunk_tokens, _LEAST_PREFILL * measured_s),
        ),
        kv_capacity_tokens=kv_capacity_tokens,
        chunk_tokens=chunk_tokens,
        max_num_seqs=max_num_seqs,
    )


def _decode_s(capacity: Capacity) -> tuple[float, float]:
    """Base and time per sequence; a single point says nothing of the latter, so it all becomes base."""
    tpots_s = np.array([point.tpot_s for point in capacity.points])
    concurrencies = np.array([float(point.concurrency) for point in capacity.points])
    if len(set(concurrencies)) == 1:
        return float(tpots_s.mean()), 0.0
    rows = np.column_stack([1.0 / tpots_s, concurrencies / tpots_s])
    base_s, per_sequence_s = nonnegative(rows, np.ones(len(rows)))
    return float(base_s), float(per_sequence_s)

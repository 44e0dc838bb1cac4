"""Dynamo's performance model: iteration time regressed on prefill tokens and KV tokens of what the engines just did.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/perf_model/{base,agg}.py.

    T(p, k) = a + b·p + c·k    by least squares over at most 64 samples; none below 5 of them, or where b < 0 or c < 0

Of more samples the oldest one in the fullest cell of a 4×4 grid over (p, k) goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine

KEPT: Final = 64
LEAST: Final = 5
CELLS: Final = 4
PROFILED_CONTEXT_TOKENS: Final = 1000.0
"""KV tokens of each sequence in the benchmark."""
LEAST_S: Final = 1e-6
Tokens = NDArray[np.floating[Any]]
Sample = tuple[float, float, float]
"""Prefill tokens, KV tokens and seconds of an iteration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Seconds of an iteration."""

    base_s: float
    per_prefill_token_s: float
    per_kv_token_s: float

    def seconds(self, prefill_tokens: Tokens, kv_tokens: Tokens) -> Tokens:
        """Of iterations with these tokens; never below a microsecond."""
        linear = self.per_prefill_token_s * prefill_tokens + self.per_kv_token_s * kv_tokens
        seconds: Tokens = np.maximum(LEAST_S, self.base_s + linear)
        return seconds

    def chunked_s(self, tokens: Tokens, chunk_tokens: int, kv_tokens: Tokens) -> Tokens:
        """Of the iterations that prefill these tokens chunk by chunk, beside this KV cache."""
        full = np.floor(tokens / chunk_tokens)
        rest = tokens - full * chunk_tokens
        last = np.where(rest > 0.0, self.seconds(rest, kv_tokens), 0.0)
        seconds: Tokens = full * self.seconds(np.full_like(full, chunk_tokens), kv_tokens) + last
        return seconds


def kept(samples: Sequence[Sample], sample: Sample) -> tuple[Sample, ...]:
    """The samples with one more, and without the oldest of the fullest cell where these are too many."""
    grown = (*samples, sample)
    if len(grown) <= KEPT:
        return grown
    oldest = _oldest_of_the_fullest_cell(grown)
    return grown[:oldest] + grown[oldest + 1 :]


def fit(samples: Sequence[Sample]) -> Fitted | Missing:
    """The regression over the samples."""
    if len(samples) < LEAST:
        return Missing(reason=f"{len(samples)} iterations were sampled, {LEAST} are needed")
    table = np.array(samples)
    centre = table.mean(axis=0)
    products = (table - centre).T @ (table - centre)
    per_prefill, per_kv = _slopes(products.tolist())
    if per_prefill < 0.0 or per_kv < 0.0:
        return Missing(reason="the regression says that more tokens take less time")
    base = centre[2] - per_prefill * centre[0] - per_kv * centre[1]
    return Fitted(base_s=float(base), per_prefill_token_s=per_prefill, per_kv_token_s=per_kv)


def profiled(engine: Engine) -> tuple[Sample, ...]:
    """Samples of a benchmark before deployment: a grid of batches and prefills of a known engine."""
    return tuple(
        (prefill, kv, engine.iteration.seconds(kv / PROFILED_CONTEXT_TOKENS, kv, prefill))
        for prefill in (0.0, engine.chunk_tokens / 4.0, float(engine.chunk_tokens))
        for kv in (0.1 * engine.kv_capacity_tokens, 0.5 * engine.kv_capacity_tokens, 0.9 * engine.kv_capacity_tokens)
    )


def _slopes(products: list[list[float]]) -> tuple[float, float]:
    """Both slopes from the centred sums of products; a token that never varied has none."""
    (pp, pk, pt), (_, kk, kt), _ = products
    determinant = pp * kk - pk * pk
    if determinant <= 1e-9 * pp * kk:
        return (pt / pp, 0.0) if pp > 0.0 else (0.0, kt / kk if kk > 0.0 else 0.0)
    return (pt * kk - kt * pk) / determinant, (kt * pp - pt * pk) / determinant


def _oldest_of_the_fullest_cell(samples: Sequence[Sample]) -> int:
    table = np.array(samples)[:, :2]
    low = table.min(axis=0)
    width = np.maximum(table.max(axis=0) - low, 1e-12)
    cells = np.minimum((table - low) / width * CELLS, CELLS - 1).astype(int) @ (CELLS, 1)
    return int((cells == np.bincount(cells).argmax()).argmax())

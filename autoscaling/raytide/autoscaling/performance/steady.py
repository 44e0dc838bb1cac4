"""The steady state of one replica: how full its batch is and how fast it decodes, at a load or at a concurrency.

Each request brings work that its iterations cannot share: its prompt's prefill, and its part of every decode step. Per
second that work fills a fraction of the time, the utilisation

    ρ = λ · E[ β·(1 − h)·I + O·(δ + γ·(I + O/2)) ]

and the iteration stretches until base and curvature fit into what is left. With Little's law for the number of decoding
sequences, n = λ·O·T, the iteration time solves T·(1 − ρ) = α + s·√(λ·O·T): a quadratic in √T, and α/(1 − ρ) where
s = 0. It grows without bound as ρ approaches one; the KV cache, the sequence limit or the chunk may end before that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.workload import Workload


class Limit(StrEnum):
    """What keeps a replica from serving more."""

    TPOT = "tpot"
    TTFT = "ttft"
    KV = "kv"
    """KV cache for all sequences in the batch."""
    SEQUENCES = "sequences"
    """`max_num_seqs`."""
    CHUNK = "chunk"
    """Prompt tokens that one iteration may take."""
    WORK = "work"
    """Iterations grow without bound: more work arrives per second than fits into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """A stationary batch; every number is a mean over time."""

    utilisation: float
    """ρ: the share of time that scales with the load, in [0, 1)."""
    iteration_s: float
    """Equal to the mean TPOT."""
    sequences: float
    """Decoding, n."""
    kv_tokens: float
    """Held by them, K."""
    prefill_tokens: float
    """Computed per iteration, p."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """More arrives than the replica can finish: no stationary batch exists."""

    limit: Limit


def steady(engine: Engine, workload: Workload) -> Steady | Saturated:
    """The stationary batch of one replica that receives all of the workload."""
    utilisation = workload.requests_per_s * work_s(engine, workload)
    if utilisation >= 1.0:
        return Saturated(limit=Limit.WORK)
    batch = _batch(engine, workload, utilisation)
    limit = _exceeded(engine, batch)
    return batch if limit is None else Saturated(limit=limit)


def work_s(engine: Engine, workload: Workload) -> float:
    """Seconds of iterations that one request adds: its prefill and its part of each of its decode steps."""
    return prefill_work_s(engine, workload) + decode_work_s(engine, workload)


def prefill_work_s(engine: Engine, workload: Workload) -> float:
    """Seconds that one request's prompt adds to iterations."""
    return engine.iteration.per_prefill_token_s * workload.computed_prompt_tokens


def decode_work_s(engine: Engine, workload: Workload) -> float:
    """Seconds that one request adds to its decode steps, the √n term apart."""
    reads_s = engine.iteration.per_kv_token_s * workload.kv_token_steps
    return engine.iteration.per_sequence_s * workload.output_tokens + reads_s


def _batch(engine: Engine, workload: Workload, utilisation: float) -> Steady:
    tokens_per_s = workload.requests_per_s * workload.output_tokens
    iteration_s = _stretched_s(engine, tokens_per_s, utilisation)
    sequences = tokens_per_s * iteration_s
    return Steady(
        utilisation=utilisation,
        iteration_s=iteration_s,
        sequences=sequences,
        kv_tokens=sequences * workload.context_tokens,
        prefill_tokens=workload.requests_per_s * workload.computed_prompt_tokens * iteration_s,
    )


def _stretched_s(engine: Engine, tokens_per_s: float, utilisation: float) -> float:
    """The root of T·(1 − ρ) − s·√(λO)·√T − α = 0."""
    idle = 1.0 - utilisation
    curvature = engine.iteration.per_root_sequence_s * math.sqrt(tokens_per_s)
    root = (curvature + math.sqrt(curvature**2 + 4.0 * idle * engine.iteration.base_s)) / (2.0 * idle)
    return root**2


def _exceeded(engine: Engine, batch: Steady) -> Limit | None:
    if batch.kv_tokens > engine.kv_capacity_tokens:
        return Limit.KV
    if batch.sequences > engine.max_num_seqs:
        return Limit.SEQUENCES
    if batch.sequences + batch.prefill_tokens > engine.chunk_tokens:
        return Limit.CHUNK
    return None

"""Engine arguments that follow from the objective: the chunk of an iteration, and the sequences in a batch.

A chunk that is too large breaks TPOT whenever prompts come; one that is too small starves TTFT. The largest one with
which a full iteration still keeps the TPOT bound serves the most requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from raytide.autoscaling.performance.capacity import Infeasible, highest_rate
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.steady import Steady, steady
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective

CHUNK_RANGE: Final = (256, 8192)
"""Tokens: below, kernels run at a fraction of their speed; above, a chunk no longer raises the prefill rate."""

CHUNK_STEP: Final = 64
"""Tokens: a multiple keeps the tiles of matrix products full."""

_CROWD: Final = 2.33
"""The 99 % quantile of a normal variable: how many sequences share an iteration with a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Values for `max_num_batched_tokens` and `max_num_seqs`, and why."""

    chunk_tokens: int
    max_num_seqs: int
    reasons: tuple[str, ...]

    def applied_to(self, engine: Engine) -> Engine:
        """The engine with these arguments."""
        return replace(engine, chunk_tokens=self.chunk_tokens, max_num_seqs=self.max_num_seqs)


def propose(engine: Engine, workload: Workload, objective: Objective) -> Tuning | Infeasible:
    """The arguments for a replica that takes as many requests like the workload's as it sustains.

    Infeasible where not even one request at a time keeps the objective.
    """
    untuned = replace(engine, chunk_tokens=CHUNK_RANGE[1])
    sustained = highest_rate(untuned, workload, objective)
    if isinstance(sustained, Infeasible):
        return sustained
    chunk_tokens, why_chunk = _chunk(engine, workload.at_rate(sustained.requests_per_s), objective)
    max_num_seqs, why_sequences = _sequences(engine, workload, objective, chunk_tokens)
    return Tuning(chunk_tokens=chunk_tokens, max_num_seqs=max_num_seqs, reasons=(why_chunk, why_sequences))


def _chunk(engine: Engine, workload: Workload, objective: Objective) -> tuple[int, str]:
    """The largest chunk of an iteration that keeps TPOT beside a crowded batch; decodes count into the chunk too."""
    sequences = _crowd(engine, workload)
    beside_s = engine.iteration.seconds(sequences, sequences * workload.context_tokens, 0.0)
    per_token_s = max(engine.iteration.per_prefill_token_s, 1e-12)
    prefill_tokens = (objective.tpot_s - beside_s) / per_token_s
    low, high = CHUNK_RANGE
    chunk_tokens = int(min(max(prefill_tokens + sequences, low), high)) // CHUNK_STEP * CHUNK_STEP
    return chunk_tokens, (
        f"{chunk_tokens} tokens per iteration: decoding {sequences:.0f} sequences takes {1000 * beside_s:.3g} ms of "
        f"the {1000 * objective.tpot_s:.3g} ms of TPOT, and the rest prefills {max(prefill_tokens, 0.0):,.0f} tokens"
    )


def _crowd(engine: Engine, workload: Workload) -> float:
    """Sequences in the batch that 1 % of the time has more."""
    endless = replace(engine, chunk_tokens=CHUNK_RANGE[1], max_num_seqs=CHUNK_RANGE[1])
    batch = steady(endless, workload)
    assert isinstance(batch, Steady), "a sustained rate has a steady state"
    return batch.sequences + _CROWD * math.sqrt(batch.sequences)


def _sequences(engine: Engine, workload: Workload, objective: Objective, chunk_tokens: int) -> tuple[int, str]:
    places = {
        "the KV cache holds": engine.kv_capacity_tokens / workload.context_tokens,
        "TPOT allows": _decodable(engine, workload, objective),
        "the chunk has tokens for": float(chunk_tokens),
    }
    limit = min(places, key=places.__getitem__)
    max_num_seqs = max(1, int(places[limit]))
    return max_num_seqs, f"{max_num_seqs} sequences: what {limit} at {workload.context_tokens:,.0f} tokens of context"


def _decodable(engine: Engine, workload: Workload, objective: Objective) -> float:
    """Sequences with which a mean iteration takes the whole TPOT bound: a quadratic in their root."""
    iteration = engine.iteration
    prefill_s = iteration.per_prefill_token_s * workload.computed_prompt_tokens / workload.output_tokens
    each_s = iteration.per_sequence_s + iteration.per_kv_token_s * workload.context_tokens + prefill_s
    spare_s = max(0.0, objective.tpot_s - iteration.base_s)
    curvature = iteration.per_root_sequence_s
    if each_s <= 0:
        return (spare_s / curvature) ** 2 if curvature > 0 else math.inf
    return ((math.sqrt(curvature**2 + 4 * each_s * spare_s) - curvature) / (2 * each_s)) ** 2

"""What WVA's second analyser knows of a variant: tokens that its replicas hold, and tokens that one of them carries.

Source and formulas: see `wva_v2`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths

LEARNT: Final = 10
"""Saturated replicas that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """At which load a replica counts as full."""

    kv: float = 0.80
    """Of its KV cache."""
    queue: int = 5
    """Requests that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One variant's tokens."""

    view: VariantView
    demand: float
    capacity: float
    """Of one replica."""
    cost: float
    observed: tuple[float, ...]
    """Tokens in use that were seen on saturated replicas, newest last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the load of a variant is computed from, beside its gauges."""

    engine: Engine
    lengths: Lengths | Missing
    observed: tuple[float, ...]
    cost: float


def load_of(view: VariantView, kind: Kind, thresholds: Thresholds) -> Load | Missing:
    """The load of one variant; Missing where its replicas do not report."""
    if not view.num_ready:
        capacity = carried_tokens(kind.engine, kind.lengths, kind.observed, thresholds)
        return Load(view=view, demand=0.0, capacity=capacity, cost=kind.cost, observed=kind.observed)
    return view.gauges if isinstance(view.gauges, Missing) else _reported(view, view.gauges, kind, thresholds)


def _reported(view: VariantView, gauges: Gauges, kind: Kind, thresholds: Thresholds) -> Load:
    used, waiting = gauges.kv_tokens, gauges.waiting
    saturated = (waiting >= thresholds.queue) & (used > 0)
    observed = (*kind.observed, *used[saturated].tolist())[-LEARNT:]
    others = carried_tokens(kind.engine, kind.lengths, observed, thresholds)
    capacity = np.where(saturated, np.minimum(used, thresholds.kv * kind.engine.kv_capacity_tokens), others)
    prompt = 0.0 if isinstance(kind.lengths, Missing) else kind.lengths.prompt_tokens
    demand = float(used.sum() + waiting.sum() * prompt)
    return Load(view=view, demand=demand, capacity=float(np.median(capacity)), cost=kind.cost, observed=observed)


def carried_tokens(
    engine: Engine, lengths: Lengths | Missing, observed: tuple[float, ...], thresholds: Thresholds
) -> float:
    """Tokens that a replica carries which is not saturated: min(k1, k2)."""
    k2 = sum(observed) / len(observed) if observed else derived_tokens(engine, lengths)
    return min(thresholds.kv * engine.kv_capacity_tokens, k2)


def derived_tokens(engine: Engine, lengths: Lengths | Missing) -> float:
    """KV tokens of the batch at which the engine prefills as fast as it finishes; unbounded without lengths."""
    if isinstance(lengths, Missing):
        return math.inf
    prompt, output = lengths.prompt_tokens, lengths.output_tokens
    batch = min(engine.chunk_tokens * output / (prompt + output), engine.max_num_seqs)
    return batch * (prompt + output / 2)


def queued_tokens(num_queued: int, lengths: Lengths | Missing) -> float:
    """Tokens of the requests that wait at the gateway."""
    if isinstance(lengths, Missing):
        return 0.0
    return num_queued * (lengths.prompt_tokens * (1.0 - lengths.cached) + lengths.output_tokens)


def output_class(lengths: Lengths | Missing) -> str:
    """Short below 100 tokens, medium below 500, else long: what saturates a replica differs between them."""
    if isinstance(lengths, Missing) or lengths.output_tokens < 100.0:
        return "short"
    return "medium" if lengths.output_tokens < 500.0 else "long"

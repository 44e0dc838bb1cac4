"""What a service costs by the closed-form model alone: in each window the fewest replicas that keep the objective.

Faster than a simulation by orders of magnitude, and kinder: replicas come and go at once between windows, and no queue
outlives its window. Sizes the first variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.latency import attainment
from raytide.autoscaling.performance.workload import Workload, from_lengths
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

_MOST_WINDOWS: Final = 288
_WINDOW_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """One lap, sized window by window."""

    mean_replicas: float
    max_replicas: int
    attainment: float
    """Request-weighted, as predicted."""
    cost_usd: float


def sized(trace: Trace, terms: Terms) -> Sized | Missing:
    """The fewest replicas for each minute, or for each of 288 windows of a longer trace."""
    first = terms.variants[0]
    if isinstance(first.engine, Missing) or isinstance(first.usd_per_hour, Missing):
        return Missing(reason=f"{first.name} has no engine or no price")
    width_s = max(_WINDOW_S, trace.span_s / _MOST_WINDOWS)
    edges_s = np.arange(0.0, trace.span_s, width_s)
    bounds = np.searchsorted(trace.arrival_s, [*edges_s, np.inf])
    widths_s = np.diff([*edges_s, trace.span_s])
    counts, kept = np.zeros(len(edges_s)), np.ones(len(edges_s))
    for window, (start, end) in enumerate(pairwise(bounds)):
        workload = _workload(trace, slice(start, end), float(widths_s[window]))
        if workload is None:
            counts[window] = terms.min_replicas
            continue
        burstiness = _dispersion(trace.arrival_s[start:end], terms.objective.ttft_s)
        counts[window], kept[window] = _fewest(workload, burstiness, first.engine, terms)
    weights = np.diff(bounds)
    return Sized(
        mean_replicas=float((counts * widths_s).sum() / trace.span_s),
        max_replicas=int(counts.max()),
        attainment=float((kept * weights).sum() / weights.sum()),
        cost_usd=float((counts * widths_s).sum() * first.usd_per_hour / 3600),
    )


def _workload(trace: Trace, own: slice, width_s: float) -> Workload | None:
    num = own.stop - own.start
    if not num:
        return None
    cached: NDArray[np.int32] | None = None if trace.cached_tokens is None else trace.cached_tokens[own]
    return from_lengths(trace.prompt_tokens[own], trace.output_tokens[own], cached, requests_per_s=num / width_s)


def _dispersion(arrival_s: NDArray[np.float64], bin_s: float) -> float:
    """Variance to mean of the arrivals within the time that a request may wait; at least that of Poisson arrivals."""
    counts = np.bincount(((arrival_s - arrival_s[0]) / bin_s).astype(np.int64))
    return max(1.0, float(counts.var() / counts.mean()))


def _fewest(workload: Workload, dispersion: float, engine: Engine, terms: Terms) -> tuple[int, float]:
    """The fewest replicas within the bounds, and their attainment; the most allowed where none keep the objective."""

    def kept(replicas: int) -> float:
        return attainment(engine, workload, replicas, terms.objective, dispersion)

    low, high = max(1, terms.min_replicas), terms.max_replicas
    while low < high:
        middle = (low + high) // 2
        if kept(middle) >= terms.objective.attainment:
            high = middle
        else:
            low = middle + 1
    return low, kept(low)

"""What a run was worth: attainment, latencies, cost, and how calmly the fleet was steered, for one lap of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.run import Played
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

REVERSAL_S: Final = 600.0
"""A change that takes back the one before within ten minutes is a flap."""
_RECOVERY_BIN_S: Final = 10.0
_RECOVERED: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One lap, as a row of the league table."""

    requests: int
    attainment: float
    """Share of the requests that kept both bounds; one that never finished did not."""
    ttft_p50_s: float
    ttft_p99_s: float
    tpot_p50_s: float
    tpot_p99_s: float
    gpu_hours: float
    """Of replicas that started, served or drained in the lap."""
    cost_usd: float
    mean_replicas: float
    max_replicas: int
    changes: int
    flaps: int
    recovery_s: float
    """The longest time in which every 10-second bin has arrivals of which less than 95 % attain."""
    aborted: int
    """In all laps."""
    shed: int
    """Turned away at the gateway; none of them attains."""
    attainment_by_class: Mapping[str, float]
    """Of every declared class, where the trace names them and some arrived."""

    def to_json(self) -> dict[str, Any]:
        """Plain data; infinite or unknown latencies as null."""
        return {key: None if isinstance(v, float) and not np.isfinite(v) else v for key, v in asdict(self).items()}


def score(played: Played, terms: Terms, lap: int = -1) -> Score:
    """The score of one lap; the last one by default."""
    lap = lap % played.num_laps
    start_s, end_s = lap * played.trace.span_s, (lap + 1) * played.trace.span_s
    own = slice(lap * len(played.trace), (lap + 1) * len(played.trace))
    ttft_s, tpot_s = played.ttft_s[own], played.tpot_s[own]
    attained = attains(ttft_s, tpot_s, terms)
    held_s = _held_s(played, terms, start_s, end_s)
    prices = [_price(variant.usd_per_hour) for variant in terms.variants]
    targets = played.timeline.target.sum(axis=1)
    changes = _changes(played.timeline.at_s, targets, start_s, end_s)
    holding = played.timeline.holding.sum(axis=1)[(played.timeline.at_s >= start_s) & (played.timeline.at_s < end_s)]
    return Score(
        requests=len(ttft_s),
        attainment=float(attained.mean()),
        ttft_p50_s=_quantile(ttft_s, 0.5),
        ttft_p99_s=_quantile(ttft_s, 0.99),
        tpot_p50_s=_quantile(tpot_s, 0.5),
        tpot_p99_s=_quantile(tpot_s, 0.99),
        gpu_hours=float(sum(held_s[v] * variant.num_gpus for v, variant in enumerate(terms.variants))) / 3600,
        cost_usd=float(held_s @ prices) / 3600,
        mean_replicas=float(held_s.sum()) / played.trace.span_s,
        max_replicas=int(holding.max(initial=0)),
        changes=len(changes),
        flaps=flaps(changes),
        recovery_s=_recovery_s(played.arrival_s[own] - start_s, attained),
        aborted=played.num_aborted,
        shed=int(np.count_nonzero(played.shed[own])),
        attainment_by_class=_by_class(played.trace, attained, terms),
    )


def attains(ttft_s: NDArray[np.float64], tpot_s: NDArray[np.float64], terms: Terms) -> NDArray[np.bool_]:
    """Which requests kept both bounds."""
    kept: NDArray[np.bool_] = (ttft_s <= terms.objective.ttft_s) & (tpot_s <= terms.objective.tpot_s)
    return kept


def _by_class(trace: Trace, attained: NDArray[np.bool_], terms: Terms) -> Mapping[str, float]:
    if trace.class_of is None:
        return {}
    own = {one.name: attained[trace.class_of == place] for place, one in enumerate(terms.classes)}
    return {name: float(kept.mean()) for name, kept in own.items() if len(kept)}


def flaps(changes: list[tuple[float, int]]) -> int:
    """Changes `(at_s, difference)` that reverse the direction of the one before within ten minutes."""
    both = pairwise(changes)
    return sum(1 for (at_s, by), (next_s, next_by) in both if by * next_by < 0 and next_s - at_s <= REVERSAL_S)


def _price(usd_per_hour: float | Missing) -> float:
    return float("nan") if isinstance(usd_per_hour, Missing) else usd_per_hour


def _held_s(played: Played, terms: Terms, start_s: float, end_s: float) -> NDArray[np.float64]:
    """Seconds that replicas of each variant were paid for between the two moments."""
    held = np.zeros(len(terms.variants))
    for life in played.lives:
        paid_until_s = max(life.gone_s, life.ordered_s + terms.variants[life.variant].min_billing_s)
        held[life.variant] += max(0.0, min(paid_until_s, end_s) - max(life.ordered_s, start_s))
    return held


def _changes(
    at_s: NDArray[np.float64], targets: NDArray[np.int64], start_s: float, end_s: float
) -> list[tuple[float, int]]:
    steps = np.diff(targets, prepend=targets[:1])
    at = np.flatnonzero((steps != 0) & (at_s >= start_s) & (at_s < end_s))
    return [(float(at_s[i]), int(steps[i])) for i in at]


def _quantile(values: NDArray[np.float64], q: float) -> float:
    """Of all requests; infinite where more than 1 - q of them never got there."""
    return float(np.quantile(np.where(np.isnan(values), np.inf, values), q, method="inverted_cdf"))


def _recovery_s(arrival_s: NDArray[np.float64], attained: NDArray[np.bool_]) -> float:
    bins = (arrival_s / _RECOVERY_BIN_S).astype(np.int64)
    arrived = np.bincount(bins)
    kept = np.bincount(bins, weights=attained)
    longest = current = 0
    for num, good in zip(arrived, kept, strict=True):
        current = current + 1 if num and good / num < _RECOVERED else 0
        longest = max(longest, current)
    return longest * _RECOVERY_BIN_S

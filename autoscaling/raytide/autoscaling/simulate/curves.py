"""A run over time, in bins: what a plot shows of it, small enough to send between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.run import Played
from raytide.autoscaling.terms import Terms

_MOST_BINS: Final = 720
"""More points than a plot has pixels for."""
_BIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """The last lap of a run; all arrays of shape (bins,), from the lap's start."""

    at_s: NDArray[np.float64]
    """Where each bin begins."""
    requests_per_s: NDArray[np.float64]
    target: NDArray[np.float64]
    """Replicas wanted, all variants together; at the start of the bin."""
    ready: NDArray[np.float64]
    ttft_p99_s: NDArray[np.float64]
    """Of the arrivals of the bin; NaN where none came or 1 % never got a token."""
    cost_usd: NDArray[np.float64]
    """Spent since the lap began, at the end of the bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One target that a decision changed, and why."""

    at_s: float
    """From the start of the run."""
    variant: str
    previous: int
    target: int
    rule: str
    says: str


def curves_of(played: Played, terms: Terms) -> Curves:
    """The last lap, in minutes, or in wider bins where the lap is longer than 12 h."""
    span_s = played.trace.span_s
    width_s = _BIN_S * np.ceil(span_s / _BIN_S / _MOST_BINS)
    num = int(np.ceil(span_s / width_s))
    start_s = (played.num_laps - 1) * span_s
    edges_s = start_s + width_s * np.arange(num + 1)
    own = slice(len(played.arrival_s) - len(played.trace), None)
    arrived = ((played.arrival_s[own] - start_s) / width_s).astype(np.int64).clip(0, num - 1)
    at_s, timeline = played.timeline.at_s, played.timeline
    return Curves(
        at_s=edges_s[:-1] - start_s,
        requests_per_s=np.bincount(arrived, minlength=num) / width_s,
        target=_sampled(at_s, timeline.target.sum(axis=1), edges_s[:-1]),
        ready=_sampled(at_s, timeline.ready.sum(axis=1), edges_s[:-1]),
        ttft_p99_s=_p99(arrived, played.ttft_s[own], num),
        cost_usd=_spent(played, terms, start_s, edges_s[1:]),
    )


def changes_of(decisions: tuple[Decision, ...]) -> tuple[Change, ...]:
    """Every changed target of the decisions, in order of time."""
    return tuple(
        Change(
            at_s=decision.at_s,
            variant=wanted.variant,
            previous=wanted.previous,
            target=wanted.target,
            rule=str(wanted.binding.rule),
            says="; ".join(reason.says for reason in wanted.reasons),
        )
        for decision in decisions
        for wanted in decision.changes
    )


def _sampled(
    at_s: NDArray[np.float64], values: NDArray[np.int64], wanted_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The value of the last tick before each moment, the first one's before all ticks."""
    places = np.searchsorted(at_s, wanted_s, side="right") - 1
    sampled: NDArray[np.float64] = values[np.maximum(places, 0)].astype(np.float64)
    return sampled


def _p99(arrived: NDArray[np.int64], ttft_s: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    quantiles = np.full(num, np.nan)
    starts = np.searchsorted(arrived, np.arange(num + 1))
    for place in np.flatnonzero(np.diff(starts)):
        own = np.nan_to_num(ttft_s[starts[place] : starts[place + 1]], nan=np.inf)
        found = float(np.quantile(own, 0.99, method="inverted_cdf"))
        quantiles[place] = found if np.isfinite(found) else np.nan
    return quantiles


def _spent(played: Played, terms: Terms, start_s: float, until_s: NDArray[np.float64]) -> NDArray[np.float64]:
    prices = [0.0 if isinstance(v.usd_per_hour, Missing) else v.usd_per_hour for v in terms.variants]
    spent = np.zeros(len(until_s))
    for life in played.lives:
        held_s = np.minimum(life.gone_s, until_s) - max(life.ordered_s, start_s)
        spent += np.maximum(held_s, 0.0) * prices[life.variant] / 3600
    return spent

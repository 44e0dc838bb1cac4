"""The league table: who keeps the objective on every trace, and what that costs beside the oracle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.result import Result, plain

_RESAMPLES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One policy on one trace: means over the seeds."""

    trace: str
    attainment: float
    cost_usd: float
    relative: float
    """Cost over the oracle's; the cost itself where no oracle was searched."""
    kept: bool
    """Whether the mean attainment keeps the objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy in one setting over all traces."""

    policy: str
    standings: tuple[Standing, ...]
    num_kept: int
    """Traces on which the objective is kept."""
    relative: float
    """Geometric mean over the traces."""
    interval: tuple[float, float] | Missing
    """95 % of the geometric mean over seeds, by bootstrap; missing with one seed."""
    attainment: float
    """On the worst trace."""
    ttft_p99_s: float
    """On the worst trace and seed."""
    cost_usd: float
    """Of all traces together."""
    flaps: float
    """Of all traces together."""
    recovery_s: float
    """The longest of all."""

    @property
    def keeps_all(self) -> bool:
        """Whether the objective is kept on every trace."""
        return self.num_kept == len(self.standings)

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts the best one first: most traces kept, then the lowest cost."""
        return -self.num_kept, self.relative

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "policy": self.policy,
            "keeps_all": self.keeps_all,
            "num_kept": self.num_kept,
            "relative_cost": plain(self.relative),
            "relative_cost_ci95": None if isinstance(self.interval, Missing) else list(self.interval),
            "worst_attainment": self.attainment,
            "cost_usd": plain(self.cost_usd),
            "traces": {s.trace: [s.attainment, plain(s.cost_usd), plain(s.relative)] for s in self.standings},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A policy's place in the table: its defaults, and its tuned setting where tuning was asked for."""

    default: Row
    tuned: Row | Missing

    @property
    def rank(self) -> tuple[int, float]:
        """Of the tuned row where there is one."""
        return self.default.rank if isinstance(self.tuned, Missing) else self.tuned.rank


def row_of(results: Sequence[Result], attainment: float) -> Row:
    """The row of one policy's results, over traces and seeds; `attainment` is the objective's."""
    by_trace: dict[str, list[Result]] = {}
    for result in results:
        by_trace.setdefault(result.trace, []).append(result)
    oracles = not any(isinstance(result.cost_over_oracle, Missing) for result in results)
    standings = tuple(_standing(own, attainment, oracles) for own in by_trace.values())
    return Row(
        policy=results[0].policy,
        standings=standings,
        num_kept=sum(standing.kept for standing in standings),
        relative=_geometric(standing.relative for standing in standings),
        interval=_interval([[_relative(result, oracles) for result in own] for own in by_trace.values()]),
        attainment=min(standing.attainment for standing in standings),
        ttft_p99_s=max(result.score.ttft_p99_s for result in results),
        cost_usd=sum(standing.cost_usd for standing in standings),
        flaps=sum(_mean(result.score.flaps for result in own) for own in by_trace.values()),
        recovery_s=max(result.score.recovery_s for result in results),
    )


def ranked(default: Mapping[str, Row], tuned: Mapping[str, Row] | None = None) -> tuple[Entry, ...]:
    """The table, best first; rows by policy."""
    untuned = Missing(reason="not tuned")
    entries = [Entry(default=row, tuned=(tuned or {}).get(name, untuned)) for name, row in default.items()]
    return tuple(sorted(entries, key=lambda entry: (*entry.rank, entry.default.policy)))


def _standing(results: Sequence[Result], attainment: float, oracles: bool) -> Standing:
    kept = _mean(result.score.attainment for result in results)
    return Standing(
        trace=results[0].trace,
        attainment=kept,
        cost_usd=_mean(result.score.cost_usd for result in results),
        relative=_mean(_relative(result, oracles) for result in results),
        kept=kept >= attainment,
    )


def _relative(result: Result, oracles: bool) -> float:
    over = result.cost_over_oracle
    return over if oracles and not isinstance(over, Missing) else result.score.cost_usd


def _interval(by_trace: Sequence[Sequence[float]]) -> tuple[float, float] | Missing:
    """Seeds drawn anew, with replacement, within each trace."""
    if min(map(len, by_trace)) < 2:
        return Missing(reason="one seed has no spread")
    random = np.random.default_rng(0)
    means = [np.log(random.choice(own, (_RESAMPLES, len(own))).mean(axis=1)) for own in map(np.asarray, by_trace)]
    low, high = np.quantile(np.exp(np.mean(means, axis=0)), (0.025, 0.975))
    return float(low), float(high)


def _geometric(values: Iterable[float]) -> float:
    logs = [math.log(max(value, 1e-12)) for value in values]
    return math.exp(sum(logs) / len(logs))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)

"""The cheapest plan of a controller that knows every request beforehand, found by dynamic programming and replay.

1. Replay the trace with n replicas in every other stretch and plenty in between: which requests miss if a window has n.
2. For a price per missed request, the cheapest sequence of counts is a shortest path: replicas × window, one cold start
   for each replica more, and the misses.
3. Find the lowest price of a miss at which the replayed plan still keeps the objective, or the smallest constant fleet
   where that is cheaper; then take away every replica that the replay can do without, from long spans to short ones.

The result is a feasible plan, so an upper bound of the true optimum; `fluid` bounds it from below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.conditions import NO_FAULTS, Conditions
from raytide.autoscaling.simulate.oracle.plan import Plan, Planned
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.score import Score, attains, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

_LONG_LAP_S: Final = 4 * 3600.0
_MOST_MISSES: Final = 1e-4
"""More replicas than keep all but this share of the requests within their bounds are never tried."""
_PRICES: Final = 12
"""Bisections of the price of a miss, over eight orders of magnitude."""
_REPLAYED_REQUESTS: Final = 8_000_000
"""Requests that the polishing may replay in all: a hundred plans of an hour's trace, some of a day's."""
_MOST_REPLAYS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Oracle:
    """The plan, and what its replay costs."""

    plan: Plan
    score: Score


def clairvoyant(trace: Trace, terms: Terms, conditions: Conditions, *, window_s: float | None = None) -> Oracle:
    """The cheapest plan of the first variant that keeps the objective.

    Counts change every 15 s, or every 300 s where a lap is longer than 4 h.
    """
    window_s = window_s or (300.0 if trace.span_s > _LONG_LAP_S else 15.0)
    search = _Search(trace, terms, conditions, window_s)
    return search.polished(search.priced())


class _Search:
    def __init__(self, trace: Trace, terms: Terms, conditions: Conditions, window_s: float) -> None:
        self._trace, self._terms, self._window_s = trace, terms, window_s
        own_s = terms.variants[0].cold_start_s
        self._lead_s = own_s if conditions.cold_start_s is None else conditions.cold_start_s
        self._conditions = replace(conditions, cold_start_s=self._lead_s, faults=NO_FAULTS, metric_loss=0.0)
        self._num = int(np.ceil(trace.span_s / window_s))
        self._least = self._fewest()
        self._misses = self._missed()

    def priced(self) -> Oracle:
        """The plan of the lowest price per miss whose replay keeps the objective."""
        low, high = -2.0, 6.0
        best: Oracle | None = None
        for _ in range(_PRICES):
            middle = (low + high) / 2
            found = self._replayed(self._cheapest(10.0**middle))
            if found.score.attainment >= self._terms.objective.attainment:
                high = middle
                best = found if best is None or found.score.cost_usd < best.score.cost_usd else best
            else:
                low = middle
        constant = self._constant()
        return constant if best is None or constant.score.cost_usd < best.score.cost_usd else best

    def _constant(self) -> Oracle:
        """The smallest fleet of one size that keeps the objective; the largest allowed where none does."""
        for count in range(self._least, self._terms.max_replicas):
            found = self._replayed(np.full(self._num, count))
            if found.score.attainment >= self._terms.objective.attainment:
                return found
        return self._replayed(np.full(self._num, self._terms.max_replicas))

    def polished(self, oracle: Oracle) -> Oracle:
        """Without the replicas that the replay does not need: long spans first, and as often as that helps."""
        left = min(max(6, _REPLAYED_REQUESTS // len(self._trace)), _MOST_REPLAYS)
        while left > 0:
            before_usd = oracle.score.cost_usd
            for start, end in _spans(oracle.plan.counts, max(1, round(self._lead_s / self._window_s)))[:left]:
                oracle = self._lowered(oracle, start, end)
                left -= 1
            if oracle.score.cost_usd > 0.999 * before_usd:
                break
        return oracle

    def _lowered(self, oracle: Oracle, start: int, end: int) -> Oracle:
        counts = oracle.plan.counts.copy()
        counts[start:end] -= 1
        if counts.min() < max(1, self._terms.min_replicas):
            return oracle
        tried = self._replayed(counts)
        kept = tried.score.attainment >= self._terms.objective.attainment
        if kept and tried.score.cost_usd < oracle.score.cost_usd:
            return tried
        return oracle

    def _replayed(self, counts: NDArray[np.int64]) -> Oracle:
        plan = Plan(window_s=self._window_s, counts=counts, span_s=self._trace.span_s)
        return Oracle(plan=plan, score=score(self._play(plan, self._conditions, self._lead_s), self._terms))

    def _play(self, plan: Plan, conditions: Conditions, lead_s: float) -> Played:
        once = replace(conditions, num_laps=1, initial_replicas=plan.at(0.0), metric_delay_s=0)
        interval_s = float(math.gcd(int(plan.window_s), int(lead_s)))
        return play(self._trace, Planned(plan=plan, lead_s=lead_s, interval_s=interval_s), self._terms, once)

    def _fewest(self) -> int:
        """What the quietest stretch of the trace keeps busy with perfect batching."""
        engine = self._terms.variants[0].engine
        assert not isinstance(engine, Missing)
        step, prompt, output = engine.iteration, self._trace.prompt_tokens, self._trace.output_tokens
        own_s = step.per_prefill_token_s * prompt + output * (
            step.per_sequence_s + step.per_kv_token_s * (prompt + output / 2)
        )
        window = np.minimum((self._trace.arrival_s / self._window_s).astype(np.int64), self._num - 1)
        busy = np.bincount(window, weights=own_s, minlength=self._num) / self._window_s
        return int(np.clip(np.quantile(busy, 0.1), max(1, self._terms.min_replicas), self._terms.max_replicas))

    def _missed(self) -> NDArray[np.float64]:
        """Requests of each window that miss with each count, from the fewest on; shape (windows, counts)."""
        columns = []
        for count in range(self._least, self._terms.max_replicas + 1):
            columns.append(self._missed_with(count))
            if columns[-1].sum() <= _MOST_MISSES * len(self._trace):
                break
        return np.array(columns).T

    def _missed_with(self, count: int) -> NDArray[np.float64]:
        """In stretches of one cold start, which is how long a dip pays: a backlog carries over within a stretch."""
        window = np.minimum((self._trace.arrival_s / self._window_s).astype(np.int64), self._num - 1)
        stretch = np.arange(self._num) // max(1, round(self._lead_s / self._window_s))
        missed = np.zeros(self._num)
        for parity in (0, 1):
            mine = stretch % 2 == parity
            counts = np.where(mine, count, self._terms.max_replicas)
            plan = Plan(window_s=self._window_s, counts=counts, span_s=self._trace.span_s)
            played = self._play(plan, replace(self._conditions, cold_start_s=0.0), 0.0)
            kept = attains(played.ttft_s, played.tpot_s, self._terms)
            missed += np.where(mine, np.bincount(window, weights=~kept, minlength=self._num), 0.0)
        return missed

    def _cheapest(self, seconds_per_miss: float) -> NDArray[np.int64]:
        """The shortest path through the windows; costs in replica-seconds."""
        counts = self._least + np.arange(self._misses.shape[1])
        stay = counts * self._window_s + seconds_per_miss * self._misses
        rise = self._lead_s * np.maximum(counts[None, :] - counts[:, None], 0)  # from row to column
        cost, came_from = stay[0], []
        for window in range(1, self._num):
            through = cost[:, None] + rise
            came_from.append(through.argmin(axis=0))
            cost = through.min(axis=0) + stay[window]
        path = [int(cost.argmin())]
        for back in reversed(came_from):
            path.append(int(back[path[-1]]))
        cheapest: NDArray[np.int64] = counts[np.array(path[::-1])]
        return cheapest


def _spans(counts: NDArray[np.int64], shortest: int) -> list[tuple[int, int]]:
    """Windows at or above each level in a row, and the halves, quarters, … of the lap; longest first."""
    found = set()
    for level in range(2, int(counts.max()) + 1):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], counts >= level, [0]])))
        found |= {(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)}
    parts = 1
    while len(counts) // parts >= shortest:
        cuts = np.linspace(0, len(counts), parts + 1).round().astype(int)
        found |= {(int(start), int(end)) for start, end in pairwise(cuts)}
        parts *= 2
    return sorted((span for span in found if span[1] > span[0]), key=lambda span: (span[0] - span[1], span))

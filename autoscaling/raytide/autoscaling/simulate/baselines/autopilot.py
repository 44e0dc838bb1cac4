"""Autopilot's moving window, for the number of replicas: a high percentile of a histogram that slowly forgets.

Source: Rzadca et al., EuroSys 2020, sections on moving-window recommenders and horizontal scaling. Every 5 minutes the
seconds of load `b`, in replicas, are added to a histogram whose weights halve every 12 h, and

    n = ⌈P95 of the histogram, each bucket weighted by its load, / utilisation⌉

Load is arrivals/s over what one replica serves within the TPOT bound, by 10 seconds, because a request occupies an
engine for about that long; the paper samples CPU each second. Simplified: the recommender that learns the half-life and
the margin by argmin of a cost is left out, and so are the limits on how fast a job may grow or shrink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import BIN_S, Demand, Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import Traffic, first_engine
from raytide.autoscaling.simulate.baselines.throughput import requests_per_s
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms

NUM_BUCKETS: Final = 400
GROWTH: Final = 1.025
FIRST: Final = 0.05
"""Buckets from a twentieth of a replica to a thousand, each 2.5 % above the one before."""
SAMPLED_S: Final = 10.0
_EDGES: Final = FIRST * GROWTH ** np.arange(NUM_BUCKETS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The decayed histogram of load, shape (NUM_BUCKETS,), and mean lengths."""

    weights: NDArray[np.float64]
    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Autopilot:
    """One setting of the recommender."""

    half_life_s: float = 43_200.0
    percentile: float = 0.95
    utilisation: float = 0.85
    """Of what a replica serves, as the target of a job."""
    interval_s: float = 300.0
    name: str = "autopilot"

    def begin(self, observation: Observation, terms: Terms) -> History:
        """No load seen."""
        return History(weights=np.zeros(NUM_BUCKETS), traffic=Traffic(length_s=3.0 * self.interval_s))

    def decide(self, observation: Observation, terms: Terms, state: History, now_s: float) -> Decision:
        """The percentile of what was seen, with some to spare."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        demand, engine = observation.demand, first_engine(observation, terms)
        if isinstance(demand, Missing):
            return held(observation, terms, demand.reason, state, now_s)
        traffic = state.traffic.add(demand, now_s)
        if isinstance(engine, Missing) or isinstance(traffic.lengths, Missing):
            unsized = History(weights=state.weights, traffic=traffic)
            return held(observation, terms, "the rate of a replica is not known", unsized, now_s)
        lengths = traffic.lengths
        one_rps = requests_per_s(engine, lengths.prompt_tokens, lengths.output_tokens, terms.objective.tpot_s)
        seen = History(weights=self._decayed(state.weights, demand, max(1e-9, one_rps)), traffic=traffic)
        load = percentile(seen.weights, self.percentile)
        wanted = math.ceil(round(load / self.utilisation, 9))
        says = f"the load's {self.percentile:.0%} percentile is {load:.2f} replicas"
        facts = {"load": load, "utilisation": self.utilisation, "replica_rps": one_rps}
        return sized(observation, terms, wanted, (Reason(rule=Rule.DEMAND, says=says, facts=facts),), seen, now_s)

    def _decayed(self, weights: NDArray[np.float64], demand: Demand, one_rps: float) -> NDArray[np.float64]:
        kept: NDArray[np.float64] = weights * 2.0 ** (-demand.span_s / self.half_life_s)
        return kept + np.bincount(buckets(sampled_rps(demand) / one_rps), minlength=NUM_BUCKETS)


def sampled_rps(demand: Demand) -> NDArray[np.float64]:
    """Arrivals per second, by ten seconds; what is left at the end counts as long as it is."""
    size = round(SAMPLED_S / BIN_S)
    starts = np.arange(0, max(1, len(demand.arrivals)), size)
    if not len(demand.arrivals):
        return np.zeros(1)
    lengths = np.diff(np.append(starts, len(demand.arrivals))) * BIN_S
    rates: NDArray[np.float64] = np.add.reduceat(demand.arrivals, starts) / lengths
    return rates


def buckets(loads: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket whose upper edge is the first that holds each load."""
    return np.minimum(np.searchsorted(_EDGES, loads), NUM_BUCKETS - 1)


def percentile(weights: NDArray[np.float64], share: float) -> float:
    """The load below which `share` of all work was done, to its bucket's upper edge; 0 of an empty histogram."""
    work = weights * _EDGES
    total = float(work.sum())
    if total <= 0.0:
        return 0.0
    return float(_EDGES[min(NUM_BUCKETS - 1, int(np.searchsorted(np.cumsum(work), share * total)))])


def settings() -> tuple[Autopilot, ...]:
    """The half-life and the percentile."""
    return grid(Autopilot(), half_life_s=(43_200.0, 10_800.0, 3600.0, 1200.0), percentile=(0.95, 0.98, 0.995))

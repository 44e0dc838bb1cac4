"""InferLine's tuner: the traffic envelope of the last minute against what the replicas serve.

Source: Crankshaw et al., SoCC 2020 (arXiv 1812.01776), section on high-frequency tuning. With μ the requests/s of a
replica and ρ the utilisation that the planner left it at, every 5 s:

    up      k = ⌈max over d of (arrivals of the last d) / d / (μ·ρ)⌉, d = T_s, 2·T_s, … ≤ 60 s; if that is more
    down    k = ⌈λ/(μ·ρ)⌉, λ the greatest rate of 5-second windows in 30 s; if nothing changed for 15 s,
            and no fewer than the k above, which would undo it at once

with T_s the service time of one request alone. Simplified: one model instead of a pipeline; μ from the engine's
iteration time at the TPOT bound; the planner's sample trace does not exist, so its envelope never excuses a burst and
its ρ is a setting; T_s is at least the one-second bin of arrivals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import BIN_S, Demand, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, first_engine
from raytide.autoscaling.simulate.baselines.throughput import requests_per_s
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms

ENVELOPE_S: Final = 60.0
DOWN_OVER_S: Final = 30.0
DOWN_WINDOW_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrived:
    """Arrivals of the last minute by the second, mean lengths, and when the number was last changed."""

    counts: NDArray[np.int64]
    traffic: Traffic
    changed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InferLine:
    """One setting of the tuner."""

    utilisation: float = 0.85
    """ρ: what the planner's simulation would have left the replicas at."""
    down_after_s: float = 15.0
    lengths_over_s: float = 300.0
    interval_s: float = 5.0
    name: str = "inferline"

    def begin(self, observation: Observation, terms: Terms) -> Arrived:
        """No arrivals; what runs was chosen just now."""
        none = np.zeros(0, dtype=np.int64)
        return Arrived(counts=none, traffic=Traffic(length_s=self.lengths_over_s), changed_s=observation.at_s)

    def decide(self, observation: Observation, terms: Terms, state: Arrived, now_s: float) -> Decision:
        """As many as the envelope needs, or fewer once nothing changed for a while."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        if isinstance(observation.demand, Missing):
            return held(observation, terms, observation.demand.reason, state, now_s)
        seen, engine = _after(observation.demand, state, now_s), first_engine(observation, terms)
        if isinstance(engine, Missing) or isinstance(seen.traffic.lengths, Missing):
            return held(observation, terms, "the rate of a replica is not known", seen, now_s)
        one_rps = self.replica_rps(engine, seen.traffic.lengths, terms)
        if one_rps <= 0.0:
            return held(observation, terms, "the engine keeps the TPOT bound at no rate", seen, now_s)
        present, burst_rps = observation.variants[0].target, envelope_rps(seen.counts, alone_s(engine, seen))
        wanted = self._wanted(seen, present, burst_rps, one_rps, now_s)
        changed_s = now_s if wanted != present else seen.changed_s
        facts = {"envelope_rps": burst_rps, "replica_rps": one_rps}
        reason = Reason(rule=Rule.DEMAND, says=f"bursts of the last minute reach {burst_rps:.2f}/s", facts=facts)
        after = Arrived(counts=seen.counts, traffic=seen.traffic, changed_s=changed_s)
        return sized(observation, terms, wanted, (reason,), after, now_s)

    def replica_rps(self, engine: Engine, lengths: Lengths, terms: Terms) -> float:
        """μ·ρ."""
        most = requests_per_s(engine, lengths.prompt_tokens, lengths.output_tokens, terms.objective.tpot_s)
        return most * self.utilisation

    def _wanted(self, seen: Arrived, present: int, burst_rps: float, one_rps: float, now_s: float) -> int:
        up = math.ceil(round(burst_rps / one_rps, 9))
        if up > present:
            return up
        if now_s - seen.changed_s < self.down_after_s:
            return present
        return min(present, max(up, math.ceil(round(recent_rps(seen.counts) / one_rps, 9))))


def envelope_rps(counts: NDArray[np.int64], shortest_s: float) -> float:
    """The greatest present rate over windows of the shortest length, twice that, … up to a minute."""
    total, greatest, length_s = np.cumsum(counts[::-1]), 0.0, max(BIN_S, shortest_s)
    while length_s <= ENVELOPE_S and len(total):
        bins = max(1, round(length_s / BIN_S))
        greatest = max(greatest, float(total[min(bins, len(total)) - 1]) / (bins * BIN_S))
        length_s *= 2.0
    return greatest


def recent_rps(counts: NDArray[np.int64]) -> float:
    """The greatest rate of the 5-second windows of the last 30 s."""
    size, last = round(DOWN_WINDOW_S / BIN_S), counts[-round(DOWN_OVER_S / BIN_S) :].tolist()
    edges = [*range(len(last), 0, -size), 0]
    return max((sum(last[begin:end]) / DOWN_WINDOW_S for end, begin in pairwise(edges)), default=0.0)


def alone_s(engine: Engine, seen: Arrived) -> float:
    """The service time of one request of mean lengths on an idle engine."""
    assert not isinstance(seen.traffic.lengths, Missing)
    prompt, output = seen.traffic.lengths.prompt_tokens, seen.traffic.lengths.output_tokens
    decode_s = engine.iteration.seconds(1.0, prompt + output / 2.0, 0.0)
    return engine.iteration.seconds(0.0, 0.0, prompt) + output * decode_s


def settings() -> tuple[InferLine, ...]:
    """The planned utilisation, and how soon it goes down."""
    return grid(InferLine(), utilisation=(0.85, 1.0, 0.7, 0.55), down_after_s=(15.0, 60.0, 300.0))


def _after(demand: Demand, state: Arrived, now_s: float) -> Arrived:
    counts = np.concatenate((state.counts, demand.arrivals))[-round(ENVELOPE_S / BIN_S) :]
    return Arrived(counts=counts, traffic=state.traffic.add(demand, now_s), changed_s=state.changed_s)

"""Chiron: keeps the share of instances that interactive requests occupy at a threshold, one instance at a time.

Source: arXiv 2501.08090, and its re-implementation in kjain1810/SageServe, arbiter.py (`ChironArbiter`). Nothing while
an instance starts; else, with IBP the instances that run interactive requests over all instances,

    +1 where IBP > 0.6, −1 otherwise

An instance admits what its local autoscaler finds to keep the inter-token latency, and requests fill as few instances
as they can. Our router spreads them, so the port packs them: IBP = ⌈requests in flight / batch⌉ / ready, with the batch
the largest whose iteration keeps the TPOT bound at the present lengths. Simplified: every 10 s instead of at each
request; all requests are interactive; the queue of batch requests is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.dynamo_rate import sustained
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import Traffic, first_engine
from raytide.autoscaling.simulate.baselines.signals import in_flight
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Chiron:
    """One threshold."""

    back_pressure: float = 0.6
    tpot_share: float = 1.0
    """Of the bound that the local autoscaler lets an iteration take."""
    lengths_over_s: float = 300.0
    interval_s: float = 10.0
    name: str = "chiron"

    def begin(self, observation: Observation, terms: Terms) -> Traffic:
        """No traffic seen."""
        return Traffic(length_s=self.lengths_over_s)

    def decide(self, observation: Observation, terms: Terms, state: Traffic, now_s: float) -> Decision:
        """One instance more or fewer."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        demand, view = observation.demand, observation.variants[0]
        seen = state if isinstance(demand, Missing) else state.add(demand, now_s)
        if view.target != view.num_ready:
            return held(observation, terms, "an instance starts or stops", seen, now_s)
        packed = self.packed(observation, terms, seen)
        if isinstance(packed, Missing):
            return held(observation, terms, packed.reason, seen, now_s)
        pressure = packed / max(1, view.num_ready)
        by = 1 if pressure > self.back_pressure else -1
        says = f"{packed} of {view.num_ready} instances would suffice for what is in flight"
        facts = {"back_pressure": pressure, "threshold": self.back_pressure, "packed": float(packed)}
        reason = Reason(rule=Rule.DEMAND, says=says, facts=facts)
        return sized(observation, terms, max(1, view.num_ready + by), (reason,), seen, now_s)

    def packed(self, observation: Observation, terms: Terms, traffic: Traffic) -> int | Missing:
        """Instances that the requests in flight occupy where each admits its full batch."""
        requests, engine = in_flight(observation), first_engine(observation, terms)
        if isinstance(requests, Missing):
            return requests
        if isinstance(engine, Missing):
            return engine
        if isinstance(traffic.lengths, Missing):
            return traffic.lengths
        batch = sustained(engine, traffic.lengths, math.inf, self.tpot_share * terms.objective.tpot_s).batch
        return math.ceil(requests.total / batch)


def settings() -> tuple[Chiron, ...]:
    """The threshold, and the latency that a full batch may take."""
    return grid(Chiron(), back_pressure=(0.6, 0.8, 0.5, 0.4), tpot_share=(1.0, 0.8, 0.6))

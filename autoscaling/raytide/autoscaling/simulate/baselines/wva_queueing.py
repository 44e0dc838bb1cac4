"""llm-d's Workload Variant Autoscaler, model-based: the rate that one replica sustains within the mean latencies.

Source: llm-d/llm-d-workload-variant-autoscaler, pkg/{analyzer,core,solver}; arXiv 2603.09730. Every 60 s

    λ* = the highest rate at which the queueing model keeps mean TTFT and mean time per token (`queueing`)
    n  = ⌈λ / throughput(λ*)⌉    of the variant for which n·cost, + 0.1·(cost + present cost) to change, is least

with α, β, γ of each engine calibrated on line (`tuner`), followed by `wva_actuator`. No traffic asks for the minimum.
Simplified: arrivals and lengths over the last minute; max batch is the engine's own; one model, so the product's solver
has nothing to ration; the 10 % stability margin applies to throughput targets, which are not declared here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.simulate.baselines.bounds import held, mixed
from raytide.autoscaling.simulate.baselines.hpa import Behaviour
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, engine_of, mean_s
from raytide.autoscaling.simulate.baselines.queueing import Queue
from raytide.autoscaling.simulate.baselines.tuner import Measured, Tuner, tuner_of
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.simulate.baselines.wva_actuator import CHART, SAMPLE, Actuated, cost_of, started
from raytide.autoscaling.terms import Terms

WINDOW_S: Final = 60.0
CHANGE_PENALTY: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """The last minute's traffic, each variant's filter, and the autoscalers."""

    traffic: Traffic
    tuners: Mapping[str, Tuner]
    actuated: Actuated


@dataclass(frozen=True, slots=True, kw_only=True)
class WvaQueueing:
    """One setting of the controller."""

    ttft_share: float = 1.0
    """Of the objective's bound that the mean TTFT may take; means say nothing of the tail."""
    tpot_share: float = 1.0
    behaviour: Behaviour = field(default=CHART)
    interval_s: float = 60.0
    name: str = "wva-queueing"

    def begin(self, observation: Observation, terms: Terms) -> Calibrated:
        """Filters as the engines are declared; what runs counts as wanted."""
        return Calibrated(traffic=Traffic(length_s=WINDOW_S), tuners={}, actuated=started(observation))

    def decide(self, observation: Observation, terms: Terms, state: Calibrated, now_s: float) -> Decision:
        """The cheapest variant at the number that the model asks for."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        demand = observation.demand
        if isinstance(demand, Missing):
            return held(observation, terms, demand.reason, state, now_s)
        traffic = state.traffic.add(demand, now_s)
        tuners = _tuned(observation, terms, demand, traffic, state.tuners)
        desired = self._desired(observation, terms, traffic, tuners)
        seen = Calibrated(traffic=traffic, tuners=tuners, actuated=state.actuated)
        if isinstance(desired, Missing):
            return held(observation, terms, desired.reason, seen, now_s)
        wanted, reason = desired
        targets, actuated = state.actuated.follow(observation, wanted, self.behaviour, now_s)
        seen = Calibrated(traffic=traffic, tuners=tuners, actuated=actuated)
        return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), seen, now_s)

    def _desired(
        self, observation: Observation, terms: Terms, traffic: Traffic, tuners: Mapping[str, Tuner]
    ) -> tuple[dict[str, int], Reason] | Missing:
        none = {view.name: 0 for view in observation.variants}
        first = observation.variants[0].name
        if not traffic.sums.arrivals:
            return none | {first: terms.min_replicas}, Reason(rule=Rule.DEMAND, says="nothing arrived for a minute")
        if isinstance(traffic.lengths, Missing):
            return traffic.lengths
        asked = self._asked(observation, terms, traffic.rate_rps, traffic.lengths, tuners)
        if not asked:
            return Missing(reason="the queueing model meets the objective with no variant")
        now = sum(cost_of(view.name, terms) * view.target for view in observation.variants)
        name = min(asked, key=lambda name: _value(observation, terms, name, asked[name][0], now))
        num, rate_rps = asked[name]
        facts = {"arrivals_rps": traffic.rate_rps, "replica_rps": rate_rps}
        says = f"{traffic.rate_rps:.2f} requests/s at {rate_rps:.2f} a replica need {num} of {name}"
        return none | {name: num}, Reason(rule=Rule.DEMAND, says=says, facts=facts)

    def _asked(
        self, observation: Observation, terms: Terms, rate_rps: float, lengths: Lengths, tuners: Mapping[str, Tuner]
    ) -> dict[str, tuple[int, float]]:
        asked = {}
        for view in observation.variants:
            engine = engine_of(view, terms)
            if isinstance(engine, Missing):
                continue
            queue = Queue.of(tuners[view.name].service, lengths, engine.max_num_seqs)
            most_rps = self.replica_rps(queue, terms)
            if not isinstance(most_rps, Missing):
                asked[view.name] = (max(terms.min_replicas, math.ceil(rate_rps / most_rps)), most_rps)
        return asked

    def replica_rps(self, queue: Queue, terms: Terms) -> float | Missing:
        """What one replica serves at the highest rate that keeps both means."""
        objective = terms.objective
        rate = queue.highest_within(self.ttft_share * objective.ttft_s, self.tpot_share * objective.tpot_s)
        return rate if isinstance(rate, Missing) else queue.at(rate).throughput_rps


def settings() -> tuple[WvaQueueing, ...]:
    """The product's first; then means further below the bounds, and the sample's pace without stabilisation."""
    shares = ((1.0, 1.0), (0.5, 0.8), (0.5, 0.6), (0.25, 0.5), (0.25, 0.4), (0.25, 0.3))
    return tuple(
        WvaQueueing(ttft_share=ttft, tpot_share=tpot, behaviour=behaviour)
        for behaviour, (ttft, tpot) in product((CHART, SAMPLE), shares)
    )


def _value(observation: Observation, terms: Terms, name: str, num: int, now_usd: float) -> float:
    cost = cost_of(name, terms) * num
    alone = all(view.target == 0 for view in observation.variants if view.name != name)
    return cost if alone else cost + CHANGE_PENALTY * (cost + now_usd)


def _tuned(
    observation: Observation, terms: Terms, demand: Demand, traffic: Traffic, known: Mapping[str, Tuner]
) -> dict[str, Tuner]:
    measured = _measured(observation, demand, traffic)
    tuners = {}
    for view in observation.variants:
        engine = engine_of(view, terms)
        if isinstance(engine, Missing):
            continue
        tuner = known.get(view.name) or tuner_of(engine)
        if view.num_ready and not isinstance(measured, Missing):
            tuner = tuner.update(measured, engine.max_num_seqs)
        tuners[view.name] = tuner
    return tuners


def _measured(observation: Observation, demand: Demand, traffic: Traffic) -> Measured | Missing:
    """What the average replica saw: the product reads each variant's own, an observation has them together."""
    ttft_s, token_s = mean_s(demand.ttft), mean_s(demand.tpot)
    ready = sum(view.num_ready for view in observation.variants)
    if isinstance(ttft_s, Missing) or isinstance(token_s, Missing) or isinstance(traffic.lengths, Missing):
        return Missing(reason="no latencies were measured")
    if not ready or not demand.num_arrivals or demand.span_s <= 0.0:
        return Missing(reason="no replica served")
    rate_rps = demand.num_arrivals / demand.span_s / ready
    return Measured(rate_rps=rate_rps, lengths=traffic.lengths, ttft_s=ttft_s, token_s=token_s)

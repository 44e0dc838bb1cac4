"""llm-d's Workload Variant Autoscaler, second analyser: tokens in use and queued against tokens that replicas carry.

Source: llm-d/llm-d-workload-variant-autoscaler, internal/engines/analyzers/saturation_v2/analyzer.go and
internal/engines/pipeline/cost_aware_optimizer.go. With I, O the mean tokens of requests over 5 minutes:

    demand    = Σ (KV tokens in use + queue·I) + gateway queue·(I·(1 − hit) + O)
    capacity  = median over replicas of min(k1, k2) with k1 = 0.80·KV cache and k2 the first that is known of
                tokens in use while the queue ≥ 5; the mean of the last 10 such, by length of output;
                N·(I + O/2) with N = min(chunk·O/(I + O), max_num_seqs)
    up by     ⌈(demand/0.85 − (ready + starting)·capacity) / capacity⌉    of the variant that is cheapest per token
    down by   ⌊(ready·capacity − demand/0.70) / capacity⌋                 of the dearest variant first

every 30 s, then `wva_actuator`.
Simplified: the gauges of the moment, not their greatest of a minute; what is learnt is not forgotten after 30 minutes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, mixed
from raytide.autoscaling.simulate.baselines.hpa import Behaviour
from raytide.autoscaling.simulate.baselines.measured import Traffic, engine_of
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.simulate.baselines.wva_actuator import CHART, SAMPLE, Actuated, cost_of, started
from raytide.autoscaling.simulate.baselines.wva_tokens import (
    Kind,
    Load,
    Thresholds,
    load_of,
    output_class,
    queued_tokens,
)
from raytide.autoscaling.terms import Terms

LENGTHS_OVER_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Traffic, the tokens that saturated replicas held by (variant, length of output), and the autoscalers."""

    traffic: Traffic
    saturated: Mapping[tuple[str, str], tuple[float, ...]]
    actuated: Actuated


@dataclass(frozen=True, slots=True, kw_only=True)
class WvaV2:
    """One setting of the analyser."""

    kv_threshold: float = 0.80
    queue_threshold: int = 5
    up_at: float = 0.85
    down_at: float = 0.70
    behaviour: Behaviour = field(default=CHART)
    interval_s: float = 30.0
    name: str = "wva-v2"

    def begin(self, observation: Observation, terms: Terms) -> Learnt:
        """Nothing learnt; what runs counts as wanted."""
        return Learnt(traffic=Traffic(length_s=LENGTHS_OVER_S), saturated={}, actuated=started(observation))

    def decide(self, observation: Observation, terms: Terms, state: Learnt, now_s: float) -> Decision:
        """What the demand lacks or spares in tokens, as replicas, followed by the autoscaler."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        if not isinstance(observation.demand, Missing):
            state = replace(state, traffic=state.traffic.add(observation.demand, now_s))
        loads = self._loads(observation, terms, state)
        if isinstance(loads, Missing):
            return held(observation, terms, loads.reason, state, now_s)
        lengths = state.traffic.lengths
        desired, reason = self.desired(loads, queued_tokens(observation.num_queued, lengths))
        targets, actuated = state.actuated.follow(observation, desired, self.behaviour, now_s)
        seen = {(load.view.name, output_class(lengths)): load.observed for load in loads}
        learnt = replace(state, saturated={**state.saturated, **seen}, actuated=actuated)
        return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), learnt, now_s)

    def desired(self, loads: tuple[Load, ...], queued: float) -> tuple[dict[str, int], Reason]:
        """Replicas of every variant for these loads and the tokens queued at the gateway, and why."""
        demand = queued + sum(load.demand for load in loads)
        supply = sum(load.view.num_ready * load.capacity for load in loads)
        coming = sum(max(load.view.target, load.view.num_ready) * load.capacity for load in loads)
        lacks, spares = max(0.0, demand / self.up_at - coming), max(0.0, supply - demand / self.down_at)
        facts = {"demand_tokens": demand, "supply_tokens": supply, "lacks_tokens": lacks, "spares_tokens": spares}
        present = {load.view.name: load.view.target for load in loads}
        if lacks > 0.0:
            says = f"{lacks:.0f} tokens of KV cache are lacking"
            return present | _more(loads, lacks), Reason(rule=Rule.DEMAND, says=says, facts=facts)
        if spares > 0.0:
            says = f"{spares:.0f} tokens of KV cache are spare"
            return _fewer(loads, present, spares), Reason(rule=Rule.DEMAND, says=says, facts=facts)
        return present, Reason(rule=Rule.DEMAND, says="the load is between both thresholds", facts=facts)

    def _loads(self, observation: Observation, terms: Terms, state: Learnt) -> tuple[Load, ...] | Missing:
        thresholds, lengths = Thresholds(kv=self.kv_threshold, queue=self.queue_threshold), state.traffic.lengths
        loads: list[Load] = []
        for view in observation.variants:
            engine = engine_of(view, terms)
            if isinstance(engine, Missing):
                return engine
            observed = state.saturated.get((view.name, output_class(lengths)), ())
            kind = Kind(engine=engine, lengths=lengths, observed=observed, cost=cost_of(view.name, terms))
            load = load_of(view, kind, thresholds)
            if isinstance(load, Missing):
                return load
            loads.append(load)
        return tuple(loads)


def settings() -> tuple[WvaV2, ...]:
    """The product's first; then lower KV thresholds, earlier growth, and the sample's pace without stabilisation."""
    bands = ((0.85, 0.70), (0.65, 0.50))
    return tuple(
        WvaV2(kv_threshold=threshold, up_at=up_at, down_at=down_at, behaviour=behaviour)
        for behaviour, (up_at, down_at), threshold in product((CHART, SAMPLE), bands, (0.8, 0.5, 0.25))
    )


def _more(loads: tuple[Load, ...], lacks: float) -> dict[str, int]:
    cheapest = min(loads, key=lambda load: load.cost / load.capacity)
    added = math.ceil(lacks / cheapest.capacity)
    return {cheapest.view.name: cheapest.view.target + added}


def _fewer(loads: tuple[Load, ...], present: Mapping[str, int], spares: float) -> dict[str, int]:
    left = dict(present)
    cheapest = min(loads, key=lambda load: load.cost).view.name
    for load in sorted(loads, key=lambda load: load.cost, reverse=True):
        name = load.view.name
        last = name == cheapest and not any(num for other, num in left.items() if other != name)
        removed = max(0, min(math.floor(spares / load.capacity), left[name] - last))
        left[name] -= removed
        spares -= removed * load.capacity
    return left

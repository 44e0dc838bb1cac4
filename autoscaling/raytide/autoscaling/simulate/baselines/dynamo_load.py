"""Dynamo's planner, load loop: one engine more or less by what each engine's queue and cache will do to latency.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/load_scaling.py, mode `agg`. Every 5 s, while nothing
starts or stops. For the target `throughput` (the product's default), and `latency` in brackets, with
u = (KV tokens + prompt tokens that wait) / KV cache of each engine:

    +1 where any u > 1.0 (0.4)    −1 where all u < 0.6 (0.1)

For the target `sla`, with T from `regression` and grown = N/(N − 1):

    TTFT = T of the chunks of (waiting + one mean prompt)·(1 − hit), beside the KV cache in use
    ITL  = T(mean prefill tokens, KV tokens + one mean context)
    +1 where all TTFT > bound, or all ITL > bound
    −1 where on all engines, with both loads grown, TTFT − its own part < 0.8·(bound − that part), KV + waiting fit the
       cache, and ITL at KV + waiting < 0.8·bound

Simplified: one sample per observation, the mean iteration of all engines; a benchmark before deployment where the
engine is declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.dynamo_samples import Sampled, fewer_suffice, itl_s, sampled_of, ttft_s
from raytide.autoscaling.simulate.baselines.measured import first_engine
from raytide.autoscaling.simulate.baselines.signals import gauges_of
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms


class Target(StrEnum):
    """What the loop looks at."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    SLA = "sla"


UTILISATION: Final = {Target.THROUGHPUT: (1.0, 0.6), Target.LATENCY: (0.4, 0.1)}
"""Above which one engine is added, and below which one is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One engine more (1), fewer (−1) or neither, and why."""

    by: int
    says: str
    facts: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoLoad:
    """One setting of the loop."""

    target: Target = Target.THROUGHPUT
    ttft_share: float = 1.0
    """Of the objective's bound; for the target `sla`."""
    tpot_share: float = 1.0
    interval_s: float = 5.0
    name: str = "dynamo-load"

    def begin(self, observation: Observation, terms: Terms) -> Sampled:
        """The benchmark of a declared engine, and no averages."""
        return sampled_of(first_engine(observation, terms))

    def decide(self, observation: Observation, terms: Terms, state: Sampled, now_s: float) -> Decision:
        """One step from what serves, or none."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        seen = state.add(observation, now_s) if self.target is Target.SLA else state
        step = self.step(observation, terms, seen)
        if isinstance(step, Missing):
            return held(observation, terms, step.reason, seen, now_s)
        rule = Rule.OBJECTIVE if self.target is Target.SLA else Rule.DEMAND
        wanted = max(1, observation.variants[0].num_ready + step.by)
        return sized(observation, terms, wanted, (Reason(rule=rule, says=step.says, facts=step.facts),), seen, now_s)

    def step(self, observation: Observation, terms: Terms, sampled: Sampled) -> Step | Missing:
        """What the engines ask for; Missing where the product would skip the interval."""
        view, engine, gauges = observation.variants[0], first_engine(observation, terms), gauges_of(observation)
        if isinstance(engine, Missing):
            return engine
        if isinstance(gauges, Missing):
            return gauges
        if view.target != view.num_ready or len(gauges.running) != view.num_ready:
            return Missing(reason="engines start or stop")
        if self.target is not Target.SLA:
            return utilised(gauges, engine, self.target)
        return self._predicted(gauges, engine, terms, sampled)

    def _predicted(self, gauges: Gauges, engine: Engine, terms: Terms, sampled: Sampled) -> Step | Missing:
        if isinstance(sampled.fitted, Missing):
            return sampled.fitted
        bounds = self.ttft_share * terms.objective.ttft_s, self.tpot_share * terms.objective.tpot_s
        means = sampled.means
        waiting, kv = gauges.waiting_prompt_tokens.astype(np.float64), gauges.kv_tokens.astype(np.float64)
        ttft, itl = ttft_s(sampled.fitted, means, engine, waiting, kv), itl_s(sampled.fitted, means, kv)
        facts = {"ttft_s": float(ttft.max()), "itl_s": float(itl.max())}
        if (ttft > bounds[0]).all() or (itl > bounds[1]).all():
            return Step(by=1, says="every engine will miss a bound", facts=facts)
        if len(itl) > 1 and fewer_suffice(sampled.fitted, means, engine, gauges, bounds):
            return Step(by=-1, says="one engine fewer keeps both bounds with a fifth to spare", facts=facts)
        return Step(by=0, says="neither all engines are late nor one could go", facts=facts)


def utilised(gauges: Gauges, engine: Engine, target: Target) -> Step:
    """The step by the share of the cache that each engine has in use or promised."""
    above, below = UTILISATION[target]
    shares = (gauges.kv_tokens + gauges.waiting_prompt_tokens) / engine.kv_capacity_tokens
    facts = {"fullest": float(shares.max()), "engines": float(len(shares))}
    if (shares > above).any():
        return Step(by=1, says=f"an engine's cache is full beyond {above:.0%}", facts=facts)
    if len(shares) > 1 and (shares < below).all():
        return Step(by=-1, says=f"every engine's cache is below {below:.0%}", facts=facts)
    return Step(by=0, says="the caches are between both thresholds", facts=facts)


def settings() -> tuple[DynamoLoad, ...]:
    """The product's first; then its other targets, the last one with tighter and tighter bounds."""
    scales = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2)
    sla = tuple(DynamoLoad(target=Target.SLA, ttft_share=scale, tpot_share=scale) for scale in scales)
    early = tuple(DynamoLoad(target=Target.SLA, ttft_share=scale, tpot_share=0.5) for scale in (0.25, 0.1, 0.05))
    return (DynamoLoad(), DynamoLoad(target=Target.LATENCY), *sla, *early)

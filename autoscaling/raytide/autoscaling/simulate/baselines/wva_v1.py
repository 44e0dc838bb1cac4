"""llm-d's Workload Variant Autoscaler, first analyser: one replica more or less by spare KV cache and spare queue.

Source: llm-d/llm-d-workload-variant-autoscaler, internal/saturation/analyzer.go. A replica is saturated where its KV
utilisation ≥ 0.80 or its queue ≥ 5. Over the `N` others, of all variants, with spare = threshold − load:

    up by 1      where mean spare KV < 0.1 or mean spare queue < 3; the cheapest variant without a replica that starts
    down by 1    where N ≥ 2 and threshold − load·N/(N − 1) still keeps both spares; the dearest variant of several
    hold         while a variant's replicas, those wanted and those that report differ

every 30 s, then `wva_actuator`.
Simplified: the gauges of the moment, where the product takes the greatest of the last minute of each replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.simulate.baselines.bounds import held, mixed
from raytide.autoscaling.simulate.baselines.hpa import Behaviour
from raytide.autoscaling.simulate.baselines.measured import engine_of
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.simulate.baselines.wva_actuator import CHART, SAMPLE, Actuated, cost_of, started
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """Replicas that are not saturated, and what is spare on them on average."""

    num: int
    kv: float
    queue: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WvaV1:
    """One setting of the analyser."""

    kv_threshold: float = 0.80
    queue_threshold: float = 5.0
    kv_spare: float = 0.1
    queue_spare: float = 3.0
    behaviour: Behaviour = field(default=CHART)
    interval_s: float = 30.0
    name: str = "wva-v1"

    def begin(self, observation: Observation, terms: Terms) -> Actuated:
        """What runs counts as wanted."""
        return started(observation)

    def decide(self, observation: Observation, terms: Terms, state: Actuated, now_s: float) -> Decision:
        """One step on the spare capacity of all variants together, followed by the autoscaler."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        spare = self.spare(observation, terms)
        if isinstance(spare, Missing):
            return held(observation, terms, spare.reason, state, now_s)
        desired, reason = self._desired(observation, terms, state, spare)
        targets, after = state.follow(observation, desired, self.behaviour, now_s)
        return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), after, now_s)

    def spare(self, observation: Observation, terms: Terms) -> Spare | Missing:
        """What is spare on the replicas of all variants; Missing where a variant with replicas does not report."""
        kv: list[float] = []
        queue: list[float] = []
        for view in (view for view in observation.variants if view.num_ready):
            engine = engine_of(view, terms)
            if isinstance(engine, Missing) or isinstance(view.gauges, Missing):
                return Missing(reason=f"{view.name} does not report how full it is")
            kv += (view.gauges.kv_tokens / engine.kv_capacity_tokens).tolist()
            queue += view.gauges.waiting.tolist()
        if not kv:
            return Missing(reason="no replica is ready")
        return self._spare(kv, queue)

    def can_lose_one(self, spare: Spare) -> bool:
        """Whether the load of one replica, spread over the others, leaves what must be spare."""
        if spare.num < 2:
            return False
        grown = spare.num / (spare.num - 1)
        kv = self.kv_threshold - (self.kv_threshold - spare.kv) * grown
        queue = self.queue_threshold - (self.queue_threshold - spare.queue) * grown
        return kv >= self.kv_spare and queue >= self.queue_spare

    def _spare(self, kv: list[float], queue: list[float]) -> Spare:
        free = [
            (self.kv_threshold - used, self.queue_threshold - waiting)
            for used, waiting in zip(kv, queue, strict=True)
            if used < self.kv_threshold and waiting < self.queue_threshold
        ]
        num = max(1, len(free))
        return Spare(num=len(free), kv=sum(one[0] for one in free) / num, queue=sum(one[1] for one in free) / num)

    def _desired(
        self, observation: Observation, terms: Terms, state: Actuated, spare: Spare
    ) -> tuple[dict[str, int], Reason]:
        facts = {"spare_kv": spare.kv, "spare_queue": spare.queue, "unsaturated": float(spare.num)}
        if any(_in_transition(view, state.desired, terms) for view in observation.variants):
            desired = {view.name: _within(state.desired[view.name], terms) for view in observation.variants}
            return desired, Reason(rule=Rule.HELD, says="held: replicas start or stop", facts=facts)
        present = {view.name: view.num_ready for view in observation.variants}
        if spare.kv < self.kv_spare or spare.queue < self.queue_spare:
            name = min(present, key=lambda name: (cost_of(name, terms), name))
            says = f"{spare.kv:.0%} of KV cache and {spare.queue:.1f} places of queue are spare: one more {name}"
            return present | {name: present[name] + 1}, Reason(rule=Rule.BACKLOG, says=says, facts=facts)
        several = [name for name, num in present.items() if num > 1]
        if several and self.can_lose_one(spare):
            name = max(several, key=lambda name: (cost_of(name, terms), name))
            return present | {name: present[name] - 1}, Reason(
                rule=Rule.PRICE, says=f"the others carry the load of one {name}", facts=facts
            )
        return present, Reason(rule=Rule.DEMAND, says="what is spare suffices, and no more than that", facts=facts)


def settings() -> tuple[WvaV1, ...]:
    """The product's first; then lower KV thresholds, more to spare, and the sample's pace without stabilisation."""
    return tuple(
        WvaV1(kv_threshold=threshold, kv_spare=spare, behaviour=behaviour)
        for behaviour, spare, threshold in product((CHART, SAMPLE), (0.1, 0.2), (0.8, 0.5, 0.3))
    )


def _within(wanted: int, terms: Terms) -> int:
    # A wish beyond the service's bounds would never come true, and the analyser would wait for it for ever.
    return max(0, min(wanted, terms.max_replicas))


def _in_transition(view: VariantView, desired: Mapping[str, int], terms: Terms) -> bool:
    return _within(desired[view.name], terms) != view.target or view.num_ready != view.target

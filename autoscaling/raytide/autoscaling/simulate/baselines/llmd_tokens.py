"""llm-d's token-aware law on KEDA: seconds of prefill that wait, and KV cache in use, each per replica.

Source: llm-d/llm-d, guides/workload-autoscaling/keda-epp-token-aware/optimized-baseline/base/scaledobject.yaml:

    replicas = max(⌈prompt tokens not prefilled / V_P / 1.5 s⌉, ⌈Σ KV utilisation / 0.8⌉)    every 15 s

with V_P the peak prefill rate of a replica (15 928 tokens/s for Qwen3-32B on two H100), then the autoscaler: up by 1
per 180 s, down by 1 per 300 s after 300 s, tolerance 0.1, never below one.
Simplified: V_P comes from the engine's iteration time at a full chunk, where the guide measures it with a script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.hpa import Behaviour, Pace, Scaling, paced, per_pod
from raytide.autoscaling.simulate.baselines.measured import first_engine, prefill_tokens_per_s
from raytide.autoscaling.simulate.baselines.signals import gauges_of
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms

BEHAVIOUR = Behaviour(
    up=Pace(pods=1, share=0.0, period_s=180.0, stabilisation_s=0.0),
    down=Pace(pods=1, share=0.0, period_s=300.0, stabilisation_s=300.0),
)
"""As the guide ships it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmdTokens:
    """One setting of the law."""

    backlog_s: float = 1.5
    """Prefill that may wait, per replica."""
    kv_share: float = 0.8
    """KV cache that may be in use, per replica."""
    behaviour: Behaviour = field(default=BEHAVIOUR)
    interval_s: float = 15.0
    name: str = "llmd-tokens"

    def begin(self, observation: Observation, terms: Terms) -> Scaling:
        """What runs counts as recommended just now, as in the autoscaler."""
        return Scaling(recommended=((observation.at_s, observation.variants[0].target),))

    def decide(self, observation: Observation, terms: Terms, state: Scaling, now_s: float) -> Decision:
        """The greater of both needs, at the autoscaler's pace."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        engine, gauges = first_engine(observation, terms), gauges_of(observation)
        if isinstance(engine, Missing):
            return held(observation, terms, engine.reason, state, now_s)
        if isinstance(gauges, Missing):
            return held(observation, terms, gauges.reason, state, now_s)
        present = observation.variants[0].target
        prefill_s, kv = backlog_s(gauges, engine), kv_replicas(gauges, engine)
        asked = max(1, per_pod(prefill_s, self.backlog_s, present), per_pod(kv, self.kv_share, present))
        target, scaling = paced(present, asked, self.behaviour, state, now_s)
        facts = {"prefill_backlog_s": prefill_s, "kv_replicas": kv, "asked": float(asked)}
        says = f"{prefill_s:.1f} s of prefill wait and {kv:.1f} replicas' KV cache is in use"
        return sized(observation, terms, target, (Reason(rule=Rule.DEMAND, says=says, facts=facts),), scaling, now_s)


def backlog_s(gauges: Gauges, engine: Engine) -> float:
    """Seconds that one replica would take to prefill everything that is not prefilled."""
    return float(gauges.waiting_prompt_tokens.sum()) / prefill_tokens_per_s(engine)


def kv_replicas(gauges: Gauges, engine: Engine) -> float:
    """KV cache in use, in full replicas."""
    return float(gauges.kv_tokens.sum()) / engine.kv_capacity_tokens


def settings() -> tuple[LlmdTokens, ...]:
    """The guide's law first; then less backlog, less KV cache, and the autoscaler's default pace."""
    return tuple(
        LlmdTokens(backlog_s=seconds, kv_share=share, behaviour=behaviour)
        for behaviour, share, seconds in product((BEHAVIOUR, Behaviour()), (0.8, 0.4), (1.5, 0.75, 0.3))
    )

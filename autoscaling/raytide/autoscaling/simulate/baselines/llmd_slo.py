"""llm-d's SLO-aware law on KEDA: the worst P90 latency as a share of its bound is held inside a band.

Source: llm-d/llm-d, guides/workload-autoscaling/README.slo-aware.md. Every 15 s, with `n` replicas wanted, `r` ready:

    s = mean over 45 s of min(2, max(P90 TTFT / bound, P90 TPOT / bound))    P90 over 60 s; 0 where nothing was served
    n + ⌈n·(s·c/θ_up − 1)⌉    where s > θ_up, with the credit c = r/n for replicas that start
    n − ⌊n·(1 − s/θ_down)⌋    where s < θ_down
    n                         otherwise

then a HorizontalPodAutoscaler: up by max(100 %, 4) per 60 s after 30 s, down by 1 per 120 s after 180 s, tolerance 0.1,
never below one.
Simplified: latencies are the measured ones; the guide prefers those that the router predicts and falls back to these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.latency import NO_LATENCIES, Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.hpa import Behaviour, Pace, Scaling, paced, per_pod
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms

QUANTILE = 0.9
QUANTILE_OVER_S = 60.0
SMOOTHED_OVER_S = 45.0

BEHAVIOUR = Behaviour(
    up=Pace(pods=4, share=1.0, period_s=60.0, stabilisation_s=30.0),
    down=Pace(pods=1, share=0.0, period_s=120.0, stabilisation_s=180.0),
)
"""As the guide ships it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Of the last minute: latencies as (at_s, TTFT, TPOT), saturation, and what the autoscaler did."""

    latencies: tuple[tuple[float, Latencies, Latencies], ...]
    saturation: Window
    scaling: Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmdSlo:
    """One setting of the law."""

    up_at: float = 0.55
    down_at: float = 0.40
    clamp: float = 2.0
    behaviour: Behaviour = field(default=BEHAVIOUR)
    interval_s: float = 15.0
    name: str = "llmd-slo"

    def begin(self, observation: Observation, terms: Terms) -> Remembered:
        """Nothing measured; what runs counts as recommended just now, as in the autoscaler."""
        present = Scaling(recommended=((observation.at_s, observation.variants[0].target),))
        return Remembered(latencies=(), saturation=Window(length_s=SMOOTHED_OVER_S), scaling=present)

    def decide(self, observation: Observation, terms: Terms, state: Remembered, now_s: float) -> Decision:
        """The law on the smoothed saturation, then the autoscaler's pace."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        if isinstance(observation.demand, Missing):
            return held(observation, terms, observation.demand.reason, state, now_s)
        seen = self._observed(observation.demand, terms, state, now_s)
        view, saturation = observation.variants[0], seen.saturation.mean
        asked = self.asked(saturation, view.target, view.num_ready)
        wanted = per_pod(float(max(1, asked)), 1.0, view.target)
        target, scaling = paced(view.target, wanted, self.behaviour, seen.scaling, now_s)
        return sized(
            observation, terms, target, _reasons(saturation, asked, target), replace(seen, scaling=scaling), now_s
        )

    def asked(self, saturation: float, wanted: int, ready: int) -> int:
        """What the formula asks for, with `wanted` replicas of which `ready` serve."""
        if saturation > self.up_at:
            credit = ready / wanted if 0 < ready < wanted else 1.0
            return wanted + math.ceil(round(wanted * (saturation * credit / self.up_at - 1.0), 9))
        if saturation < self.down_at:
            return wanted - math.floor(round(wanted * (1.0 - saturation / self.down_at), 9))
        return wanted

    def _observed(self, demand: Demand, terms: Terms, state: Remembered, now_s: float) -> Remembered:
        kept = tuple(one for one in state.latencies if one[0] > now_s - QUANTILE_OVER_S)
        latencies = (*kept, (now_s, demand.ttft, demand.tpot))
        ttft = _share(sum((one[1] for one in latencies), NO_LATENCIES), terms.objective.ttft_s)
        tpot = _share(sum((one[2] for one in latencies), NO_LATENCIES), terms.objective.tpot_s)
        saturation = state.saturation.add(now_s, min(self.clamp, max(ttft, tpot)))
        return replace(state, latencies=latencies, saturation=saturation)


def settings() -> tuple[LlmdSlo, ...]:
    """The guide's law first; then other bands, and the autoscaler's default pace."""
    bands = ((0.55, 0.40), (0.45, 0.30), (0.35, 0.25), (0.65, 0.50), (0.75, 0.60), (0.90, 0.70))
    return tuple(
        LlmdSlo(up_at=up_at, down_at=down_at, behaviour=behaviour)
        for behaviour, (up_at, down_at) in product((BEHAVIOUR, Behaviour()), bands)
    )


def _share(latencies: Latencies, bound_s: float) -> float:
    quantile_s = latencies.quantile(QUANTILE)
    return 0.0 if isinstance(quantile_s, Missing) else quantile_s / bound_s


def _reasons(saturation: float, asked: int, target: int) -> tuple[Reason, ...]:
    says = f"P90 latency is at {saturation:.0%} of its bound, which asks for {asked}"
    by_law = Reason(rule=Rule.OBJECTIVE, says=says, facts={"saturation": saturation, "asked": float(asked)})
    if target == asked:
        return (by_law,)
    return by_law, Reason(rule=Rule.STABILISED, says=f"the autoscaler's pace goes to {target}", facts={"asked": asked})

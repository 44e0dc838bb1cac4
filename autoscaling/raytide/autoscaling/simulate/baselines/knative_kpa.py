"""Knative's pod autoscaler: concurrency over a stable window, and over a short one in panic.

Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go, and config-autoscaler. With the concurrency `s` of the
last 60 s, `p` of the last 6 s, `t` = 0.7·c wanted per replica, and `r` ready replicas, at least 1:

    desired = ⌈s/t⌉ within ⌊r/2⌋ … 1000·r
    panic   = ⌈p/t⌉ within ⌊r/2⌋ … 1000·r   once ⌈p/t⌉/r ≥ 2, until 60 s after that last held

In panic the greater of both counts and nothing shrinks. A start beside more than one replica is a panic of that many.

Simplified: no grace period before the last replica goes, no target burst capacity (it moves a proxy, not replicas).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.signals import in_flight
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms

MAX_SCALE_UP = 1000.0
MAX_SCALE_DOWN = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panic:
    """A panic under way."""

    at_s: float
    """When the concurrency was last above the threshold."""
    most: int
    """Most replicas wanted during it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """What the autoscaler remembers."""

    stable: Window
    short: Window
    panic: Panic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnativeKpa:
    """Concurrency per replica, with panic."""

    concurrency: float = 100.0
    """Of one replica; the default of Knative where a revision sets none."""
    utilisation: float = 0.7
    stable_window_s: float = 60.0
    panic_window_share: float = 0.1
    panic_threshold: float = 2.0
    name: str = "knative-kpa"
    interval_s: float = 2.0

    def begin(self, observation: Observation, terms: Terms) -> Concurrency:
        """Empty windows, in panic where more than one replica is ready."""
        num_ready = observation.variants[0].num_ready
        return Concurrency(
            stable=Window(length_s=self.stable_window_s),
            short=Window(length_s=self.stable_window_s * self.panic_window_share),
            panic=Panic(at_s=observation.at_s, most=num_ready) if num_ready > 1 else None,
        )

    def decide(self, observation: Observation, terms: Terms, state: Concurrency, now_s: float) -> Decision:
        """As many replicas as the mean concurrency asks for."""
        requests = in_flight(observation)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        stable, short = state.stable.add(now_s, requests.total), state.short.add(now_s, requests.total)
        target, panic = self.recommend(stable.mean, short.mean, observation.variants[0].num_ready, state.panic, now_s)
        kept = Concurrency(stable=stable, short=short, panic=panic)
        return sized(observation, terms, target, (_reason(kept, target),), kept, now_s)

    def recommend(
        self, stable: float, short: float, num_ready: int, panic: Panic | None, now_s: float
    ) -> tuple[int, Panic | None]:
        """Replicas for these mean concurrencies, and the panic that follows."""
        ready, per_replica = max(1, num_ready), self.utilisation * self.concurrency
        by_stable = _within(math.ceil(stable / per_replica), ready)
        by_short = _within(math.ceil(short / per_replica), ready)
        over = math.ceil(short / per_replica) / ready >= self.panic_threshold
        panic = self._panic(panic, over, now_s)
        if panic is None:
            return by_stable, None
        most = max(by_stable, by_short, panic.most)
        return most, Panic(at_s=panic.at_s, most=most)

    def _panic(self, panic: Panic | None, over: bool, now_s: float) -> Panic | None:
        if over:
            return Panic(at_s=now_s, most=0 if panic is None else panic.most)
        if panic is not None and now_s - panic.at_s > self.stable_window_s:
            return None
        return panic


def _within(desired: int, ready: int) -> int:
    return min(max(desired, math.floor(ready / MAX_SCALE_DOWN)), math.ceil(ready * MAX_SCALE_UP))


def _reason(kept: Concurrency, target: int) -> Reason:
    facts = {"stable": kept.stable.mean, "short": kept.short.mean, "panic": float(kept.panic is not None)}
    mode = "in panic" if kept.panic else "stable"
    says = f"{kept.stable.mean:.1f} requests in flight, {kept.short.mean:.1f} just now: {target}, {mode}"
    return Reason(rule=Rule.DEMAND, says=says, facts=facts)


def settings() -> tuple[KnativeKpa, ...]:
    """The concurrency of a replica, and the stable window."""
    return grid(KnativeKpa(), concurrency=(100.0, 8.0, 16.0, 24.0, 40.0, 64.0), stable_window_s=(60.0, 180.0))

"""Kthena's heterogeneous autoscaling: one number for all variants, filled from packages that grow with the cost.

Source: volcano-sh/kthena, pkg/autoscaler/algorithm/{recommendation,revision}.go, pkg/autoscaler/autoscaler/optimizer.go
and the defaults of its webhook. Every 15 s, with `m` the requests in flight, `t` wanted per replica, `r` ready and `s`
starting replicas of all variants:

    ratio     = m/(t·r), and where it is at least 1, m/(t·(r + s)), which may not turn it below 1
    desired   = the present number where |ratio − 1| ≤ 0.1, else ⌈m/t⌉
    stable    : up to twice per 15 s, or one; down to the greatest of 300 s
    panic     : for 60 s after desired ≥ 200 % of the present number: up to eleven times, never down

The number is then filled from packages of 1, 2, 4, … replicas of each variant, cheapest package first.
Simplified: the metric is ours to choose in Kthena as well; what waits at the gateway counts as in flight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, mixed
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.hpa import Behaviour, Pace, Scaling, paced
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.simulate.baselines.wva_actuator import cost_of
from raytide.autoscaling.terms import Terms

TOLERANCE = 0.1
PANIC_FROM = 2.0
PANIC_GROWTH = 11.0
"""1000 % more than there are."""
BEHAVIOUR = Behaviour(
    up=Pace(pods=1, share=1.0, period_s=15.0, stabilisation_s=0.0),
    down=Pace(pods=1, share=1.0, period_s=15.0, stabilisation_s=300.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """What the stable policy remembers, and until when it panics."""

    scaling: Scaling
    panic_until_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Replicas of one variant that are added together."""

    variant: str
    replicas: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kthena:
    """One setting of the policy."""

    per_replica: float = 16.0
    expansion: float = 2.0
    """Each package of a variant holds so many times the replicas of the one before; 1 takes a variant as a whole."""
    panic_s: float = 60.0
    interval_s: float = 15.0
    name: str = "kthena"

    def begin(self, observation: Observation, terms: Terms) -> Paced:
        """What runs counts as recommended just now."""
        present = sum(view.target for view in observation.variants)
        return Paced(scaling=Scaling(recommended=((observation.at_s, present),)))

    def decide(self, observation: Observation, terms: Terms, state: Paced, now_s: float) -> Decision:
        """One number for all variants, then the cheapest packages."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        requests = _in_flight(observation)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        present = sum(view.target for view in observation.variants)
        desired = self.desired(requests, sum(view.num_ready for view in observation.variants), present)
        desired = min(max(1, terms.min_replicas, desired), terms.max_replicas)
        panic_until_s = now_s + self.panic_s if desired >= PANIC_FROM * present else state.panic_until_s
        target, scaling = paced(present, desired, BEHAVIOUR, state.scaling, now_s)
        if now_s < panic_until_s:
            target = max(present, min(desired, math.floor(PANIC_GROWTH * present)))
        facts = {"in_flight": float(requests), "desired": float(desired), "target": float(target)}
        reason = Reason(rule=Rule.DEMAND, says=f"{requests} requests in flight ask for {desired}", facts=facts)
        wanted = filled(target, packages(observation, terms, self.expansion))
        after = Paced(scaling=scaling, panic_until_s=panic_until_s)
        return mixed(observation, terms, wanted, dict.fromkeys(wanted, (reason,)), after, now_s)

    def desired(self, requests: int, ready: int, present: int) -> int:
        """Replicas for these requests; those that start count as idle where there are too many requests."""
        ratio = requests / (self.per_replica * max(1, ready))
        if ratio >= 1.0 and present > ready:
            ratio = max(1.0, requests / (self.per_replica * present))
        if abs(ratio - 1.0) <= TOLERANCE:
            return present
        return math.ceil(requests / self.per_replica)


def packages(observation: Observation, terms: Terms, expansion: float) -> tuple[Package, ...]:
    """The packages of all variants, cheapest first, of equal ones the first declared."""
    unsorted = [package for view in observation.variants for package in _packages(view.name, terms, expansion)]
    return tuple(sorted(unsorted, key=lambda package: package.cost))


def filled(target: int, order: tuple[Package, ...]) -> dict[str, int]:
    """How many of each variant come to so many replicas in this order."""
    wanted = dict.fromkeys((package.variant for package in order), 0)
    for package in order:
        added = min(package.replicas, target)
        wanted[package.variant] += added
        target -= added
    return wanted


def settings() -> tuple[Kthena, ...]:
    """Requests per replica, and how fast packages grow."""
    return grid(Kthena(), per_replica=(16.0, 8.0, 32.0, 48.0), expansion=(2.0, 1.0, 4.0))


def _packages(name: str, terms: Terms, expansion: float) -> list[Package]:
    quota = terms.variant(name).max_replicas
    left = terms.max_replicas if quota is None else min(quota, terms.max_replicas)
    one, size, built = cost_of(name, terms), 1.0, []
    if expansion == 1.0:
        return [Package(variant=name, replicas=left, cost=one)]
    while left > 0:
        replicas = min(left, math.floor(size))
        built.append(Package(variant=name, replicas=replicas, cost=one * replicas))
        left, size = left - replicas, size * expansion
    return built


def _in_flight(observation: Observation) -> int | Missing:
    total = observation.num_queued
    for view in (view for view in observation.variants if view.num_ready):
        if isinstance(view.gauges, Missing):
            return view.gauges
        total += int(view.gauges.running.sum() + view.gauges.waiting.sum())
    return total

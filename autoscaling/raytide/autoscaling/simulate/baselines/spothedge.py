"""SkyServe's SpotHedge: spot replicas over several locations, on-demand ones for those that are not ready.

Source: skypilot-org/skypilot, sky/serve/autoscalers.py (FallbackRequestRateAutoscaler) and spot_placer.py
(DynamicFallbackSpotPlacer). With `final` = what `sky_hysteresis` wants and the overprovisioning:

    spot      = final − base
    on-demand = base + max(0, spot − ready spot)

A new spot replica goes to the least used active location, the cheapest of these. A location that took a replica away
or had none to give is inactive until one becomes ready there; with fewer than two active ones all are active again.

Here each spot variant is a location and the cheapest other variant is the on-demand one; the rest is not used.
Simplified: replicas leave the most used location first, where the product looks at their status and age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.simulate.baselines.bounds import mixed
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.sky_hysteresis import TICK_S, Hysteresis, Wanted, begin
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """What autoscaler and placer remember."""

    wanted: Wanted
    inactive: frozenset[str] = frozenset()
    """Locations without spot capacity of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotHedge:
    """Requests per second per replica, on spot with a fallback."""

    target_qps: float = 2.5
    base_on_demand: int = 0
    num_overprovision: int = 0
    upscale_delay_s: float = 300.0
    downscale_delay_s: float = 1200.0
    name: str = "spothedge"
    interval_s: float = TICK_S

    def begin(self, observation: Observation, terms: Terms) -> Hedge:
        """The present number of all replicas, all locations active."""
        return Hedge(wanted=begin(sum(view.target for view in observation.variants)))

    def decide(self, observation: Observation, terms: Terms, state: Hedge, now_s: float) -> Decision:
        """Spot replicas for the rate, and on-demand ones for those that are not ready."""
        delays = Hysteresis(
            target_qps=self.target_qps,
            upscale_delay_s=self.upscale_delay_s,
            downscale_delay_s=self.downscale_delay_s,
        )
        wanted = delays.next(state.wanted, observation.demand, terms, now_s)
        spot = tuple(view for view in observation.variants if terms.variant(view.name).spot)
        inactive = _inactive(spot, state.inactive)
        targets, reason = self._place(observation, spot, inactive, wanted, terms)
        kept = replace(state, wanted=wanted, inactive=inactive)
        return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), kept, now_s)

    def _place(
        self,
        observation: Observation,
        spot: tuple[VariantView, ...],
        inactive: frozenset[str],
        wanted: Wanted,
        terms: Terms,
    ) -> tuple[dict[str, int], Reason]:
        final = wanted.replicas + self.num_overprovision
        fallback = _fallback(observation, terms)
        num_spot = max(0, final - (self.base_on_demand if fallback else 0)) if spot else 0
        num_ready = sum(view.num_ready for view in spot)
        num_fallback = final - num_spot + max(0, num_spot - num_ready)
        targets = {view.name: 0 for view in observation.variants}
        targets |= spread(num_spot, spot, inactive, terms)
        targets |= {fallback: num_fallback} if fallback else {}
        facts = {
            "qps": wanted.qps,
            "final": final,
            "spot": num_spot,
            "ready_spot": num_ready,
            "on_demand": num_fallback,
        }
        says = (
            f"{final} replicas: {num_spot} on spot, {num_ready} of them ready, {num_fallback if fallback else 0} beside"
        )
        return targets, Reason(rule=Rule.DEMAND, says=says, facts=facts)


def spread(num_spot: int, spot: tuple[VariantView, ...], inactive: frozenset[str], terms: Terms) -> Mapping[str, int]:
    """How many replicas each location should have: what lives stays, new ones go where few are, and to the cheapest."""
    placed = {view.name: min(view.target, view.num_ready + view.num_starting) for view in spot}
    active = [name for name in placed if name not in inactive]
    for _ in range(num_spot - sum(placed.values()) if active else 0):
        placed[min(active, key=lambda name: (placed[name], _price(terms, name)))] += 1
    for _ in range(sum(placed.values()) - num_spot):
        placed[max(placed, key=lambda name: (placed[name], _price(terms, name)))] -= 1
    return placed


def _inactive(spot: tuple[VariantView, ...], inactive: frozenset[str]) -> frozenset[str]:
    back = {view.name for view in spot if view.became_ready_after_s}
    lost = {view.name for view in spot if view.num_preempted or view.num_failed_starts}
    left = (inactive - back) | lost
    return left if len(spot) - len(left) >= 2 else frozenset()


def _fallback(observation: Observation, terms: Terms) -> str | None:
    names = [view.name for view in observation.variants if not terms.variant(view.name).spot]
    return min(names, key=lambda name: _price(terms, name)) if names else None


def _price(terms: Terms, name: str) -> float:
    price = terms.variant(name).usd_per_hour
    return float("inf") if isinstance(price, Missing) else price


def settings() -> tuple[SpotHedge, ...]:
    """The rate of a replica, and the replicas on top."""
    return grid(SpotHedge(), target_qps=(2.5, 1.0, 4.0, 7.0), num_overprovision=(0, 1, 2))

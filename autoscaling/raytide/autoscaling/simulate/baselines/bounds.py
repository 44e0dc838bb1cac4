"""From a wanted number to a decision: the bounds of the service and the quota of a variant, the same for every peer.

Most peers size one kind of replica. They size the first variant, and what runs of the others stays and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.terms import Terms


def sized(
    observation: Observation, terms: Terms, wanted: int, reasons: Sequence[Reason], state: Any, now_s: float
) -> Decision:
    """The first variant at `wanted` replicas or the bound that it meets; the other variants as they are."""
    first = observation.variants[0]
    targets = {view.name: view.target for view in observation.variants}
    return mixed(observation, terms, targets | {first.name: wanted}, {first.name: reasons}, state, now_s)


def held(observation: Observation, terms: Terms, missing: str, state: Any, now_s: float) -> Decision:
    """Every variant as it is, within the bounds, because `missing` is not known."""
    reason = Reason(rule=Rule.HELD, says=f"held: {missing}")
    targets = {view.name: view.target for view in observation.variants}
    return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), state, now_s)


def mixed(
    observation: Observation,
    terms: Terms,
    wanted: Mapping[str, int],
    reasons: Mapping[str, Sequence[Reason]],
    state: Any,
    now_s: float,
) -> Decision:
    """Every variant at its wanted number, or at the bound that it meets.

    Above the maximum of the service the dearest variants give way; below its minimum the first one grows.
    """
    own = {view.name: within_quota(wanted[view.name], _quota(terms, view.name)) for view in observation.variants}
    both = _fitted(own, terms)
    decided = tuple(
        VariantDecision(
            variant=view.name,
            target=both[view.name],
            previous=view.target,
            reasons=(
                *reasons.get(view.name, (_KEPT,)),
                *_bounds_met(wanted[view.name], own[view.name], both[view.name]),
            ),
        )
        for view in observation.variants
    )
    return Decision(at_s=now_s, variants=decided, state=state)


def within_quota(wanted: int, quota: int | None) -> int:
    """No fewer than none, and no more than the quota."""
    return max(0, wanted if quota is None else min(wanted, quota))


_KEPT = Reason(rule=Rule.HELD, says="this policy sizes another variant")


def _quota(terms: Terms, name: str) -> int | None:
    return terms.variant(name).max_replicas


def _fitted(targets: Mapping[str, int], terms: Terms) -> dict[str, int]:
    fitted = dict(targets)
    excess = sum(fitted.values()) - terms.max_replicas
    for name in sorted(fitted, key=lambda name: _price(terms, name), reverse=True) if excess > 0 else ():
        given = min(fitted[name], excess)
        fitted[name] -= given
        excess -= given
    lack = terms.min_replicas - sum(fitted.values())
    for name in fitted if lack > 0 else ():
        grown = within_quota(fitted[name] + lack, _quota(terms, name))
        lack -= grown - fitted[name]
        fitted[name] = grown
    return fitted


def _price(terms: Terms, name: str) -> float:
    price = terms.variant(name).usd_per_hour
    return float("inf") if isinstance(price, Missing) else price


def _bounds_met(wanted: int, within: int, target: int) -> tuple[Reason, ...]:
    facts = {"wanted": float(wanted), "target": float(target)}
    if target > within:
        return (Reason(rule=Rule.MIN_REPLICAS, says=f"the service's minimum asks for {target}", facts=facts),)
    if target < within:
        return (Reason(rule=Rule.MAX_REPLICAS, says=f"the service's maximum leaves {target}", facts=facts),)
    if within < wanted:
        return (Reason(rule=Rule.QUOTA, says=f"the variant's quota leaves {target}", facts=facts),)
    return ()

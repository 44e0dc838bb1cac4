"""From what is needed to targets of variants: the way to the cheapest mix, where it is worth a move.

It is made before what it replaces is broken.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import VariantView
from raytide.autoscaling.optimise.breaker import NEVER_FAILED
from raytide.autoscaling.optimise.mix import Mix, cheapest_mix
from raytide.autoscaling.optimise.option import Bounds, Option
from raytide.autoscaling.policy.ahead import Ahead
from raytide.autoscaling.policy.hedge import assured, hedged, usd_per_hour
from raytide.autoscaling.policy.hold import beside
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.rolling import Way, rolled
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.policy.within import Bounded, Targets, within
from raytide.autoscaling.terms import Terms

_LEAST_S: Final = 30.0
"""Of a horizon, where everything starts at once."""
_WORTH_A_MOVE: Final = 0.02
"""A mix that saves less than this share is not worth moving replicas for."""


def spread(
    needed: Ahead,
    supplies: tuple[Supply, ...],
    others: tuple[VariantView, ...],
    terms: Terms,
    known: Knowledge,
    now_s: float,
) -> Bounded:
    """Targets by variant for what is needed in replicas of the first supply, and the reasons of what bounds them.

    The `others`, of which nothing is known, stay as they are within the bounds.
    """
    targets, reasons, dearest = _spread(needed, supplies, beside(others, terms), known, now_s)
    held = {view.name: view.target for view in others}
    views = (*(supply.view for supply in supplies), *others)
    bounded, binding = within({**targets, **held}, views, terms, (*dearest, *held))
    return bounded, (*reasons, *_floored(needed.later, bounded, terms), *binding)


def _spread(
    needed: Ahead, supplies: tuple[Supply, ...], terms: Terms, known: Knowledge, now_s: float
) -> tuple[Targets, tuple[Reason, ...], tuple[str, ...]]:
    """Targets, their reasons, and the names by what a unit of their work costs, the dearest first."""
    priced = not any(isinstance(supply.variant.usd_per_hour, Missing) for supply in supplies)
    options = tuple([_option(supply, known, now_s, priced=priced) for supply in supplies])
    if len(options) == 1:
        targets, reasons = _alone(max(needed.later, terms.min_replicas), options[0])
        return targets, reasons, (options[0].variant,)
    way = _way(needed, supplies[0].bears)
    targets, reasons = _mixed(way, options, _bounds(options, terms, priced=priced), rolls=_rolls(needed, options))
    dearest = sorted([(-_usd_per_work(option), option.variant) for option in options])
    return _made_before_broken(targets, supplies, way.soon), reasons, tuple([name for _, name in dearest])


def _way(needed: Ahead, bears: float) -> Way:
    return Way(
        soon=needed.soon * bears,
        later=needed.later * bears,
        soon_s=needed.soon_s,
        later_s=max(needed.later_s, _LEAST_S),
    )


def _rolls(needed: Ahead, options: tuple[Option, ...]) -> bool:
    """Whether the way to the cheapest mix matters: where starts differ, or a replica is paid for in any case."""
    return needed.has_bridge or any(option.min_billing_s > 0 for option in options)


def _option(supply: Supply, known: Knowledge, now_s: float, *, priced: bool) -> Option:
    """The variant as the optimiser sees it; where any price is missing, GPUs are compared instead of dollars."""
    variant, view = supply.variant, supply.view
    price = variant.usd_per_hour
    max_new = known.breakers.get(variant.name, NEVER_FAILED).at(now_s).max_new(view.num_starting)
    return Option(
        variant=variant.name,
        capacity=supply.bears,
        usd_per_hour=price if priced and not isinstance(price, Missing) else float(variant.num_gpus),
        num_ready=view.num_ready,
        # What is late is expected to be as late again.
        starting_ready_in_s=tuple([abs(supply.cold_start_s - since_s) for since_s in view.starting_for_s]),
        num_draining=view.num_draining,
        cold_start_s=supply.cold_start_s,
        max_replicas=variant.max_replicas,
        spot=variant.spot,
        preemption_rate_per_hour=known.preempted_per_hour.get(variant.name, 0.0),
        available=max_new != 0,
        max_new=max_new,
        min_billing_s=variant.min_billing_s,
        min_billing_left_s=_billed_s(supply, known, now_s),
        num_gpus=variant.num_gpus,
    )


def _billed_s(supply: Supply, known: Knowledge, now_s: float) -> tuple[float, ...]:
    """How much longer replicas are paid for in any case: those that start, and those that were seen to."""
    least_s = supply.variant.min_billing_s
    if least_s <= 0:
        return ()
    started = (until_s - now_s for until_s in known.billed_until_s.get(supply.variant.name, ()))
    return (*started, *(left for since_s in supply.view.starting_for_s if (left := least_s - since_s) > 0))


def _alone(count: int, option: Option) -> tuple[Targets, tuple[Reason, ...]]:
    most = option.num_now + (count if option.max_new is None else option.max_new)
    if count <= most:
        return {option.variant: count}, ()
    says = f"{count} wanted, {most} of {option.variant} can be had"
    return {option.variant: most}, (Reason(rule=Rule.UNAVAILABLE, says=says, facts={"need": most}),)


def _mixed(way: Way, options: tuple[Option, ...], bounds: Bounds, *, rolls: bool) -> tuple[Targets, tuple[Reason, ...]]:
    """The next step to the cheapest mix; none where what runs is as good."""
    mix, counts = _cheapest(way.later, options, bounds)
    now = {option.variant: option.num_now for option in options}
    is_there = not rolls or sum(option.capacity * option.num_ready for option in options) >= way.soon
    if is_there and _stays(now, usd_per_hour(counts, options), options, way.later, bounds):
        return now, ()
    if not rolls:
        return counts, (_said(mix, counts, options),)
    targets, planned = rolled(counts, options, way, bounds)
    if sum(targets.values()) < bounds.min_replicas:
        return counts, (_said(mix, counts, options),)
    if sum(now.values()) >= bounds.min_replicas and planned.saves_usd <= _WORTH_A_MOVE * planned.usd:
        return now, ()
    return targets, (_said(mix, counts, options), *_on_the_way(targets, counts, options, way))


def _cheapest(work: float, options: tuple[Option, ...], bounds: Bounds) -> tuple[Mix, Targets]:
    """The cheapest mix, with what its spot replicas need beside them; or the one without any where that costs less."""
    mix = cheapest_mix(options, work, bounds)
    counts = hedged(mix.counts, options, work, bounds.max_replicas)
    firm = tuple(option for option in options if not option.spot)
    if counts != mix.counts and firm:
        plain = cheapest_mix(firm, work, bounds)
        if plain.uncovered <= mix.uncovered and plain.usd_per_hour <= usd_per_hour(counts, options):
            mix, counts = plain, {**dict.fromkeys(mix.counts, 0), **plain.counts}
    return mix, counts


def _bounds(options: tuple[Option, ...], terms: Terms, *, priced: bool) -> Bounds:
    """The bounds of a mix; what drains leaves the budget to what runs, and only new orders wait until it is gone."""
    bounds = Bounds(max_replicas=terms.max_replicas, min_replicas=terms.min_replicas)
    if terms.max_usd_per_hour is None or not priced:
        return bounds
    now_usd = sum(option.usd_per_hour * option.num_now for option in options)
    draining_usd = sum(option.usd_per_hour * option.num_draining for option in options)
    usd = max(terms.max_usd_per_hour, draining_usd + min(now_usd, terms.max_usd_per_hour))
    return replace(bounds, max_usd_per_hour=usd)


def _stays(now: Targets, usd: float, options: tuple[Option, ...], work: float, bounds: Bounds) -> bool:
    """Whether what runs is sure to cover the work within the bounds, for hardly more than `usd` per hour."""
    covers = assured(now, options) >= work > 0
    quoted = all(option.max_replicas is None or now[option.variant] <= option.max_replicas for option in options)
    counted = bounds.min_replicas <= sum(now.values()) <= bounds.max_replicas
    return covers and quoted and counted and usd_per_hour(now, options) <= (1 + _WORTH_A_MOVE) * usd


def _on_the_way(targets: Targets, end: Targets, options: tuple[Option, ...], way: Way) -> tuple[Reason, ...]:
    """Why the targets of now are others than the mix that they lead to."""
    if targets == end:
        return ()
    usd = usd_per_hour(targets, options)
    says = f"{_named(targets)} for ${usd:.2f}/h until replicas that take {way.later_s:.0f} s to start are in"
    facts = {"usd_per_hour": usd, "work_soon": way.soon, "work_later": way.later, "lead_s": way.later_s}
    return (Reason(rule=Rule.PRICE, says=says, facts=facts),)


def _named(counts: Targets) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _said(mix: Mix, counts: Targets, options: tuple[Option, ...]) -> Reason:
    usd = usd_per_hour(counts, options)
    says = f"{_named(counts)} for ${usd:.2f}/h"
    facts = {"usd_per_hour": usd, "uncovered_work": mix.uncovered}
    if counts != mix.counts:
        beside = sum(counts.values()) - sum(mix.counts.values())
        says += f", {beside} of them for spot replicas that may be taken away"
        facts["beside_spot"] = beside
    if mix.runner_up is not None:
        says += f"; without the main variant ${mix.runner_up.usd_per_hour:.2f}/h"
        facts["runner_up_usd_per_hour"] = mix.runner_up.usd_per_hour
    return Reason(rule=Rule.PRICE, says=says, facts=facts)


def _floored(count: int, targets: Targets, terms: Terms) -> tuple[Reason, ...]:
    total = sum(targets.values())
    if not count < terms.min_replicas == total:
        return ()
    says = f"{count} wanted, at least {total} are declared"
    return (Reason(rule=Rule.MIN_REPLICAS, says=says, facts={"need": total}),)


def _made_before_broken(targets: Targets, supplies: tuple[Supply, ...], work: float) -> Targets:
    """A variant gives up ready replicas only as far as the ready ones of all variants still cover the work."""
    kept = dict(targets)
    ready = sum(min(kept[s.variant.name], s.view.num_ready) * s.bears for s in supplies)
    for supply in supplies:
        name, view = supply.variant.name, supply.view
        going = view.num_ready - kept[name]
        if going > 0 and ready < work:
            stay = min(going, math.ceil((work - ready) / supply.bears - 1e-9))
            kept[name] += stay
            ready += stay * supply.bears
    return kept


def _usd_per_work(option: Option) -> float:
    return option.usd_per_hour / option.capacity if option.capacity > 0 else math.inf

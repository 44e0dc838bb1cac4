"""Whose requests are turned away while the bounds allow less than is needed now: those of the lowest priority first.

Only where a bound holds the fleet back, and only where even the fleet that it allows would be too small: replicas that
are on their way and will do are waited for. What is let in is then what the replicas that are ready now can serve, not
what will be ready later: the queue of a cold start outlives it where the fleet has nothing to spare afterwards, and
every request behind a queue longer than the TTFT bound misses, whatever its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.forecast.work import Work, decode_work_s
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import ClassDemand, Demand
from raytide.autoscaling.optimise.budget import ClassLoad, shed
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.policy.within import Targets
from raytide.autoscaling.terms import Terms

_RECENT_S: Final = 15.0
"""Over which a class's load is averaged: some requests even at one per second, and soon enough for a jump."""
_FILLED: Final = 0.92
"""Of what a replica bears: at the whole of it TPOT stands at its bound, and half of the requests are above."""
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The share of each class that is let in, and why where one is not let in whole."""

    served: Mapping[str, float]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capacity:
    """Work per second, in the units of the first supply, beside what is needed of it now."""

    needed: float
    """For what arrives, so that nothing waits beyond the slack of the objectives."""
    waiting: float
    """For what waits already, to be worked off before it makes the next ones miss."""
    ready: float
    """Of the replicas that serve now and stay."""
    allowed: float
    """Of all that the bounds allow, once it is ready."""


def admission(count: int, targets: Targets, supplies: tuple[Supply, ...], terms: Terms, known: Knowledge) -> Admission:
    """The shares for the time until the next decision, where `count` replicas of the first supply were wanted.

    Everything is let in while no bound binds, and where nothing is known of the classes or of the engine of a variant.
    """
    everything = all_served(terms)
    unknown = not (terms.classes and known.class_work) or len(supplies) < len(targets)
    if unknown or not _is_bound(count, targets, supplies, terms):
        return everything
    capacity = _capacity(targets, supplies, terms, known)
    if capacity.needed + capacity.waiting <= capacity.allowed:
        return everything
    kept = shed(_loads(known.class_work, capacity.needed, terms), capacity.ready - capacity.waiting)
    if kept.shed_work <= 0:
        return everything
    facts = {
        "needed_work": capacity.needed,
        "waiting_work": capacity.waiting,
        "ready_work": capacity.ready,
        "allowed_work": capacity.allowed,
        "shed_work": kept.shed_work,
        "value_of_more": kept.value_of_more,
    }
    says = f"{capacity.needed:.2f} of work per second is needed, {capacity.ready:.2f} is ready and the bounds allow "
    says += f"{capacity.allowed:.2f}: {_said(kept.served)} let in"
    return Admission(served=kept.served, reasons=(Reason(rule=Rule.SHED, says=says, facts=facts),))


def all_served(terms: Terms) -> Admission:
    """Nobody is turned away."""
    return Admission(served={one.name: 1.0 for one in terms.classes})


def still_served(terms: Terms, known: Knowledge, why: Reason) -> Admission:
    """The shares as they were: what nobody reports did not go away."""
    served = {one.name: known.served.get(one.name, 1.0) for one in terms.classes}
    return Admission(served=served, reasons=(why,) if min(served.values(), default=1.0) < 1 else ())


def class_work_after(before: Mapping[str, float], work: Work, demand: Demand, engine: Engine) -> Mapping[str, float]:
    """Work per second that each class has asked for lately; as before where arrivals are not told by class."""
    if isinstance(demand.by_class, Missing) or demand.span_s <= 0:
        return before
    now = {one.name: _work_s(one, work, engine) / demand.span_s for one in demand.by_class}
    gain = min(1.0, demand.span_s / _RECENT_S)
    return {name: before[name] + gain * (each - before[name]) if name in before else each for name, each in now.items()}


def share_let_in(work: Work, demand: Demand, engine: Engine) -> float:
    """The share of the arrived work that was not turned away, 1 where arrivals are not told by class."""
    if isinstance(demand.by_class, Missing):
        return 1.0
    arrived = [(one, _work_s(one, work, engine)) for one in demand.by_class]
    lost = sum(own * one.num_shed / max(one.num_arrivals, one.num_shed, 1) for one, own in arrived)
    return 1.0 - lost / sum(own for _, own in arrived) if lost else 1.0


def _work_s(one: ClassDemand, work: Work, engine: Engine) -> float:
    """Answers are taken to be as long in every class: how long those would have been that were shed, nobody knows."""
    return engine.iteration.per_prefill_token_s * one.prompt_tokens + one.num_arrivals * decode_work_s(work, engine)


def _is_bound(count: int, targets: Targets, supplies: tuple[Supply, ...], terms: Terms) -> bool:
    """Whether less is allowed than was wanted; more than `max_replicas` are never wanted, so that many always bind."""
    wanted = count * supplies[0].bears
    short = sum(targets[supply.variant.name] * supply.bears for supply in supplies) < wanted * (1 - _ROUNDING)
    return short or sum(targets.values()) >= terms.max_replicas


def _capacity(targets: Targets, supplies: tuple[Supply, ...], terms: Terms, known: Knowledge) -> _Capacity:
    ready = allowed = 0.0
    for supply in supplies:
        target = targets[supply.variant.name]
        ready += supply.bears * min(supply.view.num_ready, target)
        allowed += supply.bears * target
    gauges = [supply.view.gauges for supply in supplies if not isinstance(supply.view.gauges, Missing)]
    tokens = int(np.concatenate([each.waiting_prompt_tokens for each in gauges]).sum()) if gauges else 0
    counted = _FILLED * known.stretch.factor
    within_s = max(terms.objective.ttft_s, known.last_span_s)  # a decision cannot mend what is over before the next one
    return _Capacity(
        needed=known.needs[-1],
        waiting=supplies[0].engine.iteration.per_prefill_token_s * tokens / within_s,
        ready=counted * ready,
        allowed=counted * allowed,
    )


def _loads(class_work: Mapping[str, float], needed: float, terms: Terms) -> tuple[ClassLoad, ...]:
    """What each class asks of what is needed; a burst beyond their averages falls to the class that is served last."""
    total = sum(class_work.values())
    scale = min(1.0, needed / total) if total > 0 else 0.0
    work = {one.name: scale * class_work.get(one.name, 0.0) for one in terms.classes}
    last = min(terms.classes, key=lambda one: (one.priority, one.value, one.name))
    work[last.name] += max(0.0, needed - scale * total)
    return tuple(
        ClassLoad(name=one.name, work=work[one.name], priority=one.priority, value_per_work=one.value)
        for one in terms.classes
    )


def _said(served: Mapping[str, float]) -> str:
    return ", ".join(f"{share:.0%} of {name}" for name, share in served.items())

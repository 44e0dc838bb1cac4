"""The way from what runs to the cheapest mix: what to order and to let go now, so that the work is covered meanwhile.

The horizon is planned anew at every decision, and only its first step is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from raytide.autoscaling.optimise.horizon import Plan, Prices, plan, promising
from raytide.autoscaling.optimise.option import Bounds, Need, Option
from raytide.autoscaling.policy.hedge import counted

_DRAINS_S: Final = 60.0
"""How long what was replaced is still paid for."""
_LASTS_S: Final = 3600.0
"""How long the work is taken to last once the slowest start is in: a move must pay for itself within an hour."""
_CHANGE_S: Final = 60.0
"""A start or a stop weighs as much as a minute of the cheapest replica, so none is made for nothing."""

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Work on the way to the end of the longest lead."""

    soon: float
    later: float
    soon_s: float
    later_s: float

    def beside(self, soon: float, later: float) -> Way:
        """What is left of it beside other capacity."""
        return replace(self, soon=max(0.0, self.soon - soon), later=max(0.0, self.later - later))

    def need(self) -> Need:
        """The work in as few steps as show what can wait: until the fastest start of now serves, until the last moment
        at which it is still in time for what comes later, until the slowest serves, until what that replaces has
        drained, and from then on.
        """
        begins_s = sorted({0.0, self.soon_s, self.later_s - self.soon_s, self.later_s})
        steps_s = (*(end - begin for begin, end in pairwise(begins_s)), _DRAINS_S, _LASTS_S)
        return Need(steps_s=steps_s, work=(*(self.soon,) * (len(steps_s) - 2), self.later, self.later))


def rolled(end: Counts, options: tuple[Option, ...], way: Way, bounds: Bounds) -> tuple[Counts, Plan]:
    """Targets for now, and the plan that they begin; variants that it leaves out for their number go to the end."""
    chosen = promising(options, end) or options
    names = {option.variant for option in chosen}
    others = tuple(option for option in options if option.variant not in names)
    planned = plan(
        tuple(counted(option, end[option.variant]) for option in chosen),
        way.beside(
            sum(option.capacity * min(option.num_ready, end[option.variant]) for option in others),
            sum(option.capacity * end[option.variant] for option in others),
        ).need(),
        _beside(others, bounds),
        Prices(usd_per_change=min(option.usd_per_hour for option in chosen) * _CHANGE_S / 3600),
        end,
    )
    return {**{option.variant: end[option.variant] for option in others}, **planned.targets}, planned


def _beside(others: tuple[Option, ...], bounds: Bounds) -> Bounds:
    """The bounds that are left beside what runs of the others."""
    num, budget = sum(option.num_now for option in others), bounds.max_usd_per_hour
    usd = sum(option.usd_per_hour * (option.num_now + option.num_draining) for option in others)
    return replace(
        bounds,
        max_replicas=max(0, bounds.max_replicas - num),
        min_replicas=max(0, bounds.min_replicas - num),
        max_usd_per_hour=None if budget is None else max(0.0, budget - usd),
    )

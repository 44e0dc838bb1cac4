"""A hard budget: which orders fit it now, whose requests to turn away when it is too small, and what more would cost.

Starting and draining replicas cost as much as ready ones, so an order waits until what it replaces is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.optimise.covering import SLACK
from raytide.autoscaling.optimise.mix import problem_of, relaxation_of
from raytide.autoscaling.optimise.option import Bounds, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLoad:
    """What the requests of one traffic class ask for."""

    name: str
    work: float
    priority: int
    """Higher is served first, whatever the value of the others."""
    value_per_work: float = 1.0
    """Decides within a priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shed:
    """What share of each class is served."""

    served: Mapping[str, float]
    """From 0 to 1."""
    shed_work: float
    value_of_more: float
    """Value of one more unit of capacity; zero where everything is served."""


def spend(options: tuple[Option, ...], targets: Mapping[str, int]) -> float:
    """Dollars per hour right after the targets are set: replicas to be stopped still drain, and draining ones too."""
    return sum(
        option.usd_per_hour * (max(targets[option.variant], option.num_now) + option.num_draining) for option in options
    )


def fitting(options: tuple[Option, ...], targets: Mapping[str, int], max_usd_per_hour: float) -> Mapping[str, int]:
    """The targets with only those orders that fit beside all that is held now; the cheapest capacity first.

    Stops are carried out as wanted. What is held already may exceed a budget that was lowered; nothing is added then.
    """
    now = {option.variant: option.num_now for option in options}
    allowed = {name: min(target, now[name]) for name, target in targets.items()}
    left = max_usd_per_hour * (1 + SLACK) - spend(options, now)
    for option in sorted(options, key=_usd_per_work):
        orders = max(0, targets[option.variant] - option.num_now)
        fits = orders if option.usd_per_hour <= 0 else int(min(orders, max(0.0, left) / option.usd_per_hour))
        allowed[option.variant] += fits
        left -= fits * option.usd_per_hour
    return allowed


def _usd_per_work(option: Option) -> tuple[float, str]:
    return option.usd_per_hour / option.capacity if option.capacity > 0 else np.inf, option.variant


def shed(classes: tuple[ClassLoad, ...], capacity: float) -> Shed:
    """The shares of the classes that this capacity serves: a fractional knapsack within each priority.

    Below a class that is cut nothing is served, also where nothing is expected: what comes all the same has to wait its
    turn.
    """
    left, share, served, value_of_more = max(0.0, capacity), 1.0, {}, 0.0
    for one in sorted(classes, key=lambda each: (-each.priority, -each.value_per_work, each.name)):
        share = 1.0 if share == 1 and one.work <= left else left / one.work if one.work > 0 else 0.0
        served[one.name] = share
        left = max(0.0, left - one.work)
        value_of_more = one.value_per_work if share < 1 and not value_of_more else value_of_more
    shed_work = sum(one.work * (1 - served[one.name]) for one in classes)
    return Shed(served=served, shed_work=shed_work, value_of_more=value_of_more)


def marginal_usd_per_hour(
    options: tuple[Option, ...], work: float, work_per_request: float, bounds: Bounds
) -> float | Missing:
    """Dollars per hour that one more request per second costs, as the multiplier of the work in the relaxation.

    `work_per_request` is the work of one request per second.
    """
    solution = relaxation_of(problem_of(options, work, bounds))
    if solution is None:
        return Missing(reason="the bounds leave no room for the work there is")
    return max(0.0, float(solution.duals[0])) * work_per_request

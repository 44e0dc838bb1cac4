"""A hard budget: whose requests to turn away when it is too small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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

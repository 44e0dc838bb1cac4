"""A hard budget: whose requests to turn away when it is too small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClass:
    """Requests that are served or turned away together."""

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


def shed(classes: tuple[TrafficClass, ...], capacity: float) -> Shed:
    """The shares of the classes that this capacity serves: a fractional knapsack within each priority."""
    left, served, value_of_more = max(0.0, capacity), {}, 0.0
    for one in sorted(classes, key=lambda each: (-each.priority, -each.value_per_work, each.name)):
        share = 1.0 if one.work <= left else left / one.work
        served[one.name] = share
        left = max(0.0, left - one.work)
        value_of_more = one.value_per_work if share < 1 and not value_of_more else value_of_more
    shed_work = sum(one.work * (1 - served[one.name]) for one in classes)
    return Shed(served=served, shed_work=shed_work, value_of_more=value_of_more)

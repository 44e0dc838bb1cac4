"""Spot capacity that is counted on: with replicas beside it that cover what may be taken away at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from raytide.autoscaling.optimise.option import Option
from raytide.autoscaling.optimise.spot import Risk, counted_on, survival

RISK: Final = Risk()

Counts = Mapping[str, int]


def assured(counts: Counts, options: tuple[Option, ...]) -> float:
    """The work that is covered when a replacement could be ready, at the accepted risk that more is gone by then."""
    wanted = [(option, num) for option in options if (num := counts[option.variant])]
    return sum(option.capacity * _surviving(option, num) for option, num in wanted)


def hedged(counts: Counts, options: tuple[Option, ...], work: float, max_replicas: int) -> Counts:
    """The counts, with the cheapest on-demand replicas beside them that make the work assured; else with more spot."""
    beside, covered = dict(counts), assured(counts, options)
    if covered >= work * (1 - 1e-9):
        return beside
    for option in sorted(options, key=lambda option: (option.spot, _usd_per_work(option), option.variant)):
        room = min(option.most(max_replicas) - beside[option.variant], max_replicas - sum(beside.values()))
        while room > 0 and covered < work * (1 - 1e-9):
            num = beside[option.variant]
            beside[option.variant] = num + 1
            covered += option.capacity * (_surviving(option, num + 1) - _surviving(option, num))
            room -= 1
    return beside


def counted(option: Option, num: int) -> Option:
    """The option with the capacity of a replica that is counted on where `num` of it are wanted; none is had for none.

    On-demand capacity is there whatever is wanted.
    """
    if not option.spot:
        return option
    at = max(1, num or option.num_now)
    survives = _surviving(option, at) / at
    return replace(option, capacity=option.capacity * survives, available=option.available and num > 0)


def usd_per_hour(counts: Counts, options: tuple[Option, ...]) -> float:
    """What the counts cost."""
    return sum(option.usd_per_hour * counts[option.variant] for option in options)


def _surviving(option: Option, num: int) -> int:
    return counted_on(num, survival(option, option.cold_start_s), RISK) if option.spot and num else num


def _usd_per_work(option: Option) -> float:
    return option.usd_per_hour / option.capacity if option.capacity > 0 else math.inf

"""The horizon of one variant in whole steps: what runs, what is on its way, and what may stop when.

A start at step t covers work from the first step that begins a cold start later.
A stop at step t serves no longer in t and is paid to its end, which is when it drains. A replica never stops before its
minimum billing is over: it is paid anyway.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.optimise.option import Need, Option

Counts = tuple[int, ...]

_ROUNDING_S: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """One option over a horizon; a count for each step."""

    option: Option
    ready: Counts
    """Replicas ready by each step if nothing is started or stopped."""
    may_stop: Counts
    """How many of the present replicas may have stopped by each step."""
    serves: Counts
    """By each step, how many of the first steps are those whose starts serve."""
    frees: Counts
    """By each step, how many of the first steps are those whose starts may stop."""
    max_starts: int
    """Over the horizon, beside what runs."""


def timeline(option: Option, need: Need, max_replicas: int) -> Timeline:
    """The option over the steps of the need; `max_replicas` bounds its starts where it has no quota."""
    begins_s = tuple(itertools.accumulate(need.steps_s[:-1], initial=0.0))
    ready_s = sorted([0.0] * option.num_ready + list(option.starting_ready_in_s), reverse=True)
    # Billing left is named without its replica: the newest have the most of it.
    held_s = [*sorted(option.min_billing_left_s, reverse=True), *[0.0] * len(ready_s)]
    free_s = [max(ready, hold) for ready, hold in zip(ready_s, held_s, strict=False)]
    least_s = max(option.cold_start_s, option.min_billing_s)
    return Timeline(
        option=option,
        ready=_by_step(ready_s, begins_s),
        may_stop=_by_step(free_s, begins_s),
        serves=_by_step([begin_s + option.cold_start_s for begin_s in begins_s], begins_s),
        frees=_by_step([begin_s + least_s for begin_s in begins_s], begins_s),
        max_starts=_max_starts(option, max_replicas),
    )


def _by_step(events_s: list[float], begins_s: tuple[float, ...]) -> Counts:
    """How many of these moments have come by the beginning of each step."""
    ordered = sorted(events_s)
    return tuple([bisect_right(ordered, begin_s + _ROUNDING_S) for begin_s in begins_s])


def _max_starts(option: Option, max_replicas: int) -> int:
    if not option.available:
        return 0
    quota = max_replicas if option.max_replicas is None else min(max_replicas, option.max_replicas)
    return quota if option.max_new is None else min(quota, option.max_new)

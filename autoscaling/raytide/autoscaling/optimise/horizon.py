"""What to start and stop over a horizon so that forecast work is covered at the least cost.

A rolling plan: only its first step is ever carried out. Cold starts, replicas on their way, minimum billing and the
price of a change are in it; what is uncertain (forecast, preemption) is not, and comes in through the work to cover.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.judge import Judge
from raytide.autoscaling.optimise.option import Bounds, Need, Option
from raytide.autoscaling.optimise.program import relaxed
from raytide.autoscaling.optimise.repair import repaired
from raytide.autoscaling.optimise.schedule import Horizon, Steps, program_of
from raytide.autoscaling.optimise.timeline import timeline

MISSED_FACTOR: Final = 100.0
"""Work is left out only where no money buys it: a hundred times the dearest capacity."""

LIMIT: Final = 6
"""Options that a plan looks at: more hardly make it cheaper, and take longer."""

AS_FAST_S: Final = 10.0
"""Of options that start about as fast as the fastest, the cheapest is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a plan weighs beside the price of its replicas."""

    usd_per_change: float = 0.0
    """For each start and each stop."""
    usd_per_missed_work_hour: float | None = None
    """For a unit of work left uncovered for an hour; a hundred times what covering it costs where unset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Targets for now, and the path that they begin."""

    targets: Mapping[str, int]
    """Replicas wanted now, ready or on their way."""
    path: Mapping[str, tuple[int, ...]]
    """Ready replicas in each step."""
    usd: float
    """Of all replicas over the horizon, until their resources are given back."""
    missed_work_hours: float
    """Work left uncovered, over the horizon."""
    saves_usd: float
    """Compared with changing nothing, missed work included; infinite where that goes beyond a bound."""
    num_changes: int
    objective_usd: float
    """With changes and missed work."""
    bound_usd: float
    """No plan with the options considered has a lower objective."""


def plan(options: tuple[Option, ...], need: Need, bounds: Bounds, prices: Prices, end: Mapping[str, int]) -> Plan:
    """The relaxation, or the shortest path to the counts `end` if better, repaired to whole replicas."""
    horizon = horizon_of(options, need, bounds, prices)
    program = program_of(horizon)
    relaxation = relaxed(program)
    assert relaxation is not None, "holding what runs is always feasible"
    judge = Judge.of(horizon)
    ends = np.array([end[line.option.variant] for line in horizon.timelines], dtype=np.int64)
    bound_usd = relaxation.bound + _anyway_usd(horizon)
    started, stopped = repaired(judge, relaxation.x, ends, bound_usd)
    return _plan(judge, started, stopped, bound_usd)


def horizon_of(options: tuple[Option, ...], need: Need, bounds: Bounds, prices: Prices) -> Horizon:
    """The options in order of name over the steps of the need, with the price of missed work."""
    ordered = sorted(options, key=lambda option: option.variant)
    lines = tuple(timeline(option, need, bounds.max_replicas) for option in ordered)
    missed = prices.usd_per_missed_work_hour
    missed_usd = _missed_usd(options, prices) if missed is None else missed
    return Horizon.of(lines, need, bounds, prices.usd_per_change, missed_usd)


def _missed_usd(options: tuple[Option, ...], prices: Prices) -> float:
    priced = [option.usd_per_hour / option.capacity for option in options if option.capacity > 0]
    return MISSED_FACTOR * max(priced, default=1.0) + prices.usd_per_change


def _anyway_usd(horizon: Horizon) -> float:
    """Of what runs, to the end of the horizon, and of what drains, through the first step."""
    hours = horizon.step_hours
    running = float(horizon.prices @ horizon.now[:, 0]) * float(hours.sum())
    return running + horizon.draining_usd_per_hour * float(hours[0])


def _plan(judge: Judge, started: Steps, stopped: Steps, bound_usd: float) -> Plan:
    idle = np.zeros_like(started)
    verdict, horizon = judge.verdicts(np.stack([started, idle]), np.stack([stopped, idle])), judge.horizon
    (_, objective), (broken, unchanged) = verdict.rank(0), verdict.rank(1)
    names = [line.option.variant for line in horizon.timelines]
    targets = (horizon.now[:, 0] + started[:, 0] - stopped[:, 0]).tolist()
    return Plan(
        targets=dict(zip(names, targets, strict=True)),
        path={name: tuple(ready) for name, ready in zip(names, verdict.ready[0].tolist(), strict=True)},
        usd=float(verdict.usd[0]),
        missed_work_hours=float(verdict.missed_work_hours[0]),
        saves_usd=np.inf if broken else unchanged - objective,
        num_changes=int(verdict.num_changes[0]),
        objective_usd=objective,
        bound_usd=min(objective, bound_usd),
    )


def promising(options: tuple[Option, ...], end: Mapping[str, int], limit: int = LIMIT) -> tuple[Option, ...]:
    """The options worth planning with: those of the mix at the end, those that start fastest, those that run."""
    usable = [option for option in options if option.capacity > 0 and option.available]
    fastest_s = min([option.cold_start_s for option in usable], default=0.0)
    fast = [option for option in usable if option.cold_start_s <= fastest_s + AS_FAST_S]
    wanted, running = ([o for o in options if end.get(o.variant)], [o for o in options if o.num_now])
    ranked = (
        *sorted(wanted, key=lambda option: -option.usd_per_hour * end[option.variant])[: limit - 2],
        *heapq.nsmallest(1, fast, key=_usd_per_work),
        *heapq.nsmallest(1, fast, key=lambda option: (option.usd_per_hour, option.variant)),
        *sorted(running, key=lambda option: -option.capacity * option.num_now),
        *heapq.nsmallest(limit, usable, key=_usd_per_work),
    )
    picked = set(list(dict.fromkeys([option.variant for option in ranked]))[:limit])
    return tuple([option for option in options if option.variant in picked])


def _usd_per_work(option: Option) -> tuple[float, str]:
    return option.usd_per_hour / option.capacity, option.variant

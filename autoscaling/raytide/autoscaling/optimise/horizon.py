"""What to start and stop over a horizon so that forecast work is covered at the least cost.

A rolling plan: only its first step is ever carried out. Cold starts, replicas on their way, minimum billing and the
price of a change are in it; what is uncertain (forecast, preemption) is not, and comes in through the work to cover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.judge import Judge
from raytide.autoscaling.optimise.option import Bounds, Need, Option
from raytide.autoscaling.optimise.program import relaxed, whole
from raytide.autoscaling.optimise.repair import repaired
from raytide.autoscaling.optimise.schedule import Horizon, program_of
from raytide.autoscaling.optimise.timeline import Steps, timeline

MISSED_FACTOR: Final = 100.0
"""Work is left out only where no money buys it: a hundred times the dearest capacity."""

MAX_NODES: Final = 500


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
    num_changes: int
    objective_usd: float
    """With changes and missed work."""
    bound_usd: float
    """No plan with the options considered has a lower objective."""


def plan(options: tuple[Option, ...], need: Need, bounds: Bounds, prices: Prices) -> Plan:
    """The relaxation of the promising options, repaired to whole replicas, and the bound that says how good it is."""
    horizon = horizon_of(promising(options), need, bounds, prices)
    program = program_of(horizon)
    relaxation = relaxed(program)
    assert relaxation is not None, "holding what runs is always feasible"
    judge = Judge.of(horizon)
    started, stopped = repaired(judge, relaxation.x)
    return _plan(judge, started, stopped, relaxation.bound)


def exact_plan(
    options: tuple[Option, ...],
    need: Need,
    bounds: Bounds,
    prices: Prices,
    gap: float = 0.0,
    max_nodes: int = MAX_NODES,
) -> Plan:
    """The best plan, to within `gap` unless the node limit ends the search; for off the fast path."""
    horizon = horizon_of(options, need, bounds, prices)
    program = program_of(horizon)
    integers = np.arange(horizon.num_columns) < horizon.missed(0)
    solution = whole(program, integers, max_nodes, gap)
    if solution is None:
        return plan(options, need, bounds, prices)
    started, stopped = map(np.array, horizon.split(solution.x))
    return _plan(Judge.of(horizon), started, stopped, solution.bound)


def horizon_of(options: tuple[Option, ...], need: Need, bounds: Bounds, prices: Prices) -> Horizon:
    """The options in order of name over the steps of the need, with the price of missed work."""
    ordered = sorted(options, key=lambda option: option.variant)
    lines = tuple(timeline(option, len(need.work), need.step_s, bounds.max_replicas) for option in ordered)
    missed = prices.usd_per_missed_work_hour
    return Horizon(
        timelines=lines,
        need=need,
        bounds=bounds,
        usd_per_change=prices.usd_per_change,
        usd_per_missed_work_hour=_missed_usd(options, prices) if missed is None else missed,
    )


def _missed_usd(options: tuple[Option, ...], prices: Prices) -> float:
    priced = [option.usd_per_hour / option.capacity for option in options if option.capacity > 0]
    return MISSED_FACTOR * max(priced, default=1.0) + prices.usd_per_change


def _plan(judge: Judge, started: Steps, stopped: Steps, bound: float) -> Plan:
    verdict, horizon = judge.verdict(started, stopped), judge.horizon
    names = [line.option.variant for line in horizon.timelines]
    now = [line.option.num_now for line in horizon.timelines]
    targets = [n + int(on[0]) - int(off[0]) for n, on, off in zip(now, started, stopped, strict=True)]
    running = sum(line.option.usd_per_hour * line.option.num_now for line in horizon.timelines) * horizon.num_steps
    draining = sum(line.option.usd_per_hour * line.option.num_draining for line in horizon.timelines)
    return Plan(
        targets=dict(zip(names, targets, strict=True)),
        path={name: tuple(map(int, ready)) for name, ready in zip(names, verdict.ready, strict=True)},
        usd=verdict.usd,
        missed_work_hours=verdict.missed_work_hours,
        num_changes=verdict.num_changes,
        objective_usd=verdict.objective_usd,
        bound_usd=min(verdict.objective_usd, bound + (running + draining) * horizon.step_hours),
    )


def promising(options: tuple[Option, ...], limit: int = 6) -> tuple[Option, ...]:
    """What runs already, and the options with the cheapest capacity, the lowest price and the fastest start."""
    usable = [option for option in options if option.capacity > 0 and option.available]
    by_value = sorted(usable, key=lambda option: (option.usd_per_hour / option.capacity, option.variant))
    by_price = sorted(usable, key=lambda option: (option.usd_per_hour, option.variant))
    by_start = sorted(usable, key=lambda option: (option.cold_start_s, option.usd_per_hour / option.capacity))
    steady = [option for option in by_value if not option.spot]
    picked = {option.variant for option in (*by_price[:1], *by_start[:1], *steady[:1])}
    for option in by_value:
        if len(picked) >= limit:
            break
        picked.add(option.variant)
    return tuple(option for option in options if option.num_now or option.num_draining or option.variant in picked)

"""The program of a horizon: cumulative starts and stops of every option, as columns and rows for the solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytide.autoscaling.optimise.option import Bounds, Need
from raytide.autoscaling.optimise.program import Floats, Program, Rows
from raytide.autoscaling.optimise.timeline import Steps, Timeline

MISSED_FLOOR_FACTOR = 10.0
"""A floor that cannot be kept, weighed against as much missed work as the largest replica covers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Horizon:
    """Everything that a plan has to reckon with."""

    timelines: tuple[Timeline, ...]
    need: Need
    bounds: Bounds
    usd_per_change: float
    usd_per_missed_work_hour: float

    @property
    def num_steps(self) -> int:
        """Length in steps."""
        return len(self.need.work)

    @property
    def step_hours(self) -> Floats:
        """Length of each step."""
        hours: Floats = np.array(self.need.steps_s) / 3600
        return hours

    def started(self, option: int, step: int) -> int:
        """The column of the cumulative starts of an option."""
        return 2 * option * self.num_steps + step

    def stopped(self, option: int, step: int) -> int:
        """The column of the cumulative stops of an option."""
        return (2 * option + 1) * self.num_steps + step

    def missed(self, step: int) -> int:
        """The column of the work left out in a step."""
        return 2 * len(self.timelines) * self.num_steps + step

    def lacking(self, step: int) -> int:
        """The column of the replicas that floors lack in a step."""
        return (2 * len(self.timelines) + 1) * self.num_steps + step

    @property
    def num_columns(self) -> int:
        """Of the program."""
        return 2 * (len(self.timelines) + 1) * self.num_steps


Block = tuple[Floats, Floats, Floats]
"""Rows `least ≤ matrix·x ≤ most`, as `(matrix, least, most)`."""


def program_of(horizon: Horizon) -> Program:
    """The program whose first columns are cumulative starts and stops, option by option."""
    blocks = [*_lives(horizon), _quotas(horizon), _work(horizon), _limit(horizon), *_floors(horizon), *_budget(horizon)]
    matrix, least, most = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Program(costs=_costs(horizon), rows=Rows.of_dense(matrix, least, most), most=_most(horizon))


def _lives(horizon: Horizon) -> list[Block]:
    """Starts and stops only add up; a replica stops once it is ready and its minimum billing is over."""
    more = np.eye(horizon.num_steps) - np.eye(horizon.num_steps, k=-1)
    each = np.arange(len(horizon.timelines))
    start, stop, free = (np.zeros((each.size, horizon.num_steps, *_shape(horizon))) for _ in range(3))
    start[each, :, each, 0], stop[each, :, each, 1] = more, more
    free[each, :, each, 0] = -_found(np.array([line.frees for line in horizon.timelines]))
    free[each, :, each, 1] = np.eye(horizon.num_steps)
    may_stop = np.concatenate([line.may_stop for line in horizon.timelines]).astype(np.float64)
    rising, endless = np.zeros(may_stop.size), np.full(may_stop.size, np.inf)
    rows = [_widened(horizon, part) for part in (start, stop, free)]
    return [(rows[0], rising, endless), (rows[1], rising, endless), (rows[2], -endless, may_stop)]


def _quotas(horizon: Horizon) -> Block:
    """What cannot stop may exceed a quota."""
    bound = [(i, line) for i, line in enumerate(horizon.timelines) if line.option.max_replicas is not None]
    which, each = np.array([i for i, _ in bound], dtype=np.int64), np.arange(len(bound))
    parts = np.zeros((each.size, horizon.num_steps, *_shape(horizon)))
    parts[each, :, which] = _paid(horizon)
    quotas = [np.maximum(line.option.max_replicas or 0, line.held) - line.option.num_now for _, line in bound]
    most = np.concatenate([np.zeros(0), *quotas])
    return _widened(horizon, parts), np.full(most.size, -np.inf), most


def _work(horizon: Horizon) -> Block:
    """Work that no replica covers is left out."""
    capacity = np.array([line.option.capacity for line in horizon.timelines])
    parts = np.zeros((horizon.num_steps, *_shape(horizon)))
    found = _found(np.array([line.serves for line in horizon.timelines])).swapaxes(0, 1)
    parts[:, :, 0] = capacity[:, None] * found
    parts[:, :, 1] = -capacity[:, None] * np.eye(horizon.num_steps)[:, None]
    left = np.array(horizon.need.work) - capacity @ np.array([line.ready for line in horizon.timelines])
    return _widened(horizon, parts, horizon.missed(0)), left, np.full(horizon.num_steps, np.inf)


def _limit(horizon: Horizon) -> Block:
    """The most replicas, less those that run; what cannot stop may exceed it."""
    now = sum(line.option.num_now for line in horizon.timelines)
    unstoppable = np.array([line.unstoppable for line in horizon.timelines]).sum(axis=0)
    most = (np.maximum(horizon.bounds.max_replicas, unstoppable) - now).astype(np.float64)
    return _widened(horizon, _wanted(horizon, slice(None))), np.full(horizon.num_steps, -np.inf), most


def _floors(horizon: Horizon) -> list[Block]:
    """At least so many replicas, and so many that cannot be preempted, less what floors lack."""
    lines, bounds = horizon.timelines, horizon.bounds
    steady = [index for index, line in enumerate(lines) if not line.option.spot]
    floors = ((bounds.min_replicas, [*range(len(lines))]), (bounds.base_on_demand, steady))
    return [
        (
            _widened(horizon, _wanted(horizon, which), horizon.lacking(0)),
            np.full(horizon.num_steps, float(floor - sum(lines[index].option.num_now for index in which))),
            np.full(horizon.num_steps, np.inf),
        )
        for floor, which in floors
        if floor
    ]


def _budget(horizon: Horizon) -> list[Block]:
    """What is held anyway may exceed the budget; nothing is added to it then. Draining replicas leave with step 0."""
    if horizon.bounds.max_usd_per_hour is None:
        return []
    lines = horizon.timelines
    prices = np.array([line.option.usd_per_hour for line in lines])
    left = np.full(horizon.num_steps, horizon.bounds.max_usd_per_hour)
    left[0] -= prices @ [line.option.num_draining for line in lines]
    most = np.maximum(left, prices @ np.array([line.held for line in lines]))
    parts = prices[:, None, None] * _paid(horizon)[:, None]
    now = prices @ [line.option.num_now for line in lines]
    return [(_widened(horizon, parts), np.full(horizon.num_steps, -np.inf), most - now)]


def _shape(horizon: Horizon) -> tuple[int, int, int]:
    """Of the columns that are starts and stops: options, starts or stops, steps."""
    return len(horizon.timelines), 2, horizon.num_steps


def _widened(horizon: Horizon, parts: Floats, ones_from: int | None = None) -> Floats:
    """Rows over all columns, from those over starts and stops; with a one for each step from a column on."""
    rows = parts.reshape(-1, 2 * len(horizon.timelines) * horizon.num_steps)
    wide = np.zeros((len(rows), horizon.num_columns))
    wide[:, : rows.shape[1]] = rows
    if ones_from is not None:
        wide[:, ones_from : ones_from + horizon.num_steps] = np.eye(horizon.num_steps)
    return wide


def _found(where: Steps) -> Floats:
    """What each step finds of cumulative counts: those of as many first steps; shape (options, steps, steps)."""
    found: Floats = (np.arange(where.shape[1]) == where[:, :, None] - 1).astype(np.float64)
    return found


def _wanted(horizon: Horizon, which: list[int] | slice) -> Floats:
    """Starts less stops of these options, step by step."""
    parts, each = np.zeros((horizon.num_steps, *_shape(horizon))), np.eye(horizon.num_steps)
    parts[:, which, 0], parts[:, which, 1] = each[:, None], -each[:, None]
    return parts


def _paid(horizon: Horizon) -> Floats:
    """A stop is paid to the end of its step; shape (steps, starts or stops, steps)."""
    return np.stack([np.eye(horizon.num_steps), -np.eye(horizon.num_steps, k=-1)], axis=1)


def _costs(horizon: Horizon) -> Floats:
    """Dollars per unit of each column, beside what runs anyway."""
    costs = np.zeros(horizon.num_columns)
    last = horizon.num_steps - 1
    for index, line in enumerate(horizon.timelines):
        step_usd = line.option.usd_per_hour * horizon.step_hours
        costs[horizon.started(index, 0) : horizon.started(index, last) + 1] = step_usd
        costs[horizon.stopped(index, 0) : horizon.stopped(index, last)] = -step_usd[1:]
        costs[horizon.started(index, last)] += horizon.usd_per_change
        costs[horizon.stopped(index, last)] += horizon.usd_per_change
    missed_usd = horizon.usd_per_missed_work_hour * horizon.step_hours
    largest = max((line.option.capacity for line in horizon.timelines), default=1.0)
    costs[horizon.missed(0) : horizon.missed(last) + 1] = missed_usd
    costs[horizon.lacking(0) :] = missed_usd * largest * MISSED_FLOOR_FACTOR
    return costs


def _most(horizon: Horizon) -> Floats:
    most = np.full(horizon.num_columns, np.inf)
    for index, line in enumerate(horizon.timelines):
        most[horizon.started(index, 0) : horizon.stopped(index, 0)] = line.max_starts
        most[horizon.stopped(index, 0) : horizon.stopped(index, 0) + horizon.num_steps] = (
            line.option.num_now + line.max_starts
        )
    return most

"""The program of a horizon: cumulative starts and stops of every option, as columns and rows for the solver."""

from __future__ import annotations

from collections.abc import Iterable
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

    def split(self, x: Floats) -> tuple[list[Steps], list[Steps]]:
        """Cumulative starts and stops per option, whole."""
        whole = np.rint(x[: 2 * len(self.timelines) * self.num_steps]).astype(np.int64)
        by_option = whole.reshape(len(self.timelines), 2, self.num_steps)
        return list(by_option[:, 0]), list(by_option[:, 1])


Block = tuple[Floats, Floats, Floats]
"""Rows `least ≤ matrix·x ≤ most`, as `(matrix, least, most)`."""


def program_of(horizon: Horizon) -> Program:
    """The program whose first columns are cumulative starts and stops, option by option."""
    wide = [block for index in range(len(horizon.timelines)) for block in _of_option(horizon, index)]
    wide += [_work(horizon), _limit(horizon), *_floors(horizon), *_budget(horizon)]
    matrix, least, most = (np.concatenate(parts) for parts in zip(*wide, strict=True))
    return Program(costs=_costs(horizon), rows=Rows.of_dense(matrix, least, most), most=_most(horizon))


def _of_option(horizon: Horizon, index: int) -> list[Block]:
    """Starts and stops only add up; a replica stops once it is ready and its minimum billing is over."""
    line, steps = horizon.timelines[index], horizon.num_steps
    nothing, endless = np.zeros(steps), np.full(steps, np.inf)
    more = np.eye(steps) - np.eye(steps, k=-1)
    blocks = [
        (_columns(horizon, index, more, None), nothing, endless),
        (_columns(horizon, index, None, more), nothing, endless),
        (_columns(horizon, index, -_found(line.frees), np.eye(steps)), -endless, line.may_stop.astype(np.float64)),
    ]
    if line.option.max_replicas is not None:
        quota = np.maximum(line.option.max_replicas, line.held) - line.option.num_now
        blocks.append((_paid(horizon, index), -endless, quota.astype(np.float64)))
    return blocks


def _work(horizon: Horizon) -> Block:
    """Work that no replica covers is left out."""
    matrix, left = _missing(horizon, horizon.missed(0)), np.array(horizon.need.work)
    for index, line in enumerate(horizon.timelines):
        matrix += line.option.capacity * _columns(horizon, index, _found(line.serves), -np.eye(horizon.num_steps))
        left = left - line.option.capacity * line.ready
    return matrix, left, np.full(horizon.num_steps, np.inf)


def _limit(horizon: Horizon) -> Block:
    """The most replicas, less those that run; what cannot stop may exceed it."""
    lines = horizon.timelines
    now, held = (sum(each) for each in zip(*((line.option.num_now, line.unstoppable) for line in lines), strict=True))
    most = np.maximum(horizon.bounds.max_replicas, held) - now
    return _wanted(horizon, range(len(lines))), np.full(horizon.num_steps, -np.inf), most.astype(np.float64)


def _floors(horizon: Horizon) -> list[Block]:
    """At least so many replicas, and so many that cannot be preempted, less what floors lack."""
    lines, bounds = horizon.timelines, horizon.bounds
    steady = [index for index, line in enumerate(lines) if not line.option.spot]
    floors = ((bounds.min_replicas, [*range(len(lines))]), (bounds.base_on_demand, steady))
    return [
        (
            _wanted(horizon, which) + _missing(horizon, horizon.lacking(0)),
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
    prices = [line.option.usd_per_hour for line in horizon.timelines]
    held, left = np.zeros(horizon.num_steps), np.full(horizon.num_steps, horizon.bounds.max_usd_per_hour)
    matrix, now = np.zeros((horizon.num_steps, horizon.num_columns)), 0.0
    for index, (line, price) in enumerate(zip(horizon.timelines, prices, strict=True)):
        matrix += price * _paid(horizon, index)
        held += price * line.held
        now += price * line.option.num_now
        left[0] -= price * line.option.num_draining
    return [(matrix, np.full(horizon.num_steps, -np.inf), np.maximum(left, held) - now)]


def _columns(horizon: Horizon, index: int, started: Floats | None, stopped: Floats | None) -> Floats:
    """A matrix over all columns that is these in the starts and stops of one option; shape (steps, columns)."""
    matrix = np.zeros((horizon.num_steps, horizon.num_columns))
    for first, part in ((horizon.started(index, 0), started), (horizon.stopped(index, 0), stopped)):
        if part is not None:
            matrix[:, first : first + horizon.num_steps] = part
    return matrix


def _missing(horizon: Horizon, first: int) -> Floats:
    """One in the columns from `first` on, step by step."""
    return np.eye(horizon.num_steps, horizon.num_columns, k=first)


def _found(where: Steps) -> Floats:
    """What each step finds of cumulative counts: those of as many first steps."""
    found: Floats = (np.arange(len(where)) == where[:, None] - 1).astype(np.float64)
    return found


def _wanted(horizon: Horizon, which: Iterable[int]) -> Floats:
    matrix, each = np.zeros((horizon.num_steps, horizon.num_columns)), np.eye(horizon.num_steps)
    for index in which:
        matrix += _columns(horizon, index, each, -each)
    return matrix


def _paid(horizon: Horizon, index: int) -> Floats:
    """A stop is paid to the end of its step."""
    return _columns(horizon, index, np.eye(horizon.num_steps), -np.eye(horizon.num_steps, k=-1))


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

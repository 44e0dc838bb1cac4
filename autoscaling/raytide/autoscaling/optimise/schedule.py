"""The program of a horizon: starts and stops of every option in every step, as columns and rows for the solver.

What is ready, wanted or paid in a step follows from all starts and stops until then. Rows over sums of columns are
denser than rows over cumulative columns would be, and there are half as many of them: solved in half the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

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
    step_hours: Floats
    """Length of each step."""
    bounds: Bounds
    usd_per_change: float
    usd_per_missed_work_hour: float

    @property
    def num_steps(self) -> int:
        """Length in steps."""
        return len(self.need.work)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the columns that are starts and stops: options, starts or stops, steps."""
        return len(self.timelines), 2, self.num_steps

    @property
    def num_moves(self) -> int:
        """Columns that are starts and stops; after them come the work left out and the replicas that floors lack."""
        return 2 * len(self.timelines) * self.num_steps


Block = tuple[Floats, Floats, Floats]
"""Rows `least ≤ matrix·x ≤ most`, as `(matrix, least, most)`."""


def program_of(horizon: Horizon) -> Program:
    """The program whose first columns are starts and stops, of shape (options, 2, steps); no column has a bound."""
    blocks = [_starts(horizon), _stops(horizon), _quotas(horizon), _work(horizon), _limit(horizon)]
    blocks += [*_floors(horizon), *_budget(horizon)]
    matrix, least, most = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    costs = _costs(horizon)
    return Program(costs=costs, rows=Rows.of_dense(matrix, least, most), most=np.full(costs.size, np.inf))


def _starts(horizon: Horizon) -> Block:
    """No option starts more than its most."""
    each = np.arange(len(horizon.timelines))
    parts = np.zeros((each.size, *horizon.shape))
    parts[each, each, 0] = 1.0
    most = [float(line.max_starts) for line in horizon.timelines]
    return _widened(horizon, parts), *_at_most(most)


def _stops(horizon: Horizon) -> Block:
    """A replica stops once it is ready and its minimum billing is over."""
    each = np.arange(len(horizon.timelines))
    parts = np.zeros((each.size, horizon.num_steps, *horizon.shape))
    parts[each, :, each, 0] = -_found(np.array([line.frees for line in horizon.timelines]))
    parts[each, :, each, 1] = _until(horizon.num_steps)
    return _widened(horizon, parts), *_at_most(np.concatenate([line.may_stop for line in horizon.timelines]))


def _quotas(horizon: Horizon) -> Block:
    """What cannot stop may exceed a quota."""
    bound = [index for index, line in enumerate(horizon.timelines) if line.option.max_replicas is not None]
    lines, each = [horizon.timelines[index] for index in bound], np.arange(len(bound))
    parts = np.zeros((each.size, horizon.num_steps, *horizon.shape))
    parts[each, :, bound] = _paid(horizon.num_steps)
    quotas = [np.maximum(line.option.max_replicas or 0, line.held) - line.option.num_now for line in lines]
    return _widened(horizon, parts), *_at_most(np.concatenate([np.zeros(0), *quotas]))


def _work(horizon: Horizon) -> Block:
    """Work that no replica covers is left out."""
    lines = horizon.timelines
    capacity = np.array([line.option.capacity for line in lines])
    parts = np.zeros((horizon.num_steps, *horizon.shape))
    parts[:, :, 0] = capacity[:, None] * _found(np.array([line.serves for line in lines])).swapaxes(0, 1)
    parts[:, :, 1] = -capacity[:, None] * _until(horizon.num_steps)[:, None]
    left = np.array(horizon.need.work) - capacity @ np.array([line.ready for line in lines])
    return _widened(horizon, parts, horizon.num_moves), *_at_least(left)


def _limit(horizon: Horizon) -> Block:
    """The most replicas, less those that run; what cannot stop may exceed it."""
    now = sum(line.option.num_now for line in horizon.timelines)
    unstoppable = np.array([line.unstoppable for line in horizon.timelines]).sum(axis=0)
    most = np.maximum(horizon.bounds.max_replicas, unstoppable) - now
    return _widened(horizon, _wanted(horizon, slice(None))), *_at_most(most)


def _floors(horizon: Horizon) -> list[Block]:
    """At least so many replicas, and so many that cannot be preempted, less what floors lack."""
    lines, bounds = horizon.timelines, horizon.bounds
    steady = [index for index, line in enumerate(lines) if not line.option.spot]
    floors = ((bounds.min_replicas, [*range(len(lines))]), (bounds.base_on_demand, steady))
    return [
        (
            _widened(horizon, _wanted(horizon, which), horizon.num_moves + horizon.num_steps),
            *_at_least([floor - sum(lines[index].option.num_now for index in which)] * horizon.num_steps),
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
    parts = prices[:, None, None] * _paid(horizon.num_steps)[:, None]
    now = prices @ [line.option.num_now for line in lines]
    return [(_widened(horizon, parts), *_at_most(most - now))]


def _at_least(least: ArrayLike) -> tuple[Floats, Floats]:
    bounds = np.asarray(least, dtype=np.float64)
    return bounds, np.full(bounds.size, np.inf)


def _at_most(most: ArrayLike) -> tuple[Floats, Floats]:
    bounds = np.asarray(most, dtype=np.float64)
    return np.full(bounds.size, -np.inf), bounds


def _widened(horizon: Horizon, parts: Floats, ones_from: int | None = None) -> Floats:
    """Rows over all columns, from those over starts and stops; with a one for each step from a column on."""
    rows = parts.reshape(-1, horizon.num_moves)
    wide = np.zeros((len(rows), horizon.num_moves + 2 * horizon.num_steps))
    wide[:, : rows.shape[1]] = rows
    if ones_from is not None:
        np.fill_diagonal(wide[:, ones_from:], 1.0)
    return wide


def _found(where: Steps) -> Floats:
    """Of the starts of each step, those that are among as many first steps; shape (options, steps, steps)."""
    found: Floats = (np.arange(where.shape[1]) < where[:, :, None]).astype(np.float64)
    return found


def _wanted(horizon: Horizon, which: list[int] | slice) -> Floats:
    """Starts less stops of these options until each step."""
    parts, until = np.zeros((horizon.num_steps, *horizon.shape)), _until(horizon.num_steps)
    parts[:, which, 0], parts[:, which, 1] = until[:, None], -until[:, None]
    return parts


@lru_cache(maxsize=16)
def _until(num_steps: int) -> Floats:
    """One for each step until each step."""
    return np.tri(num_steps)


@lru_cache(maxsize=16)
def _paid(num_steps: int) -> Floats:
    """A stop is paid to the end of its step; shape (steps, starts or stops, steps)."""
    return np.stack([np.tri(num_steps), -np.tri(num_steps, k=-1)], axis=1)


def _costs(horizon: Horizon) -> Floats:
    """Dollars per unit of each column, beside what runs anyway: a move is paid, or saves, until the horizon ends."""
    options = [line.option for line in horizon.timelines]
    hours = horizon.step_hours
    left_hours = hours[::-1].cumsum()[::-1]
    moves = np.array([option.usd_per_hour for option in options])[:, None, None] * [left_hours, hours - left_hours]
    missed_usd = horizon.usd_per_missed_work_hour * hours
    largest = max((option.capacity for option in options), default=1.0)
    lacking_usd = missed_usd * largest * MISSED_FLOOR_FACTOR
    return np.concatenate([(moves + horizon.usd_per_change).ravel(), missed_usd, lacking_usd])

"""The program of a horizon: starts and stops of every option in every step, as columns and rows for the solver.

What is ready, wanted or paid in a step follows from all starts and stops until then. Rows over sums of columns are
denser than rows over cumulative columns would be, and there are half as many of them: solved in half the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raytide.autoscaling.optimise.option import Bounds, Need
from raytide.autoscaling.optimise.program import Floats, Program, Rows
from raytide.autoscaling.optimise.timeline import Timeline

Steps = NDArray[np.int64]
Shape = tuple[int, int, int]

MISSED_FLOOR_FACTOR = 10.0
"""A floor that cannot be kept, weighed against as much missed work as the largest replica covers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Horizon:
    """Everything that a plan has to reckon with; the facts of the options as arrays, which program and judge share."""

    timelines: tuple[Timeline, ...]
    need: Need
    bounds: Bounds
    usd_per_change: float
    usd_per_missed_work_hour: float
    step_hours: Floats
    """Length of each step."""
    prices: Floats
    """Shape (options,), as the capacities."""
    capacity: Floats
    now: Steps
    """Shape (options, 1); the other counts are of shape (options, steps)."""
    ready: Steps
    may_stop: Steps
    held: Steps
    """Present replicas that are paid in each step whatever is decided: a stop is paid to the end of its step."""
    limits: Steps
    """The most replicas per step, never below what cannot stop; shape (steps,)."""
    budgets: Floats
    """Dollars per hour per step, never below what is held anyway; shape (steps,)."""
    serves: Steps
    frees: Steps
    draining_usd_per_hour: float

    @classmethod
    def of(
        cls,
        timelines: tuple[Timeline, ...],
        need: Need,
        bounds: Bounds,
        usd_per_change: float,
        usd_per_missed_work_hour: float,
    ) -> Horizon:
        """The horizon of these options over the steps of the need."""
        options = [line.option for line in timelines]
        now = np.array([[option.num_now] for option in options], dtype=np.int64)
        may_stop = np.array([line.may_stop for line in timelines], dtype=np.int64)
        held = np.broadcast_to(now, may_stop.shape).copy()
        held[:, 1:] -= may_stop[:, :-1]
        prices = np.array([option.usd_per_hour for option in options])
        draining_usd_per_hour = sum(option.usd_per_hour * option.num_draining for option in options)
        return cls(
            timelines=timelines,
            need=need,
            bounds=bounds,
            usd_per_change=usd_per_change,
            usd_per_missed_work_hour=usd_per_missed_work_hour,
            step_hours=np.array(need.steps_s) / 3600,
            prices=prices,
            capacity=np.array([option.capacity for option in options]),
            now=now,
            ready=np.array([line.ready for line in timelines], dtype=np.int64),
            may_stop=may_stop,
            held=held,
            limits=np.maximum(bounds.max_replicas, (now - may_stop).sum(axis=0)),
            budgets=np.maximum(_budgets(bounds, len(need.work), draining_usd_per_hour), prices @ held),
            serves=np.array([line.serves for line in timelines], dtype=np.int64),
            frees=np.array([line.frees for line in timelines], dtype=np.int64),
            draining_usd_per_hour=draining_usd_per_hour,
        )

    @property
    def shape(self) -> Shape:
        """Of the columns that are starts and stops: options, starts or stops, steps."""
        return len(self.timelines), 2, self.num_steps

    @property
    def num_steps(self) -> int:
        """Length in steps."""
        return len(self.need.work)

    @property
    def num_moves(self) -> int:
        """Columns that are starts and stops; after them come the work left out and the replicas that floors lack."""
        return 2 * len(self.timelines) * self.num_steps


def _budgets(bounds: Bounds, num_steps: int, draining_usd_per_hour: float) -> Floats:
    """Draining replicas leave with the first step."""
    limit = np.inf if bounds.max_usd_per_hour is None else bounds.max_usd_per_hour
    budgets = np.full(num_steps, limit)
    budgets[0] -= draining_usd_per_hour
    return budgets


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
    return _all_starts(horizon.shape), *_at_most([float(line.max_starts) for line in horizon.timelines])


@lru_cache(maxsize=16)
def _all_starts(shape: Shape) -> Floats:
    """A row for each option, over its starts."""
    each = np.arange(shape[0])
    rows, moves = _blank(shape, shape[0])
    moves[each, each, 0] = 1.0
    return rows


def _stops(horizon: Horizon) -> Block:
    """A replica stops once it is ready and its minimum billing is over."""
    each = np.arange(len(horizon.timelines))
    rows, moves = _blank(horizon.shape, each.size, horizon.num_steps)
    moves[each, :, each, 0] = -_found(horizon.frees)
    moves[each, :, each, 1] = _until(horizon.num_steps)
    return rows, *_at_most(horizon.may_stop.ravel())


def _quotas(horizon: Horizon) -> Block:
    """What cannot stop may exceed a quota."""
    quotas = [line.option.max_replicas for line in horizon.timelines]
    bound = [index for index, quota in enumerate(quotas) if quota is not None]
    least = np.array([[quota] for quota in quotas if quota is not None], dtype=np.int64).reshape(-1, 1)
    most = np.maximum(least, horizon.held[bound]) - horizon.now[bound]
    return _all_paid(horizon.shape, tuple(bound)), *_at_most(most.ravel())


@lru_cache(maxsize=64)
def _all_paid(shape: Shape, which: tuple[int, ...]) -> Floats:
    """A row for each of these options and each step, over what is paid of it."""
    rows, moves = _blank(shape, len(which), shape[2])
    moves[np.arange(len(which)), :, list(which)] = _paid(shape[2])
    return rows


def _work(horizon: Horizon) -> Block:
    """Work that no replica covers is left out."""
    capacity = horizon.capacity
    rows, moves = _blank(horizon.shape, horizon.num_steps, ones_from=horizon.num_moves)
    moves[:, :, 0] = capacity[:, None] * _found(horizon.serves).swapaxes(0, 1)
    moves[:, :, 1] = -capacity[:, None] * _until(horizon.num_steps)[:, None]
    return rows, *_at_least(horizon.need.work - capacity @ horizon.ready)


def _limit(horizon: Horizon) -> Block:
    """The most replicas, less those that run; what cannot stop may exceed it."""
    return _wanted(horizon.shape, tuple(range(len(horizon.timelines)))), *_at_most(horizon.limits - horizon.now.sum())


def _floors(horizon: Horizon) -> list[Block]:
    """At least so many replicas, and so many that cannot be preempted, less what floors lack."""
    lines, bounds = horizon.timelines, horizon.bounds
    steady = tuple([index for index, line in enumerate(lines) if not line.option.spot])
    floors = ((bounds.min_replicas, tuple(range(len(lines)))), (bounds.base_on_demand, steady))
    return [
        (
            _wanted(horizon.shape, which, horizon.num_moves + horizon.num_steps),
            *_at_least([floor - int(horizon.now[list(which)].sum())] * horizon.num_steps),
        )
        for floor, which in floors
        if floor
    ]


def _budget(horizon: Horizon) -> list[Block]:
    """What is held anyway may exceed the budget; nothing is added to it then. Draining replicas leave with step 0."""
    if horizon.bounds.max_usd_per_hour is None:
        return []
    prices = horizon.prices
    rows, moves = _blank(horizon.shape, horizon.num_steps)
    moves[...] = prices[:, None, None] * _paid(horizon.num_steps)[:, None]
    return [(rows, *_at_most(horizon.budgets - prices @ horizon.now[:, 0]))]


def _at_least(least: ArrayLike) -> tuple[Floats, Floats]:
    bounds = np.asarray(least, dtype=np.float64)
    return bounds, np.full(bounds.size, np.inf)


def _at_most(most: ArrayLike) -> tuple[Floats, Floats]:
    bounds = np.asarray(most, dtype=np.float64)
    return np.full(bounds.size, -np.inf), bounds


def _blank(shape: Shape, *leading: int, ones_from: int | None = None) -> tuple[Floats, Floats]:
    """Rows of zeros over all columns, with a one for each step from a column on; and a view of their starts and stops,
    of shape (leading, options, starts or stops, steps).
    """
    num_moves = math.prod(shape)
    rows = np.zeros((math.prod(leading), num_moves + 2 * shape[2]))
    if ones_from is not None:
        np.fill_diagonal(rows[:, ones_from:], 1.0)
    return rows, rows[:, :num_moves].reshape(*leading, *shape)


def _found(where: Steps) -> Floats:
    """Of the starts of each step, those that are among as many first steps; shape (options, steps, steps)."""
    found: Floats = (np.arange(where.shape[1]) < where[:, :, None]).astype(np.float64)
    return found


@lru_cache(maxsize=64)
def _wanted(shape: Shape, which: tuple[int, ...], ones_from: int | None = None) -> Floats:
    """A row for each step, over the starts less the stops of these options until then."""
    until = _until(shape[2])
    rows, moves = _blank(shape, shape[2], ones_from=ones_from)
    moves[:, list(which), 0], moves[:, list(which), 1] = until[:, None], -until[:, None]
    return rows


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
    hours = horizon.step_hours
    left_hours = hours[::-1].cumsum()[::-1]
    moves = horizon.prices[:, None, None] * np.array([left_hours, hours - left_hours])
    missed_usd = horizon.usd_per_missed_work_hour * hours
    lacking_usd = missed_usd * horizon.capacity.max() * MISSED_FLOOR_FACTOR
    return np.concatenate([(moves + horizon.usd_per_change).ravel(), missed_usd, lacking_usd])

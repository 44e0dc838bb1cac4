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
    """As of a timeline, like the others."""
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
        may_stop = np.array([line.may_stop for line in timelines])
        held = np.broadcast_to(now, may_stop.shape).copy()
        held[:, 1:] -= may_stop[:, :-1]
        return cls(
            timelines=timelines,
            need=need,
            bounds=bounds,
            usd_per_change=usd_per_change,
            usd_per_missed_work_hour=usd_per_missed_work_hour,
            step_hours=np.array(need.steps_s) / 3600,
            prices=np.array([option.usd_per_hour for option in options]),
            capacity=np.array([option.capacity for option in options]),
            now=now,
            ready=np.array([line.ready for line in timelines]),
            may_stop=may_stop,
            held=held,
            serves=np.array([line.serves for line in timelines]),
            frees=np.array([line.frees for line in timelines]),
            draining_usd_per_hour=sum(option.usd_per_hour * option.num_draining for option in options),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
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
    parts[each, :, each, 0] = -_found(horizon.frees)
    parts[each, :, each, 1] = _until(horizon.num_steps)
    return _widened(horizon, parts), *_at_most(horizon.may_stop.ravel())


def _quotas(horizon: Horizon) -> Block:
    """What cannot stop may exceed a quota."""
    options = [line.option for line in horizon.timelines]
    bound = [index for index, option in enumerate(options) if option.max_replicas is not None]
    quotas = [[options[index].max_replicas or 0] for index in bound]
    parts = np.zeros((len(bound), horizon.num_steps, *horizon.shape))
    parts[np.arange(len(bound)), :, bound] = _paid(horizon.num_steps)
    most = np.maximum(np.array(quotas).reshape(-1, 1), horizon.held[bound]) - horizon.now[bound]
    return _widened(horizon, parts), *_at_most(most.ravel())


def _work(horizon: Horizon) -> Block:
    """Work that no replica covers is left out."""
    capacity = horizon.capacity
    parts = np.zeros((horizon.num_steps, *horizon.shape))
    parts[:, :, 0] = capacity[:, None] * _found(horizon.serves).swapaxes(0, 1)
    parts[:, :, 1] = -capacity[:, None] * _until(horizon.num_steps)[:, None]
    return _widened(horizon, parts, horizon.num_moves), *_at_least(horizon.need.work - capacity @ horizon.ready)


def _limit(horizon: Horizon) -> Block:
    """The most replicas, less those that run; what cannot stop may exceed it."""
    unstoppable = (horizon.now - horizon.may_stop).sum(axis=0)
    most = np.maximum(horizon.bounds.max_replicas, unstoppable) - horizon.now.sum()
    return _widened(horizon, _wanted(horizon, slice(None))), *_at_most(most)


def _floors(horizon: Horizon) -> list[Block]:
    """At least so many replicas, and so many that cannot be preempted, less what floors lack."""
    lines, bounds = horizon.timelines, horizon.bounds
    steady = [index for index, line in enumerate(lines) if not line.option.spot]
    floors = ((bounds.min_replicas, [*range(len(lines))]), (bounds.base_on_demand, steady))
    return [
        (
            _widened(horizon, _wanted(horizon, which), horizon.num_moves + horizon.num_steps),
            *_at_least([floor - int(horizon.now[which].sum())] * horizon.num_steps),
        )
        for floor, which in floors
        if floor
    ]


def _budget(horizon: Horizon) -> list[Block]:
    """What is held anyway may exceed the budget; nothing is added to it then. Draining replicas leave with step 0."""
    if horizon.bounds.max_usd_per_hour is None:
        return []
    prices = horizon.prices
    left = np.full(horizon.num_steps, horizon.bounds.max_usd_per_hour)
    left[0] -= horizon.draining_usd_per_hour
    most = np.maximum(left, prices @ horizon.held) - prices @ horizon.now[:, 0]
    parts = prices[:, None, None] * _paid(horizon.num_steps)[:, None]
    return [(_widened(horizon, parts), *_at_most(most))]


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
    hours = horizon.step_hours
    left_hours = hours[::-1].cumsum()[::-1]
    moves = horizon.prices[:, None, None] * np.array([left_hours, hours - left_hours])
    missed_usd = horizon.usd_per_missed_work_hour * hours
    lacking_usd = missed_usd * horizon.capacity.max() * MISSED_FLOOR_FACTOR
    return np.concatenate([(moves + horizon.usd_per_change).ravel(), missed_usd, lacking_usd])

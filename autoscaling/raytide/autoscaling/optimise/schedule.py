"""The program of a horizon: cumulative starts and stops of every option, as columns and rows for the solver."""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Rows under construction."""

    starts: list[int] = field(default_factory=lambda: [0])
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)

    def add(self, terms: list[tuple[int, float]], least: float = -np.inf, most: float = np.inf) -> None:
        """`least ≤ Σ value·column ≤ most`."""
        self.columns.extend(column for column, _ in terms)
        self.values.extend(value for _, value in terms)
        self.starts.append(len(self.columns))
        self.least.append(least)
        self.most.append(most)

    def rows(self) -> Rows:
        """The finished rows."""
        return Rows(
            starts=np.array(self.starts, dtype=np.int32),
            columns=np.array(self.columns, dtype=np.int32),
            values=np.array(self.values, dtype=np.float64),
            least=np.array(self.least),
            most=np.array(self.most),
        )


def program_of(horizon: Horizon) -> Program:
    """The program whose first columns are cumulative starts and stops, option by option."""
    builder = _Builder()
    for index, line in enumerate(horizon.timelines):
        _add_option(builder, horizon, index, line)
    for step in range(horizon.num_steps):
        _add_step(builder, horizon, step)
    return Program(costs=_costs(horizon), rows=builder.rows(), most=_most(horizon))


def _add_option(builder: _Builder, horizon: Horizon, index: int, line: Timeline) -> None:
    """Starts and stops only add up; a replica stops once it is ready and its minimum billing is over."""
    for step in range(horizon.num_steps):
        started, stopped = horizon.started(index, step), horizon.stopped(index, step)
        if step:
            builder.add([(started, 1.0), (horizon.started(index, step - 1), -1.0)], least=0.0)
            builder.add([(stopped, 1.0), (horizon.stopped(index, step - 1), -1.0)], least=0.0)
        back = int(line.frees[step]) - 1
        held = [(horizon.started(index, back), -1.0)] if back >= 0 else []
        builder.add([(stopped, 1.0), *held], most=float(line.may_stop[step]))
        if line.option.max_replicas is not None:
            quota = max(line.option.max_replicas, line.held(step))
            builder.add(_paid(horizon, index, step), most=float(quota - line.option.num_now))


def _add_step(builder: _Builder, horizon: Horizon, step: int) -> None:
    """Work, floors, the most replicas and the budget, in one step."""
    lines = list(enumerate(horizon.timelines))
    serving = [
        (column, line.option.capacity * sign) for i, line in lines for column, sign in _serving(horizon, i, step)
    ]
    covered = sum(line.option.capacity * float(line.ready[step]) for _, line in lines)
    builder.add([*serving, (horizon.missed(step), 1.0)], least=horizon.need.work[step] - covered)
    wanted = [term for i, _ in lines for term in _wanted(horizon, i, step)]
    now = sum(line.option.num_now for _, line in lines)
    held = sum(line.option.num_now - int(line.may_stop[step]) for _, line in lines)
    builder.add(wanted, most=float(max(horizon.bounds.max_replicas, held) - now))
    if horizon.bounds.min_replicas:
        builder.add([*wanted, (horizon.lacking(step), 1.0)], least=float(horizon.bounds.min_replicas - now))
    if horizon.bounds.base_on_demand:
        steady = [(i, line) for i, line in lines if not line.option.spot]
        terms = [term for i, _ in steady for term in _wanted(horizon, i, step)]
        base = horizon.bounds.base_on_demand - sum(line.option.num_now for _, line in steady)
        builder.add([*terms, (horizon.lacking(step), 1.0)], least=float(base))
    if horizon.bounds.max_usd_per_hour is not None:
        _add_budget(builder, horizon, step, horizon.bounds.max_usd_per_hour)


def _add_budget(builder: _Builder, horizon: Horizon, step: int, max_usd_per_hour: float) -> None:
    """What is held anyway may exceed the budget; nothing is added to it then. Draining replicas leave with step 0."""
    lines = list(enumerate(horizon.timelines))
    draining = sum(line.option.usd_per_hour * line.option.num_draining for _, line in lines) if step == 0 else 0.0
    held = sum(line.option.usd_per_hour * line.held(step) for _, line in lines)
    now = sum(line.option.usd_per_hour * line.option.num_now for _, line in lines)
    terms = [(c, line.option.usd_per_hour * v) for i, line in lines for c, v in _paid(horizon, i, step)]
    builder.add(terms, most=max(max_usd_per_hour - draining, held) - now)


def _serving(horizon: Horizon, index: int, step: int) -> list[tuple[int, float]]:
    back = int(horizon.timelines[index].serves[step]) - 1
    started = [(horizon.started(index, back), 1.0)] if back >= 0 else []
    return [*started, (horizon.stopped(index, step), -1.0)]


def _wanted(horizon: Horizon, index: int, step: int) -> list[tuple[int, float]]:
    return [(horizon.started(index, step), 1.0), (horizon.stopped(index, step), -1.0)]


def _paid(horizon: Horizon, index: int, step: int) -> list[tuple[int, float]]:
    """A stop is paid to the end of its step."""
    before = [(horizon.stopped(index, step - 1), -1.0)] if step else []
    return [(horizon.started(index, step), 1.0), *before]


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

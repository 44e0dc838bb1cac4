"""What whole starts and stops over a horizon cost, and which bounds they break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.schedule import MISSED_FLOOR_FACTOR, Horizon
from raytide.autoscaling.optimise.timeline import Steps

NO_QUOTA: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdicts:
    """Many paths of a fleet; arrays of shape (paths,) but for what runs."""

    ready: Steps
    """Shape (paths, options, steps)."""
    usd: Floats
    missed_work_hours: Floats
    num_changes: Steps
    objective_usd: Floats
    num_broken: Floats
    """Replicas and dollars per hour beyond the bounds and beyond what is held anyway; zero in a valid plan."""

    @property
    def best(self) -> int:
        """The path that breaks least, and of these the one of the lowest objective."""
        return int(np.lexsort((self.objective_usd, self.num_broken))[0])

    def rank(self, path: int) -> tuple[float, float]:
        """What a path breaks, and its objective: lower is better."""
        return float(self.num_broken[path]), float(self.objective_usd[path])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judge:
    """The facts of a horizon as arrays: a repair asks for a hundred verdicts."""

    horizon: Horizon
    prices: Floats
    capacity: Floats
    steady: NDArray[np.bool_]
    now: Steps
    """Shape (options, 1), as the quotas."""
    quotas: Steps
    """Per option and step, never below what is held anyway."""
    limits: Steps
    """The most replicas per step, likewise."""
    budgets: Floats
    """Dollars per hour per step, likewise."""
    max_starts: Steps
    ready: Steps
    may_stop: Steps
    serves: Steps
    """Where each step finds the starts that serve in it, with a zero put before the first."""
    frees: Steps
    """Where each step finds the starts that may stop in it."""

    @classmethod
    def of(cls, horizon: Horizon) -> Judge:
        """The judge of this horizon."""
        lines = horizon.timelines
        now = np.array([[line.option.num_now] for line in lines], dtype=np.int64)
        prices = np.array([line.option.usd_per_hour for line in lines])
        may_stop = np.array([line.may_stop for line in lines])
        held = np.array([line.held for line in lines])
        quotas = [[NO_QUOTA if line.option.max_replicas is None else line.option.max_replicas] for line in lines]
        return cls(
            horizon=horizon,
            prices=prices,
            capacity=np.array([line.option.capacity for line in lines]),
            steady=np.array([not line.option.spot for line in lines]),
            now=now,
            quotas=np.maximum(np.array(quotas), held),
            limits=np.maximum(horizon.bounds.max_replicas, (now - may_stop).sum(axis=0)),
            budgets=np.maximum(_budgets(horizon), prices @ held),
            max_starts=np.array([[line.max_starts] for line in lines]),
            ready=np.array([line.ready for line in lines]),
            may_stop=may_stop,
            serves=np.array([line.serves for line in lines]),
            frees=np.array([line.frees for line in lines]),
        )

    def allowed(self, started: Steps, stopped: Steps) -> Steps:
        """The stops, none earlier than readiness and minimum billing allow; all of shape (paths, options, steps)."""
        allowed: Steps = np.minimum(stopped, self.may_stop + _come(started, self.frees))
        return allowed

    def verdicts(self, started: Steps, stopped: Steps) -> Verdicts:
        """The verdicts on cumulative starts and stops; both of shape (paths, options, steps)."""
        horizon, hours = self.horizon, self.horizon.step_hours
        ready = self.ready + _come(started, self.serves) - stopped
        wanted = self.now + started - stopped
        paid = wanted + np.diff(stopped, axis=-1, prepend=0)  # a stop is paid to the end of its step
        spend, total = self.prices @ paid, wanted.sum(axis=-2)
        missed = np.maximum(0.0, np.array(horizon.need.work) - self.capacity @ ready) @ hours
        floors = self._lacking(wanted, total) @ hours * float(self.capacity.max()) * MISSED_FLOOR_FACTOR
        changes = started[..., -1].sum(axis=-1) + stopped[..., -1].sum(axis=-1)
        usd = spend @ hours + _draining(horizon) * hours[0]
        over = np.maximum(0, paid - self.quotas).sum(axis=(-2, -1)) + np.maximum(0, total - self.limits).sum(axis=-1)
        weighed = horizon.usd_per_missed_work_hour * (missed + floors) + horizon.usd_per_change * changes
        return Verdicts(
            ready=ready,
            usd=usd,
            missed_work_hours=missed,
            num_changes=changes,
            objective_usd=usd + weighed,
            num_broken=over + np.maximum(0.0, spend - self.budgets - 1e-6).sum(axis=-1),
        )

    def _lacking(self, wanted: Steps, total: Steps) -> Steps:
        """Replicas that the floors lack; shape (paths, steps)."""
        bounds = self.horizon.bounds
        lacking = np.maximum(0, bounds.min_replicas - total)
        if bounds.base_on_demand:
            lacking = np.maximum(lacking, bounds.base_on_demand - wanted[..., self.steady, :].sum(axis=-2))
        return lacking


def _come(cumulative: Steps, where: Steps) -> Steps:
    """The cumulative counts that each step finds, with a zero put before the first."""
    padded = np.concatenate([np.zeros_like(cumulative[..., :1]), cumulative], axis=-1)
    come: Steps = padded[..., np.arange(len(where))[:, None], where]
    return come


def _draining(horizon: Horizon) -> float:
    return sum(line.option.usd_per_hour * line.option.num_draining for line in horizon.timelines)


def _budgets(horizon: Horizon) -> Floats:
    """Draining replicas leave with the first step."""
    limit = np.inf if horizon.bounds.max_usd_per_hour is None else horizon.bounds.max_usd_per_hour
    budgets = np.full(horizon.num_steps, limit)
    budgets[0] -= _draining(horizon)
    return budgets

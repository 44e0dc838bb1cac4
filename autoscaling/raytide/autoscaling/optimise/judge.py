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
class Verdict:
    """One path of a fleet."""

    ready: Steps
    """Shape (options, steps)."""
    usd: float
    missed_work_hours: float
    num_changes: int
    objective_usd: float
    num_broken: float
    """Replicas and dollars per hour beyond the bounds and beyond what is held anyway; zero in a valid plan."""


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
    ready: Steps
    may_stop: Steps
    served_from: NDArray[np.intp]
    """Where each step finds the starts that serve in it, with a zero put before the first."""
    free_from: NDArray[np.intp]
    """Where each step finds the starts that may stop in it."""

    @classmethod
    def of(cls, horizon: Horizon) -> Judge:
        """The judge of this horizon."""
        lines, steps = horizon.timelines, np.arange(horizon.num_steps)
        now = np.array([[line.option.num_now] for line in lines], dtype=np.int64)
        prices = np.array([line.option.usd_per_hour for line in lines])
        may_stop = np.array([line.may_stop for line in lines])
        held = now - np.column_stack([np.zeros_like(now), may_stop[:, :-1]])
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
            ready=np.array([line.ready for line in lines]),
            may_stop=may_stop,
            served_from=np.maximum(0, np.array([steps + 1 - line.cold_steps for line in lines])),
            free_from=np.maximum(0, np.array([steps + 1 - line.held_steps for line in lines])),
        )

    def allowed(self, started: Steps, stopped: Steps) -> Steps:
        """The stops, none earlier than readiness and minimum billing allow."""
        free: Steps = self.may_stop + np.take_along_axis(_after_zero(started), self.free_from, axis=1)
        return np.minimum(stopped, free)

    def verdict(self, started: Steps, stopped: Steps) -> Verdict:
        """The verdict on cumulative starts and stops; both of shape (options, steps)."""
        hours, bounds = self.horizon.step_hours, self.horizon.bounds
        ready = self.ready + np.take_along_axis(_after_zero(started), self.served_from, axis=1) - stopped
        paid = self.now + started - _after_zero(stopped)[:, :-1]
        wanted = self.now + started - stopped
        spend, total = self.prices @ paid, wanted.sum(axis=0)
        missed = float(np.maximum(0.0, np.array(self.horizon.need.work) - self.capacity @ ready).sum()) * hours
        lacking = np.maximum(bounds.min_replicas - total, bounds.base_on_demand - wanted[self.steady].sum(axis=0))
        floors = float(np.maximum(0, lacking).sum()) * hours * float(self.capacity.max()) * MISSED_FLOOR_FACTOR
        changes = int(started[:, -1].sum() + stopped[:, -1].sum())
        usd = float(spend.sum() + _draining(self.horizon)) * hours
        over = np.maximum(0, paid - self.quotas).sum() + np.maximum(0, total - self.limits).sum()
        weighed = self.horizon.usd_per_missed_work_hour * (missed + floors) + self.horizon.usd_per_change * changes
        return Verdict(
            ready=ready,
            usd=usd,
            missed_work_hours=missed,
            num_changes=changes,
            objective_usd=usd + weighed,
            num_broken=float(over + np.maximum(0.0, spend - self.budgets - 1e-6).sum()),
        )


def _after_zero(cumulative: Steps) -> Steps:
    return np.concatenate([np.zeros((cumulative.shape[0], 1), dtype=np.int64), cumulative], axis=1)


def _draining(horizon: Horizon) -> float:
    return sum(line.option.usd_per_hour * line.option.num_draining for line in horizon.timelines)


def _budgets(horizon: Horizon) -> Floats:
    """Draining replicas leave with the first step."""
    limit = np.inf if horizon.bounds.max_usd_per_hour is None else horizon.bounds.max_usd_per_hour
    budgets = np.full(horizon.num_steps, limit)
    budgets[0] -= _draining(horizon)
    return budgets

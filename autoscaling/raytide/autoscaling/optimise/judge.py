"""What whole starts and stops over a horizon cost, and which bounds they break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.schedule import MISSED_FLOOR_FACTOR, Horizon, Steps

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
    """The bounds of a horizon as arrays, never below what is held anyway: a repair asks for a hundred verdicts."""

    horizon: Horizon
    work: Floats
    """Per step."""
    quotas: Steps
    """Per option and step."""
    max_starts: Steps
    """Shape (options, 1)."""

    @classmethod
    def of(cls, horizon: Horizon) -> Judge:
        """The judge of this horizon."""
        options = [line.option for line in horizon.timelines]
        quotas = [[NO_QUOTA if option.max_replicas is None else option.max_replicas] for option in options]
        return cls(
            horizon=horizon,
            work=np.array(horizon.need.work),
            quotas=np.maximum(np.array(quotas), horizon.held),
            max_starts=np.array([[line.max_starts] for line in horizon.timelines]),
        )

    def allowed(self, started: Steps, stopped: Steps) -> Steps:
        """The stops, none earlier than readiness and minimum billing allow; all of shape (paths, options, steps)."""
        allowed: Steps = np.minimum(stopped, self.horizon.may_stop + _come(started, self.horizon.frees))
        return allowed

    def verdicts(self, started: Steps, stopped: Steps) -> Verdicts:
        """The verdicts on cumulative starts and stops; both of shape (paths, options, steps)."""
        horizon, hours = self.horizon, self.horizon.step_hours
        ready = horizon.ready + _come(started, horizon.serves) - stopped
        wanted = horizon.now + started - stopped
        paid = wanted + stopped
        paid[..., 1:] -= stopped[..., :-1]  # a stop is paid to the end of its step
        spend, total = horizon.prices @ paid, wanted.sum(axis=-2)
        missed = np.maximum(0.0, self.work - horizon.capacity @ ready) @ hours
        floors = self._lacking(wanted, total) @ hours * float(horizon.capacity.max()) * MISSED_FLOOR_FACTOR
        changes = started[..., -1].sum(axis=-1) + stopped[..., -1].sum(axis=-1)
        usd = spend @ hours + horizon.draining_usd_per_hour * hours[0]
        over = np.maximum(0, paid - self.quotas).sum(axis=(-2, -1)) + np.maximum(0, total - horizon.limits).sum(axis=-1)
        weighed = horizon.usd_per_missed_work_hour * (missed + floors) + horizon.usd_per_change * changes
        return Verdicts(
            ready=ready,
            usd=usd,
            missed_work_hours=missed,
            num_changes=changes,
            objective_usd=usd + weighed,
            num_broken=over + np.maximum(0.0, spend - horizon.budgets - 1e-6).sum(axis=-1),
        )

    def _lacking(self, wanted: Steps, total: Steps) -> Steps:
        """Replicas that the floors lack; shape (paths, steps)."""
        bounds = self.horizon.bounds
        lacking = np.maximum(0, bounds.min_replicas - total)
        if bounds.base_on_demand:
            steady = [not line.option.spot for line in self.horizon.timelines]
            lacking = np.maximum(lacking, bounds.base_on_demand - wanted[..., steady, :].sum(axis=-2))
        return lacking


def _come(cumulative: Steps, where: Steps) -> Steps:
    """The cumulative counts that each step finds, with a zero put before the first."""
    padded = np.concatenate([np.zeros_like(cumulative[..., :1]), cumulative], axis=-1)
    come: Steps = padded[..., np.arange(len(where))[:, None], where]
    return come

"""The counts that peers scale on, read from an observation; `Missing` where they were not reported."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Requests in the service at one moment."""

    running: int
    waiting: int
    """In the engines' queues, and at the gateway where no replica is ready."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.running + self.waiting


def in_flight(observation: Observation) -> InFlight | Missing:
    """Requests in the first variant's replicas and at the gateway; with no replica ready the gateway knows them all."""
    view = observation.variants[0]
    if not view.num_ready:
        return InFlight(running=0, waiting=observation.num_queued)
    gauges = view.gauges
    if isinstance(gauges, Missing):
        return gauges
    return InFlight(running=int(gauges.running.sum()), waiting=int(gauges.waiting.sum()) + observation.num_queued)


def gauges_of(observation: Observation) -> Gauges | Missing:
    """The first variant's gauges, of at least one replica."""
    view = observation.variants[0]
    if isinstance(view.gauges, Gauges) and not len(view.gauges.running):
        return Missing(reason="no replica is ready")
    return view.gauges

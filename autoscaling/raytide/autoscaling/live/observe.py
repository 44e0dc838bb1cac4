"""Observations, from what Serve says of the replicas and what the replicas say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.demand import Unobserved, demand_of
from raytide.autoscaling.live.fleet import Changes, Fleet, changes
from raytide.autoscaling.live.inbox import Inbox
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import Upstream, upstream_of
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective

_FORGOTTEN_AFTER_S = 600.0
_SILENT = Missing(reason="no ready replica reports")


class Observer:
    """Remembers where the last observation ended, so that the next one goes on from there."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._fleets: dict[str, Fleet] = {}
        self._unobserved = Unobserved()
        self._is_silent = True

    def hear(self, report: ReplicaReport, heard_s: float) -> None:
        """Take in what one replica saw."""
        self._inbox.add(report, heard_s)

    def capacity(self, fleet: Fleet, since_s: float) -> Capacity | Missing:
        """What the middle one of the ready replicas that were heard since then measured."""
        middle = _typical([report for report in self._inbox.latest(since_s) if report.replica in fleet.ready])
        return middle if isinstance(middle, Missing) else middle.capacity

    def upstreams(self, fleets: Sequence[Fleet], looked_s: float, since_s: float) -> tuple[Upstream, ...]:
        """Every replica that takes requests: heard since then, not draining, and not gone when Serve was last asked.

        A replica reports only once it is ready, so one that has begun since that look is trusted: Serve names it later.
        """
        draining = frozenset[str]().union(*(fleet.draining for fleet in fleets))
        known = frozenset[str]().union(*(fleet.ready | fleet.starting.keys() for fleet in fleets))
        return tuple(
            upstream_of(report)
            for heard_s, report in self._inbox.heard(since_s)
            if not report.is_draining
            and report.replica not in draining
            and (report.replica in known or heard_s > looked_s)
        )

    def observe(self, fleets: Sequence[Fleet], objective: Objective, now_s: float, stale_after_s: float) -> Observation:
        """The service at `now_s`; replicas that were not heard within `stale_after_s` say nothing."""
        live = self._inbox.latest(now_s - stale_after_s)
        silent = _silence(fleets, live, stale_after_s)
        new = () if silent else self._inbox.empty()
        views = tuple(self._view(fleet, live, new, now_s) for fleet in fleets)
        demand = silent or self._demand(new, objective, now_s)
        self._is_silent = silent is not None
        self._inbox.forget(now_s - max(_FORGOTTEN_AFTER_S, stale_after_s))
        return Observation(at_s=now_s, demand=demand, variants=views)

    def _demand(self, new: Sequence[ReplicaReport], objective: Objective, now_s: float) -> Demand:
        before = self._unobserved.resumed(new) if self._is_silent else self._unobserved
        demand, self._unobserved = demand_of(before, new, objective, now_s)
        return demand

    def _view(
        self, fleet: Fleet, live: Sequence[ReplicaReport], new: Sequence[ReplicaReport], now_s: float
    ) -> VariantView:
        happened = changes(self._fleets.get(fleet.variant), fleet, now_s)
        self._fleets[fleet.variant] = fleet
        ready = [report for report in live if report.replica in fleet.ready]
        own = [report for report in new if report.variant == fleet.variant]
        return _view(fleet, happened, ready, own, now_s)


def _silence(fleets: Sequence[Fleet], live: Sequence[ReplicaReport], stale_after_s: float) -> Missing | None:
    """Why nothing is known of the demand; None where a ready replica reports."""
    ready = frozenset[str]().union(*(fleet.ready for fleet in fleets))
    if any(report.replica in ready for report in live):
        return None
    return Missing(reason=f"none of {len(ready)} ready replicas reported within {stale_after_s:g} s")


def _view(
    fleet: Fleet, happened: Changes, ready: Sequence[ReplicaReport], new: Sequence[ReplicaReport], now_s: float
) -> VariantView:
    return VariantView(
        name=fleet.variant,
        target=fleet.target,
        num_ready=len(fleet.ready),
        starting_for_s=tuple(sorted((now_s - at_s for at_s in fleet.starting.values()), reverse=True)),
        num_draining=len(fleet.draining),
        gauges=_gauges(ready),
        iterations=_iterations(new) if ready else _SILENT,
        engine=_engine(ready),
        num_failed_starts=happened.num_failed_starts,
        num_preempted=happened.num_lost,
        became_ready_after_s=happened.became_ready_after_s,
    )


def _typical(reports: Sequence[ReplicaReport]) -> ReplicaReport | Missing:
    """The middle replica's, so that one slow measurement at a start does not size the service."""
    if not reports:
        return Missing(reason="no replica has reported its capacity yet")
    ordered = sorted(reports, key=lambda report: report.capacity.peak_output_tokens_per_s)
    return ordered[(len(ordered) - 1) // 2]


def _engine(ready: Sequence[ReplicaReport]) -> Engine | Missing:
    middle = _typical(ready)
    return middle if isinstance(middle, Missing) else middle.engine


def _gauges(ready: Sequence[ReplicaReport]) -> Gauges | Missing:
    if not ready:
        return _SILENT
    return Gauges(
        running=_each(report.running for report in ready),
        waiting=_each(report.waiting for report in ready),
        waiting_prompt_tokens=_each(report.waiting_prompt_tokens for report in ready),
        kv_tokens=_each(report.kv_tokens for report in ready),
    )


def _each(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64)


def _iterations(reports: Sequence[ReplicaReport]) -> Iterations:
    ran = [report.iterations for report in reports]
    return Iterations(
        num=sum(each.num for each in ran),
        seconds=sum(each.seconds for each in ran),
        sequences=sum(each.sequences for each in ran),
        root_sequences=sum(each.root_sequences for each in ran),
        kv_tokens=sum(each.kv_tokens for each in ran),
        prefill_tokens=sum(each.prefill_tokens for each in ran),
    )

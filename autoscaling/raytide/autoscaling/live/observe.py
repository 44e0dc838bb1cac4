"""Observations, from what Serve says of the replicas and what the replicas say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.by_class import Arriving
from raytide.autoscaling.live.counted import ByClass
from raytide.autoscaling.live.demand import REPORTED_AFTER_S, Unobserved, demand_of
from raytide.autoscaling.live.fleet import Changes, Fleet, changes
from raytide.autoscaling.live.inbox import Inbox
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import Upstream, upstream_of
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Terms

_FORGOTTEN_AFTER_S = 600.0
_SILENT = Missing(reason="no ready replica reports")
_UNMEASURED = Missing(reason="no replica has reported its capacity yet")


class Observer:
    """Remembers where the last observation ended, so that the next one goes on from there.

    `engines` are those that replicas measured in a life before this one, by variant.
    """

    def __init__(self, engines: Mapping[str, Engine] | None = None) -> None:
        self.engines: Mapping[str, Engine] = engines or {}
        """As the latest replica of each variant measured it: known while none runs, so that the next one can be."""
        self._sleeps = False
        self._inbox = Inbox()
        self._arriving = Arriving()
        self._fleets: dict[str, Fleet] = {}
        self._unobserved = Unobserved()
        self._is_silent = True

    def hear(self, report: ReplicaReport, heard_s: float) -> None:
        """Take in what one replica saw."""
        self._inbox.add(report, heard_s)

    def hear_gateway(self, gateway: str, told: ByClass, heard_s: float) -> None:
        """Take in how many of each traffic class a gateway has counted since it began."""
        since = self._arriving.since(gateway, told)
        if since is not None:
            self._unobserved = self._unobserved.with_classes(int(heard_s), since)

    def capacity(self, fleet: Fleet, since_s: float) -> Capacity | Missing:
        """What the middle one of the ready replicas that were heard since then measured."""
        middle = _typical([report for report in self._inbox.latest(since_s) if report.replica in fleet.ready])
        return middle if isinstance(middle, Missing) else middle.capacity

    def upstreams(self, fleets: Sequence[Fleet], looked_s: float, since_s: float) -> tuple[Upstream, ...]:
        """Every replica that takes requests: heard since then, not draining, and not gone when Serve was last asked.

        A replica reports only once it is ready, so one that has begun since that look is trusted: Serve names it later.
        Where nobody was heard since then, it is the brain that is deaf, and Serve's word is enough: those that it calls
        ready serve on where they did.
        """
        draining = frozenset[str]().union(*(fleet.draining for fleet in fleets))
        known = frozenset[str]().union(*(fleet.ready | fleet.starting.keys() for fleet in fleets))
        return tuple(
            upstream_of(report)
            for heard_s, report in self._inbox.heard(since_s) or self._inbox.heard(0.0)
            if not report.is_draining
            and report.replica not in draining
            and (report.replica in known or heard_s > looked_s)
        )

    def observe(
        self, fleets: Sequence[Fleet], terms: Terms, now_s: float, stale_after_s: float, num_queued: int = 0
    ) -> Observation:
        """The service at `now_s`, with so many requests that wait for its first replica.

        Replicas that were not heard within `stale_after_s` say nothing.
        """
        live = self._inbox.latest(now_s - stale_after_s)
        self._sleeps = _sleeps(fleets, sleeps=self._sleeps)
        silent = None if self._sleeps else _silence(fleets, live, stale_after_s)
        new = () if silent else self._inbox.empty()
        views = tuple(self._view(fleet, live, new, now_s) for fleet in fleets)
        demand = silent or self._demand(new, terms, now_s, num_queued)
        self._is_silent = silent is not None
        self._inbox.forget(now_s - max(_FORGOTTEN_AFTER_S, stale_after_s))
        return Observation(at_s=now_s, demand=demand, variants=views, num_queued=num_queued)

    def _demand(self, new: Sequence[ReplicaReport], terms: Terms, now_s: float, num_queued: int) -> Demand:
        before = self._unobserved
        if self._is_silent:
            before = before.resumed(new) if new else before.after(int(now_s - REPORTED_AFTER_S))
        # Whoever waits is counted once a replica reports it: until then time stands still, and is not calm.
        is_calm = self._sleeps and not num_queued
        demand, self._unobserved = demand_of(before, new, terms, now_s, is_asleep=is_calm)
        return demand

    def _view(
        self, fleet: Fleet, live: Sequence[ReplicaReport], new: Sequence[ReplicaReport], now_s: float
    ) -> VariantView:
        happened = changes(self._fleets.get(fleet.variant), fleet, now_s)
        self._fleets[fleet.variant] = fleet
        ready = [report for report in live if report.replica in fleet.ready]
        own = [report for report in new if report.variant == fleet.variant]
        if not isinstance(middle := _typical(ready), Missing):
            self.engines = {**self.engines, fleet.variant: middle.engine}
        engine = self.engines.get(fleet.variant, _UNMEASURED)
        return _view(fleet, happened, ready, own, engine, now_s)


def _sleeps(fleets: Sequence[Fleet], *, sleeps: bool) -> bool:
    """Whether nobody serves because nobody is wanted, or the first replica since then is still on its way."""
    if any(fleet.ready for fleet in fleets):
        return False
    return sleeps or not any(fleet.target for fleet in fleets)


def _silence(fleets: Sequence[Fleet], live: Sequence[ReplicaReport], stale_after_s: float) -> Missing | None:
    """Why nothing is known of the demand; None where a ready replica reports."""
    ready = frozenset[str]().union(*(fleet.ready for fleet in fleets))
    if any(report.replica in ready for report in live):
        return None
    return Missing(reason=f"none of {len(ready)} ready replicas reported within {stale_after_s:g} s")


def _view(
    fleet: Fleet,
    happened: Changes,
    ready: Sequence[ReplicaReport],
    new: Sequence[ReplicaReport],
    engine: Engine | Missing,
    now_s: float,
) -> VariantView:
    return VariantView(
        name=fleet.variant,
        target=fleet.target,
        num_ready=len(fleet.ready),
        starting_for_s=tuple(sorted((now_s - at_s for at_s in fleet.starting.values()), reverse=True)),
        num_draining=len(fleet.draining),
        gauges=_gauges(ready),
        iterations=_iterations(new) if ready else _SILENT,
        engine=engine,
        num_failed_starts=happened.num_failed_starts,
        num_preempted=happened.num_lost,
        became_ready_after_s=happened.became_ready_after_s,
    )


def _typical(reports: Sequence[ReplicaReport]) -> ReplicaReport | Missing:
    """The middle replica's, so that one slow measurement at a start does not size the service."""
    if not reports:
        return _UNMEASURED
    ordered = sorted(reports, key=lambda report: report.capacity.peak_output_tokens_per_s)
    return ordered[(len(ordered) - 1) // 2]


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

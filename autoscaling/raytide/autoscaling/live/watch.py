"""The reports that replicas push, kept for one window; and what Serve says of the replicas themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from raytide.autoscaling.live.reports import Fleet, ReplicaReport


class ReportWindow:
    """The latest reports of every replica, bounded in time."""

    def __init__(self) -> None:
        self._reports: deque[ReplicaReport] = deque()

    def add(self, report: ReplicaReport, window_s: float) -> None:
        """Keep a report, and forget those that left the window before it."""
        self._reports.append(report)
        while self._reports and report.at_s - self._reports[0].at_s > window_s:
            self._reports.popleft()

    def all(self) -> tuple[ReplicaReport, ...]:
        """Every report that is kept, oldest first."""
        return tuple(self._reports)


def fleets(application: str, variants: Iterable[str], targets: Mapping[str, int]) -> tuple[Fleet, ...]:
    """What Serve's controller says of each variant's replicas; blocks for one call to the controller."""
    from ray import serve

    deployments = serve.status().applications[application].deployments
    return tuple(
        _fleet(name, {str(state): count for state, count in deployments[name].replica_states.items()}, targets)
        for name in variants
        if name in deployments
    )


def _fleet(name: str, states: Mapping[str, int], targets: Mapping[str, int]) -> Fleet:
    ready = _count(states, "RUNNING")
    starting = _count(states, "STARTING") + _count(states, "UPDATING") + _count(states, "RECOVERING")
    return Fleet(
        variant=name,
        num_ready=ready,
        num_starting=starting,
        num_stopping=_count(states, "STOPPING"),
        target=targets.get(name, ready + starting),
    )


def _count(states: Mapping[str, int], name: str) -> int:
    return sum(count for state, count in states.items() if state.split(".")[-1] == name)

"""The reports that replicas push: each counted once, however often it is sent."""

from __future__ import annotations

from raytide.autoscaling.live.reports import ReplicaReport


class Inbox:
    """What came since it was last emptied, and the latest report of every replica."""

    def __init__(self) -> None:
        self._new: list[ReplicaReport] = []
        self._latest: dict[str, tuple[float, ReplicaReport]] = {}

    def add(self, report: ReplicaReport, heard_s: float) -> None:
        """Keep a report that came at this time of the brain's clock, unless it came before."""
        if report.replica in self._latest and report.number <= self._latest[report.replica][1].number:
            return
        self._new.append(report)
        self._latest[report.replica] = (heard_s, report)

    def latest(self, since_s: float) -> tuple[ReplicaReport, ...]:
        """The latest report of every replica that was heard since then."""
        return tuple(report for _, report in self.heard(since_s))

    def heard(self, since_s: float) -> tuple[tuple[float, ReplicaReport], ...]:
        """The same, each with the time at which it came."""
        return tuple(latest for latest in self._latest.values() if latest[0] >= since_s)

    def empty(self) -> tuple[ReplicaReport, ...]:
        """What came since the last time, oldest first."""
        new, self._new = tuple(self._new), []
        return new

    def forget(self, before_s: float) -> None:
        """Drop replicas that were last heard before then: Serve never uses an id again."""
        self._latest = {replica: heard for replica, heard in self._latest.items() if heard[0] >= before_s}

"""What a replica counts between two reports: the gateway's arrivals and errors, the engine's state and requests."""

from __future__ import annotations

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.reports import ReplicaReport, RequestSample


class ReplicaMeter:
    """Counts since the last report; used from one event loop only."""

    def __init__(self, *, replica: str, variant: str, started_s: float) -> None:
        self._replica = replica
        self._variant = variant
        self._since_s = started_s
        self._arrivals = 0
        self._errors = 0
        self._finished: list[RequestSample] = []
        self._running = 0
        self._waiting = 0
        self._kv_used_fraction = 0.0

    def count_arrival(self) -> None:
        """A request for a completion has reached the gateway."""
        self._arrivals += 1

    def count_error(self) -> None:
        """A request has been answered with a status of 500 or above."""
        self._errors += 1

    def see_engine(self, *, running: int, waiting: int, kv_used_fraction: float) -> None:
        """The engine's scheduler has this state now."""
        self._running, self._waiting, self._kv_used_fraction = running, waiting, kv_used_fraction

    def see_finished(self, sample: RequestSample) -> None:
        """The engine has finished a request."""
        self._finished.append(sample)

    def reset(self, now_s: float) -> None:
        """Forget what was counted: warm-up requests are nobody's traffic."""
        self._arrivals, self._errors, self._finished, self._since_s = 0, 0, [], now_s

    def report(self, now_s: float, capacity: Capacity) -> ReplicaReport:
        """Everything since the last report; counting starts again."""
        made = ReplicaReport(
            replica=self._replica,
            variant=self._variant,
            at_s=now_s,
            span_s=now_s - self._since_s,
            arrivals=self._arrivals,
            errors=self._errors,
            running=self._running,
            waiting=self._waiting,
            kv_used_fraction=self._kv_used_fraction,
            finished=tuple(self._finished),
            capacity=capacity,
        )
        self.reset(now_s)
        return made

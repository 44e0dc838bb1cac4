"""What the autoscaler sees of a service at one moment. Absent knowledge is `Missing`, never a zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.missing import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSample:
    """One finished request, as its engine measured it."""

    prompt_tokens: int
    output_tokens: int
    ttft_s: float
    """From the request's arrival at the engine to its first token."""
    tpot_s: float
    """Mean time per output token after the first; 0 where only one token was produced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReport:
    """What one replica saw since its previous report."""

    replica: str
    variant: str
    at_s: float
    """When the report was made, seconds since the epoch."""
    span_s: float
    """The time that the report covers."""
    arrivals: int
    """Requests that reached the replica's gateway."""
    errors: int
    """Responses with a status of 500 or above."""
    running: int
    waiting: int
    kv_used_fraction: float
    finished: tuple[RequestSample, ...]
    capacity: Capacity
    """As measured while the replica warmed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What arrived at a variant over the window, and how it was served."""

    arrivals_per_s: float
    prompt_tokens: float
    """Mean of a request; 0 where none finished in the window."""
    output_tokens: float
    """Mean of a request; 0 where none finished in the window."""
    running: int
    mean_running: float
    """Sequences in the batches of all replicas, averaged over the window."""
    waiting: int
    errors: int
    samples: tuple[RequestSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """One variant: its replicas, what one of them can do, and its traffic."""

    name: str
    num_ready: int
    num_starting: int
    target: int
    """How many replicas Serve is asked to run at present."""
    usd_per_hour: float | Missing
    """Price of one replica."""
    capacity: Capacity | Missing
    traffic: Traffic | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A service as seen at `at_s`."""

    at_s: float
    variants: tuple[VariantView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What Serve says of one variant's replicas."""

    variant: str
    num_ready: int
    num_starting: int
    num_stopping: int
    target: int

    @property
    def num_holding(self) -> int:
        """Replicas that hold their resources, whether they serve or not."""
        return self.num_ready + self.num_starting + self.num_stopping


def observe(
    fleets: Iterable[Fleet],
    reports: Sequence[ReplicaReport],
    *,
    usd_per_hour: float | Missing,
    now_s: float,
    window_s: float,
    stale_after_s: float,
) -> Observation:
    """The service at `now_s`, from every report of the last `window_s`.

    A variant of which no replica has reported within `stale_after_s` has missing traffic: silence is not zero load.
    """
    recent = [report for report in reports if now_s - report.at_s <= window_s]
    views = (_view(fleet, recent, usd_per_hour, now_s, stale_after_s) for fleet in fleets)
    return Observation(at_s=now_s, variants=tuple(views))


def quantile(values: Iterable[float], q: float) -> float | Missing:
    """The smallest value that at least a share `q` of the values does not exceed."""
    ordered = sorted(values)
    if not ordered:
        return Missing(reason="no request finished in the window")
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def _view(
    fleet: Fleet,
    recent: Sequence[ReplicaReport],
    usd_per_hour: float | Missing,
    now_s: float,
    stale_after_s: float,
) -> VariantView:
    own = [report for report in recent if report.variant == fleet.variant]
    latest = {report.replica: report for report in sorted(own, key=lambda report: report.at_s)}
    live = [report for report in latest.values() if now_s - report.at_s <= stale_after_s]
    return VariantView(
        name=fleet.variant,
        num_ready=fleet.num_ready,
        num_starting=fleet.num_starting,
        target=fleet.target,
        usd_per_hour=usd_per_hour,
        capacity=_typical_capacity(live),
        traffic=_traffic(own, live, fleet, stale_after_s),
    )


def _typical_capacity(live: Sequence[ReplicaReport]) -> Capacity | Missing:
    """The middle replica's capacity, so that one slow start-up measurement does not size the service."""
    if not live:
        return Missing(reason="no replica has reported its capacity yet")
    ordered = sorted((report.capacity for report in live), key=lambda capacity: capacity.peak_output_tokens_per_s)
    return ordered[(len(ordered) - 1) // 2]


def _traffic(
    own: Sequence[ReplicaReport], live: Sequence[ReplicaReport], fleet: Fleet, stale_after_s: float
) -> Traffic | Missing:
    if not live:
        return Missing(reason=f"none of {fleet.num_ready} ready replicas reported within {stale_after_s:g} s")
    samples = tuple(sample for report in own for sample in report.finished)
    return Traffic(
        arrivals_per_s=sum(report.arrivals for report in own) / max(_covered_s(own), 1e-9),
        prompt_tokens=_mean(sample.prompt_tokens for sample in samples),
        output_tokens=_mean(sample.output_tokens for sample in samples),
        running=sum(report.running for report in live),
        mean_running=sum(_mean(r.running for r in own if r.replica == replica.replica) for replica in live),
        waiting=sum(report.waiting for report in live),
        errors=sum(report.errors for report in own),
        samples=samples,
    )


def _covered_s(reports: Iterable[ReplicaReport]) -> float:
    """The time that the reports cover together, whether their replicas ran beside or after each other."""
    covered_s, until_s = 0.0, -math.inf
    for report in sorted(reports, key=lambda report: report.at_s - report.span_s):
        since_s = max(report.at_s - report.span_s, until_s)
        covered_s += max(0.0, report.at_s - since_s)
        until_s = max(until_s, report.at_s)
    return covered_s


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0

"""Who serves at present, as the brain tells the gateway: plain values, so that neither knows the other's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective

HELD_HEADER: Final = "x-raytide-held-s"
"""Of a request to a replica: the seconds that a gateway has kept it, for it came to the service by so much earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One replica that takes requests, as it stood when it last reported."""

    replica: str
    variant: str
    address: str
    """`host:port` of its own HTTP server."""
    key: str = field(default="", repr=False)
    """What that server asks for, as a bearer's token; empty of a replica that asks for nothing."""
    report: int
    """Number of its latest report: one that is gone makes no further one."""
    running: int
    waiting: int
    waiting_prompt_tokens: int
    kv_tokens: int
    engine: Engine


def upstream_of(report: ReplicaReport) -> Upstream:
    """The replica as its report shows it."""
    return Upstream(
        replica=report.replica,
        variant=report.variant,
        address=report.address,
        key=report.key,
        report=report.number,
        running=report.running,
        waiting=report.waiting,
        waiting_prompt_tokens=report.waiting_prompt_tokens,
        kv_tokens=report.kv_tokens,
        engine=report.engine,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """One revision's upstreams, and what a request that finds none, or a long queue, is told."""

    service: str
    revision: str
    at_s: float
    upstreams: tuple[Upstream, ...]
    """Ready, heard of lately, and not draining."""
    predicted_wait_s: float | Missing
    """Until the first token of a request that arrives now at the least loaded upstream, or once one has started."""
    access: Mapping[str, Any] | None
    """Who may call, as the service declares it."""
    objective: Objective
    """What each answer should keep."""
    waking: bool
    """Whether no replica serves and one was ordered, or will be."""
    is_canary: bool = False
    share: float = 1.0
    """Of the service's requests that a canary takes, from 0 to 1; 1 of the revision that serves."""
    served: Mapping[str, float] = field(default_factory=dict)
    """The share of each traffic class that is to be let in, from 0 to 1; of a class that is not named, all."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data for a call between processes."""
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Routes:
        """The inverse of `to_plain`."""
        routes: Routes = typed(cls, data)
        return routes

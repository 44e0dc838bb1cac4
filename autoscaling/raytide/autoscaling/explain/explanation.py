"""An explanation as data: what `raytide explain` prints, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raytide.autoscaling.decision import Reason
from raytide.autoscaling.missing import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What happened since the observation before."""

    span_s: float
    arrivals_per_s: float
    prompt_tokens: float | Missing
    """Mean of the requests that finished; missing where none did."""
    output_tokens: float | Missing
    finished: int
    attained: int
    missed_ttft: int
    missed_tpot: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVariant:
    """One variant's replicas, as they stood."""

    variant: str
    ready: int
    starting: int
    draining: int
    running: int | Missing
    """Sequences in all batches together."""
    waiting: int | Missing
    usd_per_hour: float | Missing
    """Of one replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The work that was expected when an order of that moment would be ready, in replicas."""

    lead_s: float
    requests_per_s: float
    need_q50: float
    need_q90: float
    need_q99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another size, and what it would have cost and lost."""

    replicas: int
    missing_share: float
    """Of the requests, as predicted."""
    usd_per_hour: float | Missing
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was decided for one variant."""

    variant: str
    previous: int
    target: int
    usd_per_hour: float | Missing
    """Of all its replicas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """One thing that is otherwise, and what would have been decided then."""

    change: str
    targets: Mapping[str, int]
    usd_per_hour: float | Missing

    @property
    def replicas(self) -> int:
        """Of all variants together."""
        return sum(self.targets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one decision."""

    at_s: float
    targets: tuple[Target, ...]
    usd_per_hour: float | Missing
    binding: Reason | Missing
    """The constraint that set the size."""
    reasons: tuple[Reason, ...]
    """In the order in which they applied; the last one is the binding constraint."""
    traffic: Traffic | Missing
    queued: int
    """Requests that waited because no replica was ready."""
    seen: tuple[SeenVariant, ...]
    outlook: Outlook | Missing
    alternatives: tuple[Alternative, ...]
    """Of the number of replicas, smallest first; none where no forecast could be made."""
    would_change: tuple[Counterfactual, ...]
    would_not_change: tuple[str, ...]
    """Things that were tried and lead to the same decision."""
    served: Mapping[str, float]
    """The share of each traffic class that was let in, where one was turned away."""

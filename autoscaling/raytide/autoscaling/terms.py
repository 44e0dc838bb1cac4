"""What a service declares to its autoscaler: objectives, bounds, budget, and the variants it may run."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A request attains when its TTFT and its mean TPOT both keep their bounds."""

    ttft_s: float
    tpot_s: float
    attainment: float
    """The share of requests that must attain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run a replica, with what is known of it beforehand."""

    name: str
    engine: Engine | Missing
    usd_per_hour: float | Missing
    """Price of one replica."""
    cold_start_s: float
    """From an order to a replica that serves, until starts have been seen."""
    num_gpus: int = 1
    max_replicas: int | None = None
    """Quota; none where unset."""
    spot: bool = False
    min_billing_s: float = 0.0
    """Shortest time that a replica is paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClass:
    """Requests that are let in or turned away together."""

    name: str
    priority: int
    """Higher is served first, whatever the value of the others."""
    value: float = 1.0
    """Of a request; decides within a priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The declaration of one service, in the units of the autoscaler."""

    objective: Objective
    variants: tuple[Variant, ...]
    """At least one."""
    min_replicas: int
    """Of all variants together."""
    max_replicas: int
    """Of all variants together, replicas that start included."""
    max_usd_per_hour: float | None = None
    classes: tuple[TrafficClass, ...] = ()
    """Where none is declared, all requests are of one class, of which none is turned away: refusing is a promise to
    clients that only the user can make."""

    def variant(self, name: str) -> Variant:
        """The variant of this name; KeyError where the service declares none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

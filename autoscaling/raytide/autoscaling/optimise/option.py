"""What the optimiser chooses among: variants with capacity, price and replicas at present; and the work to cover."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One variant as the optimiser sees it. Replicas are whole: a gang of GPUs starts and stops together."""

    variant: str
    capacity: float
    """Work that one replica covers within the objectives, in any unit that all options and needs share."""
    usd_per_hour: float
    """Price of one replica, from its order until its resources are given back. Where no price is known, its number of
    GPUs stands in: at a price of zero, nothing is ever worth stopping."""
    num_ready: int = 0
    starting_ready_in_s: tuple[float, ...] = ()
    """When each replica that was ordered is expected to be ready."""
    num_draining: int = 0
    """Replicas that take no new work and are still paid."""
    cold_start_s: float = 0.0
    """From an order to a ready replica."""
    max_replicas: int | None = None
    """Quota; none where unset."""
    spot: bool = False
    preemption_rate_per_hour: float = 0.0
    """How often one replica is taken away."""
    available: bool = True
    """False while orders fail: what runs may stay, nothing is added."""
    max_new: int | None = None
    """Orders allowed at present, as one while capacity is probed; none where unset."""
    min_billing_s: float = 0.0
    """Shortest time that a new replica is paid for."""
    min_billing_left_s: tuple[float, ...] = ()
    """Per replica that is paid at least so much longer; replicas not named here may stop at no loss."""
    num_gpus: int = 1

    @property
    def num_now(self) -> int:
        """Replicas ready or on their way."""
        return self.num_ready + len(self.starting_ready_in_s)

    def most(self, max_replicas: int) -> int:
        """The largest number that can be wanted at present, where `max_replicas` bounds the service."""
        quota = max_replicas if self.max_replicas is None else min(self.max_replicas, max_replicas)
        new = 0 if not self.available else quota if self.max_new is None else self.max_new
        return max(0, min(quota, self.num_now + new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Work that must be covered in each step of a horizon; the first step begins now."""

    steps_s: tuple[float, ...]
    """How long each step lasts: short while replicas start, and one long last step for all that comes after."""
    work: tuple[float, ...]

    @classmethod
    def even(cls, step_s: float, work: tuple[float, ...]) -> Need:
        """Steps of one length."""
        return cls(steps_s=(step_s,) * len(work), work=work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What holds for all variants of a service together."""

    max_replicas: int
    """Replicas that start included."""
    min_replicas: int = 0
    max_usd_per_hour: float | None = None
    """Starting and draining replicas included; none where unset."""
    base_on_demand: int = 0
    """At least so many replicas that cannot be preempted."""

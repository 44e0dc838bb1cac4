"""What the policy carries from one decision to the next; frozen, so that a journal can replay any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raytide.autoscaling.forecast.ensemble import Forecast
from raytide.autoscaling.forecast.work import Work
from raytide.autoscaling.optimise.breaker import Breaker
from raytide.autoscaling.performance.calibrate import Calibration
from raytide.autoscaling.policy.regret import NOTHING_REGRETTED, Regret
from raytide.autoscaling.policy.stretch import Stretch
from raytide.autoscaling.policy.worth import Worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How many replicas were worth having at one moment, looked at carefully: what the way down waits for."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """Everything learnt of one service."""

    work: Work
    forecast: Forecast
    stretch: Stretch
    worth: Worth
    requests_per_s: float = 0.0
    """Over the last ten minutes or so."""
    last_span_s: float = 0.0
    """The time that the last observation covered."""
    wishes: tuple[Wish, ...] = ()
    regret: Regret = NOTHING_REGRETTED
    soon: Forecast | None = None
    """At the lead of the variant that starts fastest; none where there is one variant."""
    soon_wishes: tuple[Wish, ...] = ()
    """The same for what is needed by then."""
    billed_until_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By variant with a minimum billing: until when replicas that were seen to start are paid for in any case."""
    needs: tuple[float, ...] = ()
    """The largest need of each of the last decisions, for ten minutes."""
    idle_since_s: float | None = None
    idle_gaps_s: tuple[float, ...] = ()
    cold_starts_s: Mapping[str, float] = field(default_factory=dict)
    """Measured, by variant."""
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    preempted_per_hour: Mapping[str, float] = field(default_factory=dict)
    class_work: Mapping[str, float] = field(default_factory=dict)
    """Work per second that each traffic class has asked for lately."""
    served: Mapping[str, float] = field(default_factory=dict)
    """The share of each class that was let in at last."""
    num_missing: int = 0
    """Observations in a row in which demand was missing."""

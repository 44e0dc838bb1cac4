"""Under which conditions a trace is replayed: how replicas start, what the controller gets to see, what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from raytide.autoscaling.simulate import kernel


class Router(IntEnum):
    """How the gateway chooses a replica."""

    LEAST_LOADED = kernel.LEAST_LOADED
    """Fewest requests taken and not finished."""
    LEAST_TOKENS = kernel.LEAST_TOKENS
    """Fewest tokens held or waiting."""
    RANDOM_TWO = kernel.RANDOM_TWO
    """The less loaded of two random ones."""
    ROUND_ROBIN = kernel.ROUND_ROBIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start_s` to before `end_s`, in the time of the run, all laps included."""

    start_s: float
    end_s: float

    def holds(self, at_s: float) -> bool:
        """Whether the moment lies within."""
        return self.start_s <= at_s < self.end_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """Replicas of a variant are taken away after a notice; what they still serve then is lost."""

    at_s: float
    variant: str
    num_replicas: int
    notice_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """A replica whose iterations take `factor` times as long from `at_s` on: a bad machine."""

    at_s: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stockout:
    """No new replica of the variant can be had."""

    variant: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong; times are from the start of the run."""

    preemptions: tuple[Preemption, ...] = ()
    slowdowns: tuple[Slowdown, ...] = ()
    stockouts: tuple[Stockout, ...] = ()
    blackouts: tuple[Span, ...] = ()
    """No metric arrives."""
    crashes_s: tuple[float, ...] = ()
    """The controller restarts and has forgotten everything."""


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The world around a policy; the same conditions and seed replay to the same bit."""

    cold_start_s: float | None = None
    """Of every variant; None takes each variant's own."""
    cold_start_spread: float = 0.0
    """Standard deviation of the logarithm of the cold start: 0 makes every start alike."""
    router: Router = Router.LEAST_LOADED
    metric_delay_s: int = 1
    """Age of what a decision sees."""
    metric_loss: float = 0.0
    """Share of scrapes that fail: the decision sees that demand and gauges are missing."""
    num_laps: int = 2
    """The trace is played this often in a row; the last lap is scored, the others are burn-in."""
    initial_replicas: int | None = None
    """Ready at the start; None sizes for the mean load of the first five minutes, as an operator would."""
    drain_deadline_s: float = 600.0
    """A replica that still serves after draining for this long is stopped, and what it serves is aborted."""
    faults: Faults = NO_FAULTS
    seed: int = 0

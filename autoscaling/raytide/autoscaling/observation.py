"""What the autoscaler sees of a service at one moment: live and in the simulator the same, and nothing else.

Demand is what happened since the observation before; a view of a variant is how its replicas stand right now.
What was not reported is `Missing`, never a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.latency import NO_LATENCIES, Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine

BIN_S: Final = 1.0
"""Arrivals are counted by the second: bursts that matter to a TTFT objective are about that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Sums over the requests that finished; means and variances follow from them."""

    num: int = 0
    attained: int = 0
    """Requests that kept every bound."""
    missed_ttft: int = 0
    missed_tpot: int = 0
    errors: int = 0
    prompt_tokens: float = 0.0
    cached_tokens: float = 0.0
    """Prompt tokens found in the prefix cache."""
    output_tokens: float = 0.0
    prompt_tokens_squared: float = 0.0
    output_tokens_squared: float = 0.0
    kv_token_steps: float = 0.0
    """Sum of output·(prompt + output/2): KV tokens read over all decode steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDemand:
    """The arrivals of one traffic class."""

    name: str
    num_arrivals: int
    """Those that were turned away included."""
    num_shed: int
    """Turned away at the gateway."""
    prompt_tokens: int
    """Of all arrivals."""


NOT_BY_CLASS: Final = Missing(reason="no arrival was told by its class")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demand:
    """What arrived at the service, let in or not, and what finished, since the observation before."""

    span_s: float
    arrivals: NDArray[np.int64]
    """Requests per bin of `BIN_S`, oldest first."""
    arrived_prompt_tokens: NDArray[np.int64]
    """Prompt tokens of the arrivals, per bin."""
    finished: Finished = Finished()
    ttft: Latencies = NO_LATENCIES
    """Of requests whose first token came in the span."""
    tpot: Latencies = NO_LATENCIES
    """Mean time per output token of the requests that finished in the span; one-token answers do not count."""
    by_class: tuple[ClassDemand, ...] | Missing = NOT_BY_CLASS
    """The arrivals of every declared class, in the order of the terms."""

    @property
    def num_arrivals(self) -> int:
        """Requests that arrived in the span."""
        return int(self.arrivals.sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """How each ready replica stands; all arrays of shape (ready replicas,), in one order."""

    running: NDArray[np.int64]
    """Sequences in the batch."""
    waiting: NDArray[np.int64]
    """Sequences that wait for a place in it."""
    waiting_prompt_tokens: NDArray[np.int64]
    """Prompt tokens not yet prefilled, of waiting and running sequences."""
    kv_tokens: NDArray[np.int64]
    """KV cache in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterations:
    """Sums over the engine iterations of all replicas since the observation before: what calibration fits."""

    num: int = 0
    seconds: float = 0.0
    sequences: float = 0.0
    root_sequences: float = 0.0
    kv_tokens: float = 0.0
    prefill_tokens: float = 0.0


NOTHING_REPORTED: Final = Missing(reason="nothing was reported")
NOTHING_MEASURED: Final = Missing(reason="nothing was measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """One variant's replicas at present."""

    name: str
    target: int
    """How many replicas are wanted at present."""
    num_ready: int
    starting_for_s: tuple[float, ...] = ()
    """How long each replica that is not ready yet has been starting, oldest first."""
    num_draining: int = 0
    gauges: Gauges | Missing = NOTHING_REPORTED
    iterations: Iterations | Missing = NOTHING_REPORTED
    engine: Engine | Missing = NOTHING_MEASURED
    """As measured by the replicas themselves; beats what the variant declares."""
    num_failed_starts: int = 0
    """Orders that could not be had since the observation before."""
    num_preempted: int = 0
    """Replicas taken away since the observation before."""
    became_ready_after_s: tuple[float, ...] = ()
    """How long each replica that became ready since the observation before had taken."""

    @property
    def num_starting(self) -> int:
        """Replicas ordered and not ready."""
        return len(self.starting_for_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A service as seen at `at_s`."""

    at_s: float
    demand: Demand | Missing
    variants: tuple[VariantView, ...]
    num_queued: int = 0
    """Requests that wait at the gateway because no replica is ready."""

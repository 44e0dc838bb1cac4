"""What replicas push to the brain, once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSample:
    """One finished request, as its engine measured it."""

    prompt_tokens: int
    output_tokens: int
    ttft_s: float
    """From the request's arrival at the engine to its first token."""
    tpot_s: float
    """Mean time per output token after the first; 0 where only one token was produced."""
    cached_tokens: int = 0
    """Prompt tokens found in the prefix cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Requests that reached an engine within one second, and their prompt tokens."""

    num: int = 0
    prompt_tokens: int = 0

    def __add__(self, other: Arrivals) -> Arrivals:
        """Both together."""
        return Arrivals(num=self.num + other.num, prompt_tokens=self.prompt_tokens + other.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReport:
    """What one replica saw since its previous report, and how it stands.

    Counts are of the report alone, never totals since a start: a replica that is lost takes no count with it.
    """

    replica: str
    """As Serve calls it."""
    variant: str
    address: str
    """`host:port` of the replica's own HTTP server."""
    key: str = field(default="", repr=False)
    """What that server asks for: whoever has it was told by the brain."""
    number: int
    """Rises with every report of a replica; one that is sent again, because no answer came, is told by it."""
    since_s: float
    """When the previous report was made, seconds since the epoch."""
    at_s: float
    """When this one was."""
    arrivals: Mapping[int, Arrivals]
    """By the second of the arrival since the epoch; seconds without one are left out."""
    errors: int
    """Responses with a status of 500 or above."""
    first_tokens_s: tuple[float, ...]
    """TTFT of every request whose first token came."""
    finished: tuple[RequestSample, ...]
    iterations: Iterations
    running: int
    waiting: int
    waiting_prompt_tokens: int
    """Of all requests whose prefill is not finished."""
    kv_tokens: int
    capacity: Capacity
    """As measured while the replica warmed up."""
    engine: Engine
    """What follows from it."""
    is_draining: bool = False
    """Whether Serve has told it to stop: it finishes what it has, and takes nothing more."""

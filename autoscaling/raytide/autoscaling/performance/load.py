"""A pool of equal replicas that shares a workload evenly, in its steady state.

The replicas count as one pool behind a router that balances them; sending each request to the least loaded replica
comes close to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.steady import Saturated, Steady, steady
from raytide.autoscaling.performance.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What latency at a load follows from."""

    engine: Engine
    workload: Workload
    """Of the whole pool."""
    replicas: int
    dispersion: float
    """Variance to mean of the number of arrivals within a request's residence: 1 for Poisson, more for bursts."""
    batch: Steady
    """Of each replica."""

    @property
    def residence_s(self) -> float:
        """Mean time that a request spends decoding."""
        return self.workload.output_tokens * self.batch.iteration_s

    @property
    def busy_fraction(self) -> float:
        """The share of time in which a replica iterates at all: an arrival at an idle one starts at once."""
        return min(1.0, self.batch.sequences)

    @property
    def peakedness(self) -> float:
        """Variance to mean of the number of sequences in the batch: residences smooth the arrivals by half."""
        return (1.0 + self.dispersion) / 2.0

    @property
    def crowd(self) -> float:
        """Sequences in a batch one standard deviation fuller than the mean; prompts queue while it is that full."""
        return self.batch.sequences + math.sqrt(self.batch.sequences * self.peakedness / self.replicas)

    @property
    def full_iteration_s(self) -> float:
        """An iteration beside such a batch that takes all prompt tokens that the chunk allows."""
        kv_tokens = self.crowd * self.workload.context_tokens
        return self.engine.iteration.seconds(self.crowd, kv_tokens, self.free_chunk_tokens)

    @property
    def free_chunk_tokens(self) -> float:
        """Tokens of a chunk that such a batch leaves to prompts; at least one."""
        return max(1.0, self.engine.chunk_tokens - self.crowd)


def load_of(engine: Engine, workload: Workload, replicas: int = 1, dispersion: float = 1.0) -> Load | Saturated:
    """The pool under the workload, or what it cannot sustain."""
    batch = steady(engine, workload.at_rate(workload.requests_per_s / replicas))
    if isinstance(batch, Saturated):
        return batch
    return Load(engine=engine, workload=workload, replicas=replicas, dispersion=dispersion, batch=batch)

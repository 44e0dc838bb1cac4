"""The latency of requests at a load: which share keeps both bounds of an objective, and quantiles of TTFT and TPOT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.load import Load, load_of
from raytide.autoscaling.performance.steady import Limit, Saturated
from raytide.autoscaling.performance.tpot import share_decoding_within
from raytide.autoscaling.performance.ttft import share_after_prefill, share_with_kv, share_with_sequence
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective

_LONGEST_S: Final = 1e6
_HALVINGS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Attained:
    """The shares of requests that each cause of a miss leaves within the bounds."""

    ttft: float
    """The queue for the chunk and the prefill itself."""
    kv: float
    """The queue for KV cache, which delays the first token too."""
    sequences: float
    """The queue for a place among `max_num_seqs`, which delays the first token too."""
    tpot: float

    @property
    def share(self) -> float:
        """The share of requests that keep both bounds, the causes taken as independent."""
        return self.ttft * self.kv * self.sequences * self.tpot

    @property
    def weakest(self) -> Limit:
        """The cause of most misses."""
        causes = {Limit.TPOT: self.tpot, Limit.TTFT: self.ttft, Limit.KV: self.kv, Limit.SEQUENCES: self.sequences}
        return min(causes, key=causes.__getitem__)


def attained(load: Load, objective: Objective) -> Attained:
    """The shares of requests within the objective's bounds, by cause."""
    return Attained(
        ttft=share_after_prefill(load, objective.ttft_s),
        kv=share_with_kv(load, objective.ttft_s),
        sequences=share_with_sequence(load, objective.ttft_s),
        tpot=share_decoding_within(load, objective.tpot_s),
    )


def attainment(
    engine: Engine, workload: Workload, replicas: int, objective: Objective, dispersion: float = 1.0
) -> float:
    """The share of requests that keep both bounds on this many replicas; 0 where these cannot sustain the load."""
    load = load_of(engine, workload, replicas, dispersion)
    return 0.0 if isinstance(load, Saturated) else attained(load, objective).share


def ttft_quantile_s(load: Load, q: float) -> float:
    """The TTFT that a share `q` of the requests does not exceed, in seconds."""
    return _smallest(
        lambda bound_s: (
            share_after_prefill(load, bound_s) * share_with_kv(load, bound_s) * share_with_sequence(load, bound_s) >= q
        )
    )


def tpot_quantile_s(load: Load, q: float) -> float:
    """The mean TPOT that a share `q` of the requests does not exceed, in seconds."""
    return _smallest(lambda bound_s: share_decoding_within(load, bound_s) >= q)


def _smallest(holds: Callable[[float], bool]) -> float:
    """The smallest time for which it holds, to six digits, by bisection of its logarithm; infinite above 11 days."""
    low, high = 1.0 / _LONGEST_S, _LONGEST_S
    if not holds(high):
        return float("inf")
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

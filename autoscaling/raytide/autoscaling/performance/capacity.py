"""The highest request rate that replicas sustain within their objective, and what keeps them from more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.latency import attained, tpot_quantile_s, ttft_quantile_s
from raytide.autoscaling.performance.load import Load, load_of
from raytide.autoscaling.performance.steady import Limit, Saturated, work_s
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Objective

_HALVINGS: Final = 24
_NO_LOAD: Final = 1e-6
"""As a share of the rate at which work alone fills a replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """The highest rate within the objective."""

    requests_per_s: float
    """Of all replicas together."""
    limit: Limit
    """What a higher rate breaks first."""
    load: Load
    """The replicas at that rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """Not even a single request at a time keeps the objective."""

    limit: Limit
    bound: float
    """Seconds; tokens where the limit is `kv`."""
    nearest: float
    """The smallest bound that could be kept, or the tokens that one request needs."""

    @property
    def says(self) -> str:
        """One sentence with the nearest bound that is feasible."""
        if self.limit is Limit.KV:
            return (
                f"one request needs {self.nearest:,.0f} tokens of KV cache and the replica has {self.bound:,.0f}; "
                "use more memory or shorten max_model_len"
            )
        return (
            f"an unloaded replica already takes {1000 * self.nearest:.3g} ms of {self.limit} at the wanted "
            f"attainment, and the bound is {1000 * self.bound:.3g} ms; raise it to that, or use faster hardware"
        )


def highest_rate(
    engine: Engine, workload: Workload, objective: Objective, *, replicas: int = 1, dispersion: float = 1.0
) -> Sustained | Infeasible:
    """The highest rate of requests like the workload's whose attainment the objective accepts, by bisection."""
    longest = workload.prompt_tokens + workload.output_tokens
    if longest > engine.kv_capacity_tokens:
        return Infeasible(limit=Limit.KV, bound=engine.kv_capacity_tokens, nearest=longest)

    def load_at(requests_per_s: float) -> Load | Saturated:
        return load_of(engine, workload.at_rate(requests_per_s), replicas, dispersion)

    high = replicas / max(work_s(engine, workload), 1e-12)
    kept, limit = load_at(_NO_LOAD * high), Limit.WORK
    assert isinstance(kept, Load)
    if _broken(kept, objective) is not None:
        return _infeasible(kept, objective)
    for _ in range(_HALVINGS):
        middle = (kept.workload.requests_per_s + high) / 2
        load = load_at(middle)
        broken = _broken(load, objective)
        if isinstance(load, Load) and broken is None:
            kept = load
        else:
            high, limit = middle, broken or limit
    return Sustained(requests_per_s=kept.workload.requests_per_s, limit=limit, load=kept)


def _broken(load: Load | Saturated, objective: Objective) -> Limit | None:
    if isinstance(load, Saturated):
        return load.limit
    shares = attained(load, objective)
    return None if shares.share >= objective.attainment else shares.weakest


def _infeasible(load: Load, objective: Objective) -> Infeasible:
    """What an unloaded pool breaks, and by how much."""
    if attained(load, objective).weakest is Limit.TPOT:
        nearest_s = tpot_quantile_s(load, objective.attainment)
        return Infeasible(limit=Limit.TPOT, bound=objective.tpot_s, nearest=nearest_s)
    nearest_s = ttft_quantile_s(load, objective.attainment)
    return Infeasible(limit=Limit.TTFT, bound=objective.ttft_s, nearest=nearest_s)

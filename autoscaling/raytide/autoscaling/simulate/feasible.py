"""Whether an objective can be kept at all: each request alone on a replica, which no load makes faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.capacity import Infeasible
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.steady import Limit
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms
from raytide.core.errors import RaytideError


class InfeasibleObjective(RaytideError):
    """No hardware of the service keeps the objective even for one request at a time."""

    exit_code = 2


def require_feasible(trace: Trace, terms: Terms) -> None:
    """Returns where some variant keeps the objective for the trace's requests one at a time.

    Raises:
        InfeasibleObjective: none does; the sentence names the nearest bound that the fastest one could keep.
    """
    found = {
        variant.name: infeasible(trace, variant.engine, terms.objective)
        for variant in terms.variants
        if not isinstance(variant.engine, Missing)
    }
    wrong = {name: reason for name, reason in found.items() if reason is not None}
    if wrong and len(wrong) == len(found):
        name = min(wrong, key=lambda name: wrong[name].nearest)
        raise InfeasibleObjective(f"trace {trace.name} on {name}: {wrong[name].says}")


def infeasible(trace: Trace, engine: Engine, objective: Objective) -> Infeasible | None:
    """What a replica that serves the requests one at a time breaks; None where it keeps the objective."""
    ttft_s, tpot_s = unloaded(trace, engine)
    if _share(tpot_s <= objective.tpot_s) < objective.attainment:
        return Infeasible(limit=Limit.TPOT, bound=objective.tpot_s, nearest=_quantile(tpot_s, objective.attainment))
    # Requests that break TPOT have to be among those that may miss, so only the others count for TTFT.
    kept = np.where(tpot_s <= objective.tpot_s, ttft_s, np.inf)
    if _share(kept <= objective.ttft_s) < objective.attainment:
        return Infeasible(limit=Limit.TTFT, bound=objective.ttft_s, nearest=_quantile(kept, objective.attainment))
    return None


def unloaded(trace: Trace, engine: Engine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """TTFT and TPOT of each request alone on a replica, shape (requests,); a one-token answer has a TPOT of 0."""
    step = engine.iteration
    cached = 0 if trace.cached_tokens is None else trace.cached_tokens
    computed = np.maximum(trace.prompt_tokens - cached, 1).astype(np.float64)
    ttft_s = np.ceil(computed / engine.chunk_tokens) * step.base_s + computed * step.per_prefill_token_s
    context = trace.prompt_tokens + trace.output_tokens / 2
    alone_s = step.base_s + step.per_sequence_s + step.per_root_sequence_s + step.per_kv_token_s * context
    return ttft_s, np.where(trace.output_tokens > 1, alone_s, 0.0)


def _share(kept: NDArray[np.bool_]) -> float:
    return float(kept.mean())


def _quantile(values: NDArray[np.float64], q: float) -> float:
    """Rounded up to the three digits that a message shows, so that the bound it names can be kept."""
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    digit = 10.0 ** (np.floor(np.log10(exact)) - 2)
    return float(np.ceil(exact / digit) * digit)

"""A cost below which no plan keeps the objective, whatever it knows of the future.

A replica-second is spent on iterations. Each takes the base and the work of its batch, so requests that attain cost at
least their work and the base of the iterations that they cannot share. Of these there are many, for four reasons:

* TPOT. With aᵢ the least time that request i adds to one of its mᵢ decode steps, its bound S says that the iterations
  of those steps take S·mᵢ at most. Weighed with aᵢ and summed, base·W + Σ A² ≤ S·W, where A is an iteration's share of
  W = Σ aᵢ·mᵢ; and W² ≤ K·Σ A² for K iterations, so K ≥ W / (S − base). On decode alone that is ρ ≤ 1 − base/S.
* The chunk: all tokens, by the most that one iteration takes.
* The batch: all decode steps, by the most sequences in it.
* The cache: the KV tokens of all decode steps, by those that fit.

Each is linear in the requests, so it may be summed over replicas and the cheapest variant taken for each request. Where
replicas are fractions that start at once, capacity follows the work, and it does not matter when within its slack the
work is done; that is why this is a bound and why there are no windows in it. They matter beside a floor of replicas,
which work elsewhere cannot use: a window holds at least the requests that arrive and must be finished within it.

A request whose prompt is computed anew after it gave its memory back is taken to lose at least one decode step by that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms

Array = NDArray[np.float64]


def fluid(trace: Trace, terms: Terms, window_s: float = 60.0) -> float | Missing:
    """The least that a lap of the trace costs, in USD; infinite where no plan can keep the objective.

    Windows of a few residence times make the most of a floor of replicas.
    """
    known = [
        (variant.engine, variant.usd_per_hour)
        for variant in terms.variants
        if not isinstance(variant.engine, Missing) and not isinstance(variant.usd_per_hour, Missing)
    ]
    if len(known) < len(terms.variants):
        return Missing(reason="the engine or the price of a variant is not known")
    by_variant = [price / 3600 * _seconds(engine, trace, terms.objective) for engine, price in known]
    by_reason = np.min(by_variant, axis=0)
    floor_usd_per_s = terms.min_replicas * min(price for _, price in known) / 3600
    return max(_least_usd(costs, trace, terms.objective, floor_usd_per_s, window_s) for costs in by_reason)


def _seconds(engine: Engine, trace: Trace, objective: Objective) -> Array:
    """The least replica-seconds of each request by each reason for iterations, shape (4, requests)."""
    step = engine.iteration
    prompt, steps = trace.prompt_tokens.astype(float), trace.output_tokens - 1.0
    computed = prompt - (0.0 if trace.cached_tokens is None else trace.cached_tokens)
    kv_token_steps = steps * (prompt + (steps - 1.0) / 2)
    # √n is n/√n, and n is at most the batch.
    per_sequence_s = step.per_sequence_s + step.per_root_sequence_s / np.sqrt(engine.max_num_seqs)
    work_s = step.per_prefill_token_s * computed + per_sequence_s * steps + step.per_kv_token_s * kv_token_steps
    slack_s = objective.tpot_s - step.base_s
    iterations = [
        (per_sequence_s + step.per_kv_token_s * prompt) * steps / slack_s if slack_s > 0 else 0.0 * steps,
        (computed + steps) / max(engine.chunk_tokens, engine.max_num_seqs),
        steps / engine.max_num_seqs,
        kv_token_steps / engine.kv_capacity_tokens,
    ]
    impossible = np.where((steps > 0) & (slack_s <= 0), np.inf, 0.0)
    return np.array([work_s + step.base_s * count + impossible for count in iterations])


def _least_usd(costs: Array, trace: Trace, objective: Objective, floor_usd_per_s: float, window_s: float) -> float:
    """The bound where each request costs so much, and the dearest ones may miss."""
    num_dropped = int(np.floor((1.0 - objective.attainment) * len(trace) + 1e-9)) - int(np.isinf(costs).sum())
    if num_dropped < 0:
        return float("inf")
    last_s = trace.arrival_s + objective.ttft_s + objective.tpot_s * (trace.output_tokens - 1)
    # What may still run after the lap is not paid in it.
    paid = np.where(np.isinf(costs) | (last_s > trace.span_s), 0.0, costs)
    dropped_usd = float(np.sort(paid)[::-1][:num_dropped].sum())
    above_usd = _above_floor_usd(paid, trace.arrival_s, last_s, floor_usd_per_s, window_s)
    return max(float(paid.sum()) - dropped_usd, floor_usd_per_s * trace.span_s + max(0.0, above_usd - dropped_usd))


def _above_floor_usd(paid: Array, arrival_s: Array, last_s: Array, floor_usd_per_s: float, window_s: float) -> float:
    """What the windows cost beyond the floor, of requests that must finish in the window in which they arrive."""
    window = (arrival_s / window_s).astype(np.int64)
    is_within = window == (last_s / window_s).astype(np.int64)
    forced = np.bincount(window, weights=np.where(is_within, paid, 0.0))
    return float(np.maximum(forced - floor_usd_per_s * window_s, 0.0).sum())

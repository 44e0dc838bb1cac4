"""What Dynamo's load loop knows of its engines: sampled iterations, moving averages, and the latencies they foretell.

Source and formulas: see `dynamo_load`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Iterations, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.regression import Fitted, Sample, Tokens, fit, kept, profiled
from raytide.autoscaling.simulate.baselines.window import Window

MEANS_OVER_S: Final = 320.0
"""64 samples of 5 s, as the product's moving averages."""
DOWN_SENSITIVITY: Final = 0.8
"""Of a bound that one engine fewer may take up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Of the next request and of an iteration."""

    prompt_tokens: float
    context_tokens: float
    prefill_tokens: float
    uncached: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Samples of iterations, and moving averages over them."""

    samples: tuple[Sample, ...]
    fitted: Fitted | Missing
    prompt_tokens: Window
    context_tokens: Window
    prefill_tokens: Window
    cached: Window

    @property
    def means(self) -> Means:
        """The moving averages; 0 where nothing was seen, as in the product."""
        return Means(
            prompt_tokens=self.prompt_tokens.mean,
            context_tokens=self.context_tokens.mean,
            prefill_tokens=self.prefill_tokens.mean,
            uncached=1.0 - self.cached.mean,
        )

    def add(self, observation: Observation, now_s: float) -> Sampled:
        """After one more observation."""
        iterations, demand = observation.variants[0].iterations, observation.demand
        seen = self if isinstance(iterations, Missing) or not iterations.num else self.iterated(iterations, now_s)
        return seen if isinstance(demand, Missing) or not demand.num_arrivals else seen.arrived(demand, now_s)

    def iterated(self, iterations: Iterations, now_s: float) -> Sampled:
        """After these iterations of the engines."""
        num, prefill, kv = iterations.num, iterations.prefill_tokens, iterations.kv_tokens
        samples = kept(self.samples, (prefill / num, kv / num, iterations.seconds / num))
        held_tokens = kv / iterations.sequences if iterations.sequences else 0.0
        return replace(
            self,
            samples=samples,
            fitted=fit(samples),
            prefill_tokens=self.prefill_tokens.add(now_s, prefill / num),
            context_tokens=self.context_tokens.add(now_s, held_tokens),
        )

    def arrived(self, demand: Demand, now_s: float) -> Sampled:
        """After these arrivals."""
        prompt = float(demand.arrived_prompt_tokens.sum()) / demand.num_arrivals
        finished = demand.finished
        cached = finished.cached_tokens / finished.prompt_tokens if finished.prompt_tokens > 0.0 else self.cached.mean
        return replace(
            self, prompt_tokens=self.prompt_tokens.add(now_s, prompt), cached=self.cached.add(now_s, min(1.0, cached))
        )


def sampled_of(engine: Engine | Missing) -> Sampled:
    """The benchmark of a declared engine, and no averages."""
    samples, window = () if isinstance(engine, Missing) else profiled(engine), Window(length_s=MEANS_OVER_S)
    return Sampled(
        samples=samples,
        fitted=fit(samples),
        prompt_tokens=window,
        context_tokens=window,
        prefill_tokens=window,
        cached=window,
    )


def ttft_s(fitted: Fitted, means: Means, engine: Engine, waiting: Tokens, kv: Tokens) -> Tokens:
    """TTFT of the next request on each engine, with prompt tokens that wait and KV tokens in use."""
    return fitted.chunked_s((waiting + means.prompt_tokens) * means.uncached, engine.chunk_tokens, kv)


def itl_s(fitted: Fitted, means: Means, kv: Tokens) -> Tokens:
    """Time per token of the next request on each engine, with KV tokens in use."""
    return fitted.seconds(np.full_like(kv, means.prefill_tokens), kv + means.context_tokens)


def fewer_suffice(fitted: Fitted, means: Means, engine: Engine, gauges: Gauges, bounds: tuple[float, float]) -> bool:
    """Whether the others keep both bounds with the load of one engine spread over them."""
    grown = len(gauges.running) / (len(gauges.running) - 1)
    waiting, kv = gauges.waiting_prompt_tokens * grown, gauges.kv_tokens * grown
    both = kv + waiting
    if (both >= engine.kv_capacity_tokens).any():
        return False
    if (itl_s(fitted, means, both) >= DOWN_SENSITIVITY * bounds[1]).any():
        return False
    own = ttft_s(fitted, means, engine, np.zeros_like(waiting), kv)
    queued = ttft_s(fitted, means, engine, waiting, kv) - own
    left = DOWN_SENSITIVITY * (bounds[0] - own)
    return not ((left <= 0.0) | (queued >= left)).any()

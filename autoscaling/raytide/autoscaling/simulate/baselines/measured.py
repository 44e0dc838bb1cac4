"""What the peers measure of traffic and engines: rates, mean lengths and latencies over a window of observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.latency import FIRST_EDGE_S, GROWTH, NUM_BINS, Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Terms

_MIDDLES_S: Final = FIRST_EDGE_S * GROWTH ** (np.arange(NUM_BINS) + 0.5)

NONE_FINISHED: Final = Missing(reason="no request has finished yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean tokens of a request, and the share of the prompt that the prefix cache held."""

    prompt_tokens: float
    output_tokens: float
    cached: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Sums over one observation, or over several."""

    span_s: float = 0.0
    arrivals: int = 0
    prompt_tokens: float = 0.0
    """Of the arrivals."""
    finished: int = 0
    output_tokens: float = 0.0
    finished_prompt_tokens: float = 0.0
    cached_tokens: float = 0.0

    def plus(self, other: Counted, times: int) -> Counted:
        """The sums with another's added so often."""
        return Counted(
            span_s=self.span_s + times * other.span_s,
            arrivals=self.arrivals + times * other.arrivals,
            prompt_tokens=self.prompt_tokens + times * other.prompt_tokens,
            finished=self.finished + times * other.finished,
            output_tokens=self.output_tokens + times * other.output_tokens,
            finished_prompt_tokens=self.finished_prompt_tokens + times * other.finished_prompt_tokens,
            cached_tokens=self.cached_tokens + times * other.cached_tokens,
        )

    def lengths(self) -> Lengths | Missing:
        """Mean lengths of what finished."""
        if not self.finished or self.finished_prompt_tokens <= 0.0:
            return NONE_FINISHED
        return Lengths(
            prompt_tokens=self.finished_prompt_tokens / self.finished,
            output_tokens=max(1.0, self.output_tokens / self.finished),
            cached=min(1.0, self.cached_tokens / self.finished_prompt_tokens),
        )


NO_TRAFFIC: Final = Counted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The traffic of the last `length_s` seconds, with running sums: a long window costs as much as a short one."""

    length_s: float
    seen: tuple[tuple[float, Counted], ...] = ()
    """(at_s, one observation), oldest first."""
    sums: Counted = NO_TRAFFIC
    lengths: Lengths | Missing = NONE_FINISHED
    """As last known: a window in which nothing finished leaves them as they were."""

    def add(self, demand: Demand, at_s: float) -> Traffic:
        """This window with one more observation, without those that are `length_s` old or older."""
        one, old = _counted(demand), 0
        sums = self.sums.plus(one, 1)
        while old < len(self.seen) and self.seen[old][0] <= at_s - self.length_s:
            sums, old = sums.plus(self.seen[old][1], -1), old + 1
        lengths = sums.lengths()
        return Traffic(
            length_s=self.length_s,
            seen=(*self.seen[old:], (at_s, one)),
            sums=sums,
            lengths=self.lengths if isinstance(lengths, Missing) else lengths,
        )

    @property
    def rate_rps(self) -> float:
        """Arrivals per second; 0 of an empty window."""
        return self.sums.arrivals / self.sums.span_s if self.sums.span_s > 0.0 else 0.0


def engine_of(view: VariantView, terms: Terms) -> Engine | Missing:
    """The engine of a variant: as its replicas measured it, else as declared."""
    return terms.variant(view.name).engine if isinstance(view.engine, Missing) else view.engine


def first_engine(observation: Observation, terms: Terms) -> Engine | Missing:
    """The engine of the variant that most peers size."""
    return engine_of(observation.variants[0], terms)


def mean_s(latencies: Latencies) -> float | Missing:
    """The mean latency, each at the middle of its bin (known to 2.5 %)."""
    total = latencies.num
    if not total:
        return Missing(reason="no request was counted")
    return float(latencies.counts @ _MIDDLES_S) / total


def prefill_tokens_per_s(engine: Engine) -> float:
    """Prompt tokens per second of an engine that only prefills full chunks."""
    return engine.chunk_tokens / engine.iteration.seconds(0.0, 0.0, engine.chunk_tokens)


def _counted(demand: Demand) -> Counted:
    finished = demand.finished
    return Counted(
        span_s=demand.span_s,
        arrivals=demand.num_arrivals,
        prompt_tokens=float(demand.arrived_prompt_tokens.sum()),
        finished=finished.num,
        output_tokens=finished.output_tokens,
        finished_prompt_tokens=finished.prompt_tokens,
        cached_tokens=finished.cached_tokens,
    )

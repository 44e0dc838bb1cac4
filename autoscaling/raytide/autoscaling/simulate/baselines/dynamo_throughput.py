"""Dynamo's planner, throughput loop: next interval's requests over what one engine sustains within the objective.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/throughput_scaling.py. Every 180 s

    n = ⌈predicted requests / interval / engine rate⌉

with the number of requests, their prompt and output tokens and the cached share each predicted one interval ahead
(`predictors`), and the engine's rate at the predicted lengths (`dynamo_rate`). Where a length is predicted as zero,
which an interval without traffic brings about, the product takes its model as not ready and keeps what runs.
Simplified: prefill and decode together on each engine (the planner's mode `agg`); GPUs are bounded by the service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.dynamo_rate import Sustained, sustained
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, first_engine
from raytide.autoscaling.simulate.baselines.predictors import Kind, Series
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms

_NOTHING: Final = Lengths(prompt_tokens=0.0, output_tokens=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """The four series that are predicted."""

    requests_rps: Series
    prompt_tokens: Series
    output_tokens: Series
    cached: Series

    def add(self, traffic: Traffic) -> Predicted:
        """After one more interval; nothing that arrived or finished counts as a length of zero, as in the product."""
        finished, arrivals = traffic.sums.lengths(), traffic.sums.arrivals
        known = _NOTHING if isinstance(finished, Missing) else finished
        return Predicted(
            requests_rps=self.requests_rps.add(traffic.rate_rps),
            prompt_tokens=self.prompt_tokens.add(traffic.sums.prompt_tokens / arrivals if arrivals else 0.0),
            output_tokens=self.output_tokens.add(known.output_tokens),
            cached=self.cached.add(known.cached),
        )

    def lengths(self) -> Lengths | Missing:
        """The predicted lengths."""
        prompt, output = self.prompt_tokens.next(), self.output_tokens.next()
        if prompt <= 0.0 or output <= 0.0:
            return Missing(reason="no request is predicted to have a length")
        return Lengths(prompt_tokens=prompt, output_tokens=max(1.0, output), cached=min(1.0, self.cached.next()))


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoThroughput:
    """One setting of the loop."""

    predictor: Kind = Kind.ARIMA
    ttft_share: float = 1.0
    """Of the objective's bound, as the planner's own target for a mean."""
    tpot_share: float = 1.0
    interval_s: float = 180.0
    name: str = "dynamo-throughput"

    def begin(self, observation: Observation, terms: Terms) -> Predicted:
        """No traffic seen."""
        return unpredicted(self.predictor)

    def decide(self, observation: Observation, terms: Terms, state: Predicted, now_s: float) -> Decision:
        """The predicted need."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        if isinstance(observation.demand, Missing):
            return held(observation, terms, observation.demand.reason, state, now_s)
        seen = state.add(Traffic(length_s=self.interval_s).add(observation.demand, now_s))
        needed = self.needed(seen, first_engine(observation, terms), terms)
        if isinstance(needed, Missing):
            return held(observation, terms, needed.reason, seen, now_s)
        wanted, reason = needed
        return sized(observation, terms, wanted, (reason,), seen, now_s)

    def needed(self, predicted: Predicted, engine: Engine | Missing, terms: Terms) -> tuple[int, Reason] | Missing:
        """Replicas for the predicted traffic, and why."""
        lengths = predicted.lengths()
        if isinstance(engine, Missing):
            return engine
        if isinstance(lengths, Missing):
            return lengths
        one, rate_rps = self.sustained(engine, lengths, terms), predicted.requests_rps.next()
        # The product never goes below one endpoint.
        wanted = max(1, math.ceil(round(rate_rps / one.rate_rps, 9)))
        facts = {"predicted_rps": rate_rps, "engine_rps": one.rate_rps, "batch": float(one.batch)}
        says = f"{rate_rps:.2f} predicted requests/s at {one.rate_rps:.2f} an engine need {wanted}"
        return wanted, Reason(rule=Rule.DEMAND, says=says, facts=facts)

    def sustained(self, engine: Engine, lengths: Lengths, terms: Terms) -> Sustained:
        """What one engine serves within the planner's targets."""
        objective = terms.objective
        return sustained(engine, lengths, self.ttft_share * objective.ttft_s, self.tpot_share * objective.tpot_s)


def unpredicted(kind: Kind) -> Predicted:
    """Series that have seen nothing."""
    series = Series(kind=kind)
    return Predicted(requests_rps=series, prompt_tokens=series, output_tokens=series, cached=series)


def settings() -> tuple[DynamoThroughput, ...]:
    """The product's first; then the other predictors, each with tighter targets, because the sweep bounds means."""
    shares = ((1.0, 1.0), (0.5, 0.8), (0.5, 0.6), (0.25, 0.4))
    kinds = (Kind.ARIMA, Kind.KALMAN, Kind.CONSTANT)
    default = DynamoThroughput()
    return tuple(
        replace(default, predictor=kind, ttft_share=ttft, tpot_share=tpot)
        for kind, (ttft, tpot) in product(kinds, shares)
    )

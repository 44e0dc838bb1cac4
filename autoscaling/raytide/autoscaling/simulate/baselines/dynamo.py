"""Dynamo's planner with both loops: a floor from the predicted traffic every 180 s, steps above it every 5 s.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/{state_machine,throughput_scaling,load_scaling}.py:

    n = max(load loop's step, floor of the last throughput interval, 1)    nothing while engines start or stop

See `dynamo_throughput` and `dynamo_load` for both laws and what was simplified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.dynamo_load import DynamoLoad, Target
from raytide.autoscaling.simulate.baselines.dynamo_samples import Sampled
from raytide.autoscaling.simulate.baselines.dynamo_throughput import DynamoThroughput, Predicted, unpredicted
from raytide.autoscaling.simulate.baselines.measured import Traffic, first_engine
from raytide.autoscaling.simulate.baselines.predictors import Kind
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """What both loops remember."""

    sampled: Sampled
    predicted: Predicted
    traffic: Traffic
    """Since the last throughput interval."""
    due_s: float
    floor: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamo:
    """One setting of both loops, with one set of targets."""

    predictor: Kind = Kind.ARIMA
    ttft_share: float = 1.0
    tpot_share: float = 1.0
    throughput_interval_s: float = 180.0
    interval_s: float = 5.0
    name: str = "dynamo"

    def begin(self, observation: Observation, terms: Terms) -> Both:
        """No traffic seen, and a floor of one."""
        return Both(
            sampled=self._load.begin(observation, terms),
            predicted=unpredicted(self.predictor),
            traffic=Traffic(length_s=self.throughput_interval_s),
            due_s=observation.at_s + self.throughput_interval_s,
        )

    def decide(self, observation: Observation, terms: Terms, state: Both, now_s: float) -> Decision:
        """The load loop's step, no lower than the throughput loop's floor."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        seen = self._floored(self._observed(observation, state, now_s), observation, terms, now_s)
        step = self._load.step(observation, terms, seen.sampled)
        if isinstance(step, Missing):
            return held(observation, terms, step.reason, seen, now_s)
        wanted = observation.variants[0].num_ready + step.by
        reasons = [Reason(rule=Rule.OBJECTIVE, says=step.says, facts=step.facts)]
        if wanted < seen.floor:
            says = f"the predicted traffic needs {seen.floor}"
            reasons.append(Reason(rule=Rule.DEMAND, says=says, facts={"floor": float(seen.floor)}))
        return sized(observation, terms, max(wanted, seen.floor), reasons, seen, now_s)

    @property
    def _load(self) -> DynamoLoad:
        return DynamoLoad(target=Target.SLA, ttft_share=self.ttft_share, tpot_share=self.tpot_share)

    @property
    def _throughput(self) -> DynamoThroughput:
        return DynamoThroughput(predictor=self.predictor, ttft_share=self.ttft_share, tpot_share=self.tpot_share)

    def _observed(self, observation: Observation, state: Both, now_s: float) -> Both:
        demand = observation.demand
        traffic = state.traffic if isinstance(demand, Missing) else state.traffic.add(demand, now_s)
        return replace(state, sampled=state.sampled.add(observation, now_s), traffic=traffic)

    def _floored(self, state: Both, observation: Observation, terms: Terms, now_s: float) -> Both:
        if now_s < state.due_s or not state.traffic.seen:
            return state
        predicted = state.predicted.add(state.traffic)
        needed = self._throughput.needed(predicted, first_engine(observation, terms), terms)
        return replace(
            state,
            predicted=predicted,
            traffic=Traffic(length_s=self.throughput_interval_s),
            due_s=now_s + self.throughput_interval_s,
            floor=state.floor if isinstance(needed, Missing) else needed[0],
        )


def settings() -> tuple[Dynamo, ...]:
    """The product's first; then tighter targets, and the Kalman filter for the same."""
    scales = (1.0, 0.8, 0.6, 0.5, 0.4, 0.2)
    return tuple(
        Dynamo(predictor=kind, ttft_share=scale, tpot_share=scale)
        for kind in (Kind.ARIMA, Kind.KALMAN)
        for scale in scales
    )

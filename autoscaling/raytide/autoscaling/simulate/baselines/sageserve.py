"""SageServe's LT-UA: an hourly forecast sets how many instances may come and go, utilisation decides when.

Source: kjain1810/SageServe, arbiter.py (`GlobalArbiterARIMAChecking`), long_term_allocation.py and its configuration;
arXiv 2502.14617. Each hour, with tokens/s of prompts forecast for the next one and θ those that one instance serves,

    changes = ⌈forecast/θ⌉ − present

which is the optimum of the paper's program where there is one model, one region and one kind of GPU. In between, with u
the share of KV cache in use, and nothing for 155 s after an instance was added:

    changes > 0 and u > 0.50                                    +1, and changes − 1
    changes < 0 and u < 0.25                                    −1, and changes + 1
    changes = 0 and tokens of the last minute > 1.5·forecast    +1, and changes − 1

Simplified: the forecast is the autoregression of `predictors` on the greatest minute of each hour; before the first
hour is over, utilisation alone decides (`BasicArbiter`: > 0.50 up, < 0.25 down). The ratio of 1.5 is ours: the
configuration leaves it out. Every 15 s, not at each request; no donor instances, so the 65 s of a reclaim do not occur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, first_engine
from raytide.autoscaling.simulate.baselines.predictors import Kind, Series
from raytide.autoscaling.simulate.baselines.signals import gauges_of
from raytide.autoscaling.simulate.baselines.throughput import requests_per_s
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms

MINUTE_S: Final = 60.0
UNPLANNED: Final = Missing(reason="the first hour is not over")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The forecast of the present hour, what of it is still to be done, and what is measured for the next."""

    minute: Traffic
    hours: Series
    due_s: float
    peak_per_s: float = 0.0
    """Prompt tokens per second of the greatest minute of this hour so far."""
    forecast_per_s: float | Missing = UNPLANNED
    changes: int = 0
    busy_until_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SageServe:
    """One setting of the arbiter."""

    up_at: float = 0.50
    down_at: float = 0.25
    override_ratio: float = 1.5
    spin_up_s: float = 155.0
    hour_s: float = 3600.0
    interval_s: float = 15.0
    name: str = "sageserve"

    def begin(self, observation: Observation, terms: Terms) -> Plan:
        """No forecast yet."""
        return Plan(
            minute=Traffic(length_s=MINUTE_S), hours=Series(kind=Kind.ARIMA), due_s=observation.at_s + self.hour_s
        )

    def decide(self, observation: Observation, terms: Terms, state: Plan, now_s: float) -> Decision:
        """One instance more or fewer, where the plan and the utilisation agree."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        engine, gauges = first_engine(observation, terms), gauges_of(observation)
        plan = state if isinstance(observation.demand, Missing) else _measured(observation.demand, state, now_s)
        if isinstance(engine, Missing):
            return held(observation, terms, engine.reason, plan, now_s)
        plan = self._planned(plan, observation, engine, terms, now_s)
        if isinstance(gauges, Missing):
            return held(observation, terms, gauges.reason, plan, now_s)
        if now_s < plan.busy_until_s:
            return held(observation, terms, "an instance spins up", plan, now_s)
        used = float(gauges.kv_tokens.sum()) / (engine.kv_capacity_tokens * len(gauges.kv_tokens))
        by, says = self.step(plan, used)
        # Only a change that was planned is counted off; an override owes one, as in the source.
        changes = plan.changes if isinstance(plan.forecast_per_s, Missing) else plan.changes - by
        after = replace(plan, changes=changes, busy_until_s=now_s + self.spin_up_s if by > 0 else plan.busy_until_s)
        reason = Reason(rule=Rule.DEMAND, says=says, facts={"kv_used": used, "changes": float(plan.changes)})
        return sized(observation, terms, max(1, observation.variants[0].target + by), (reason,), after, now_s)

    def step(self, plan: Plan, used: float) -> tuple[int, str]:
        """Instances to add with this share of the KV cache in use, and why."""
        forecast = plan.forecast_per_s
        if isinstance(forecast, Missing):
            return (used > self.up_at) - (used < self.down_at), "only utilisation is known"
        if plan.changes > 0:
            return int(used > self.up_at), f"the plan still adds {plan.changes}"
        if plan.changes < 0:
            return -int(used < self.down_at), f"the plan still removes {-plan.changes}"
        over = _per_s(plan.minute) > self.override_ratio * forecast
        return int(over), "the plan is carried out" + (", and more arrives than forecast" if over else "")

    def _planned(self, plan: Plan, observation: Observation, engine: Engine, terms: Terms, now_s: float) -> Plan:
        lengths = plan.minute.lengths
        if now_s < plan.due_s or isinstance(lengths, Missing):
            return plan
        hours = plan.hours.add(plan.peak_per_s)
        forecast, one = hours.next(), instance_tokens_per_s(engine, lengths, terms)
        wanted = math.ceil(forecast / one) if one > 0.0 else observation.variants[0].target
        return replace(
            plan,
            hours=hours,
            due_s=now_s + self.hour_s,
            peak_per_s=0.0,
            forecast_per_s=forecast,
            changes=wanted - observation.variants[0].target,
        )


def instance_tokens_per_s(engine: Engine, lengths: Lengths, terms: Terms) -> float:
    """θ: prompt tokens per second of the requests that one instance serves within the TPOT bound."""
    rate = requests_per_s(engine, lengths.prompt_tokens, lengths.output_tokens, terms.objective.tpot_s)
    return rate * lengths.prompt_tokens


def settings() -> tuple[SageServe, ...]:
    """The utilisation at which a planned change is made, and what overrides the plan."""
    return grid(SageServe(), up_at=(0.5, 0.3, 0.15), down_at=(0.25, 0.1), override_ratio=(1.5, 1.1))


def _measured(demand: Demand, plan: Plan, now_s: float) -> Plan:
    minute = plan.minute.add(demand, now_s)
    return replace(plan, minute=minute, peak_per_s=max(plan.peak_per_s, _per_s(minute)))


def _per_s(minute: Traffic) -> float:
    return minute.sums.prompt_tokens / minute.sums.span_s if minute.sums.span_s > MINUTE_S / 2.0 else 0.0

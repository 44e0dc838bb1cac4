"""A policy and a trace, played against each other: the policy sees only observations, and acts only by targets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision, Policy
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.fleet import Fleet, Life, classes_of, requests_of
from raytide.autoscaling.simulate.metrics import Metrics
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

_SETTLING_S: Final = 600.0
"""How long the run goes on after the last arrival, so that what arrived can finish."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """The fleet at every tick; arrays of shape (ticks,), and (ticks, variants)."""

    at_s: NDArray[np.float64]
    target: NDArray[np.int64]
    ready: NDArray[np.int64]
    holding: NDArray[np.int64]
    """Replicas that are paid for: starting, ready and draining."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """Everything that a run left behind; arrays of shape (requests,) in order of arrival, over all laps."""

    trace: Trace
    num_laps: int
    arrival_s: NDArray[np.float64]
    ttft_s: NDArray[np.float64]
    """NaN where no token came."""
    tpot_s: NDArray[np.float64]
    """NaN where the request did not finish; 0 where it has one token."""
    shed: NDArray[np.bool_]
    """Whether the gateway turned the request away."""
    lives: tuple[Life, ...]
    timeline: Timeline
    decisions: tuple[Decision, ...]
    """Those that changed a target or the share of a class."""
    num_aborted: int


def play(trace: Trace, policy: Policy, terms: Terms, conditions: Conditions) -> Played:
    """The run of `policy` over `conditions.num_laps` laps of the trace."""
    return _Run(trace, policy, terms, conditions).play()


class _Run:
    def __init__(self, trace: Trace, policy: Policy, terms: Terms, conditions: Conditions) -> None:
        self._trace, self._policy, self._terms, self._conditions = trace, policy, terms, conditions
        self._requests = requests_of(trace, conditions.num_laps)
        classes = classes_of(trace, terms, conditions.num_laps)
        self._fleet = Fleet(self._requests, terms, conditions.router, conditions.seed, classes)
        self._random = np.random.default_rng(conditions.seed)
        self._metrics = Metrics(self._fleet.world, terms)
        self._targets = [0] * len(terms.variants)
        self._failed = [0] * len(terms.variants)
        self._due = _faults(conditions)
        self._decisions: list[Decision] = []
        self._served: Mapping[str, float] = {one.name: 1.0 for one in terms.classes}
        self._ticks: list[tuple[float, list[int], list[int], list[int]]] = []

    def play(self) -> Played:
        self._begin()
        state: Any = None
        seen: deque[Observation] = deque()
        for at_s, is_tick in self._moments():
            self._advance(at_s)
            if not is_tick:
                seen.append(self._observe(at_s))
                continue
            is_due = bool(seen) and seen[0].at_s <= at_s - self._conditions.metric_delay_s
            observation = self._with_targets(seen.popleft()) if is_due else self._blind(at_s)
            if state is None or self._crashed(at_s):
                state = self._policy.begin(observation, self._terms)
            decision = self._policy.decide(observation, self._terms, state, at_s)
            state = decision.state
            self._act(decision, at_s)
        return self._played()

    def _begin(self) -> None:
        count = self._conditions.initial_replicas
        self._targets[0] = initial_replicas(self._trace, self._terms) if count is None else count
        for _ in range(self._targets[0]):
            self._fleet.order(0, 0.0, 0.0)

    def _moments(self) -> Iterator[tuple[float, bool]]:
        """Scrapes and ticks in order of time; a decision sees the scrape of `metric_delay_s` before."""
        interval_s, delay_s = self._policy.interval_s, self._conditions.metric_delay_s
        until_s = self._conditions.num_laps * self._trace.span_s + _SETTLING_S
        num = int(until_s // interval_s)
        scrapes = ((j * interval_s - delay_s, False) for j in range(1, num + 1) if j * interval_s > delay_s)
        ticks = ((j * interval_s, True) for j in range(1, num + 1))
        end_s = self._conditions.num_laps * self._trace.span_s
        for at_s, is_tick in sorted([*scrapes, *ticks]):
            if at_s > end_s and self._metrics.all_finished():
                return
            yield at_s, is_tick

    def _advance(self, at_s: float) -> None:
        while (next_s := min(self._due[0][0] if self._due else np.inf, self._fleet.next_deadline_s())) <= at_s:
            self._fleet.advance(next_s)
            self._fleet.settle(next_s)
            if self._due and self._due[0][0] <= next_s:
                self._due.popleft()[1](self._fleet, next_s, self._metrics)
        self._fleet.advance(at_s)
        self._fleet.settle(at_s)

    def _observe(self, at_s: float) -> Observation:
        faults, lost = self._conditions.faults, self._conditions.metric_loss
        if any(span.holds(at_s) for span in faults.blackouts) or (lost and self._random.random() < lost):
            return self._blind(at_s)
        observation = self._metrics.take(self._fleet, self._targets, self._failed, at_s)
        self._failed = [0] * len(self._failed)
        return observation

    def _with_targets(self, observation: Observation) -> Observation:
        """Metrics are late; what it wanted itself a controller knows at once."""
        known = zip(observation.variants, self._targets, strict=True)
        if all(view.target == target for view, target in known):
            return observation
        views = (replace(v, target=target) for v, target in zip(observation.variants, self._targets, strict=True))
        return replace(observation, variants=tuple(views))

    def _blind(self, at_s: float) -> Observation:
        return self._metrics.nothing(self._fleet, self._targets, at_s)

    def _crashed(self, at_s: float) -> bool:
        interval_s = self._policy.interval_s
        return any(at_s - interval_s < crash_s <= at_s for crash_s in self._conditions.faults.crashes_s)

    def _act(self, decision: Decision, at_s: float) -> None:
        if decision.changes or decision.served not in (self._served, {}):
            self._decisions.append(replace(decision, state=None))
        self._served = decision.served
        self._fleet.admit(decision.served)
        for wanted in decision.variants:
            index = self._fleet.variant(wanted.variant)
            self._targets[index] = wanted.target
            self._resize(index, wanted.target, at_s)
        statuses = ((kernel.READY,), (kernel.STARTING, kernel.READY, kernel.DRAINING))
        ready, holding = ([self._fleet.num(v, *of) for v in range(len(self._targets))] for of in statuses)
        self._ticks.append((at_s, list(self._targets), ready, holding))

    def _resize(self, variant: int, target: int, at_s: float) -> None:
        missing = target - self._fleet.num(variant, kernel.STARTING, kernel.READY)
        if missing < 0:
            self._fleet.stop(variant, -missing, at_s, self._conditions.drain_deadline_s)
        for _ in range(missing):
            had = not self._out_of_stock(variant, at_s)
            if not (had and self._fleet.order(variant, at_s, at_s + self._cold_start_s(variant))):
                self._failed[variant] += 1

    def _out_of_stock(self, variant: int, at_s: float) -> bool:
        name = self._terms.variants[variant].name
        return any(stock.variant == name and stock.span.holds(at_s) for stock in self._conditions.faults.stockouts)

    def _cold_start_s(self, variant: int) -> float:
        own_s, spread = self._terms.variants[variant].cold_start_s, self._conditions.cold_start_spread
        usual_s = own_s if self._conditions.cold_start_s is None else self._conditions.cold_start_s
        return usual_s * float(np.exp(self._random.normal(0.0, spread))) if spread else usual_s

    def _played(self) -> Played:
        over_s = max(self._ticks[-1][0], self._conditions.num_laps * self._trace.span_s)
        self._advance(over_s)
        self._fleet.close(over_s)
        requests = self._requests
        ttft_s = requests["first_token_s"] - requests["arrival_s"]
        decode_s = requests["finish_s"] - requests["first_token_s"]
        steps = np.maximum(requests["output_tokens"] - 1, 1)
        tpot_s = np.where(requests["output_tokens"] > 1, decode_s / steps, 0.0)
        tpot_s[np.isnan(requests["finish_s"])] = np.nan
        at_s, target, ready, holding = zip(*self._ticks, strict=True)
        return Played(
            trace=self._trace,
            num_laps=self._conditions.num_laps,
            arrival_s=requests["arrival_s"],
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            shed=self._fleet.world.shed,
            lives=tuple(self._fleet.lives),
            timeline=Timeline(
                at_s=np.array(at_s), target=np.array(target), ready=np.array(ready), holding=np.array(holding)
            ),
            decisions=tuple(self._decisions),
            num_aborted=self._fleet.num_aborted,
        )


def initial_replicas(trace: Trace, terms: Terms) -> int:
    """Enough of the first variant for the mean load of the first five minutes at 70 % of its compute, within bounds."""
    early = trace.arrival_s < min(300.0, trace.span_s)
    first, budget = terms.variants[0], terms.max_usd_per_hour
    engine, price = first.engine, first.usd_per_hour
    assert not isinstance(engine, Missing)
    step = engine.iteration
    prompt, output = trace.prompt_tokens[early].astype(float), trace.output_tokens[early].astype(float)
    work_s = step.per_prefill_token_s * prompt + output * (
        step.per_sequence_s + step.per_kv_token_s * (prompt + output / 2)
    )
    load = float(work_s.sum()) / min(300.0, trace.span_s)
    limit = max(0.1, 1.0 - step.base_s / terms.objective.tpot_s)
    most = terms.max_replicas if first.max_replicas is None else min(terms.max_replicas, first.max_replicas)
    if budget is not None and not isinstance(price, Missing) and price > 0:
        most = min(most, int(budget / price + 1e-9))
    return int(np.clip(np.ceil(load / limit / 0.7), min(max(1, terms.min_replicas), most), most))


def _faults(conditions: Conditions) -> deque[Any]:
    """What happens to the fleet, in order of time: `(at_s, change)`."""
    slow: list[tuple[float, Any]] = [
        (one.at_s, lambda fleet, at_s, metrics, one=one: fleet.slow(one.factor)) for one in conditions.faults.slowdowns
    ]
    taken = [
        (one.at_s, lambda fleet, at_s, metrics, one=one: metrics.preempt(fleet, one, at_s))
        for one in conditions.faults.preemptions
    ]
    return deque(sorted([*slow, *taken], key=lambda entry: entry[0]))

"""`terms_of`, `demand_of`, `view_of`: what a decision depends on, in round numbers; `walk`: a policy and a small fleet.

A request has 1,000 prompt and 200 output tokens: 0.05 s of prefill and 200 × 30 µs + 200 × 1,100 × 79 ns of decoding,
0.0734 s of work in all. A replica bears 1 − 13.5 ms / 100 ms = 0.865 of it per second: 11.8 requests per second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import (
    ClassDemand,
    Demand,
    Finished,
    Gauges,
    Iterations,
    Observation,
    VariantView,
)
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.terms import Objective, Terms, Variant

ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
COLD_START_S = 60.0


@pytest.fixture(scope="session")
def engine() -> Engine:
    return ENGINE


@pytest.fixture(scope="session")
def variant_of() -> Callable[..., Variant]:
    """One on-demand variant at 8 $/h that starts in a minute, but for what is said."""
    known: dict[str, Any] = {"engine": ENGINE, "usd_per_hour": 8.0, "cold_start_s": COLD_START_S}
    return lambda name="a", **said: Variant(name=name, **{**known, **said})


@pytest.fixture(scope="session")
def terms_of(variant_of: Callable[..., Variant]) -> Callable[..., Terms]:
    """Terms of these variants, one unless told otherwise, with 1 to 40 replicas."""

    def make(*variants: Variant, ttft_s: float = 2.0, tpot_s: float = 0.1, **said: Any) -> Terms:
        objective = Objective(ttft_s=ttft_s, tpot_s=tpot_s, attainment=0.99)
        bounds: dict[str, Any] = {"min_replicas": 1, "max_replicas": 40, **said}
        return Terms(objective=objective, variants=variants or (variant_of(),), **bounds)

    return make


@pytest.fixture(scope="session")
def demand_of() -> Callable[..., Demand]:
    """Arrivals by the second, as many of which finished and attained as is said."""

    def make(
        arrivals: Sequence[int] = (0,) * 5,
        *,
        span_s: float | None = None,
        prompt_tokens: int = 1000,
        output_tokens: int = 200,
        finished: int | None = None,
        missed: int = 0,
    ) -> Demand:
        counts = np.array(arrivals, dtype=np.int64)
        num = int(counts.sum()) if finished is None else finished
        return Demand(
            span_s=float(len(counts)) if span_s is None else span_s,
            arrivals=counts,
            arrived_prompt_tokens=counts * prompt_tokens,
            finished=Finished(
                num=num,
                attained=num - min(missed, num),
                prompt_tokens=float(num * prompt_tokens),
                output_tokens=float(num * output_tokens),
                kv_token_steps=num * output_tokens * (prompt_tokens + output_tokens / 2),
            ),
        )

    return make


@pytest.fixture(scope="session")
def view_of() -> Callable[..., VariantView]:
    """A variant whose ready replicas are as busy as is said, each the same."""

    def make(
        name: str = "a",
        ready: int = 1,
        *,
        running: int = 0,
        waiting_prompt_tokens: int = 0,
        kv_tokens: int = 0,
        **said: Any,
    ) -> VariantView:
        each = np.ones(ready, dtype=np.int64)
        gauges = Gauges(
            running=running * each,
            waiting=0 * each,
            waiting_prompt_tokens=waiting_prompt_tokens * each,
            kv_tokens=kv_tokens * each,
        )
        starting = said.get("starting_for_s", ())
        known: dict[str, Any] = {"target": ready + len(starting), "gauges": gauges, **said}
        return VariantView(name=name, num_ready=ready, **known)

    return make


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens between two decisions."""

    arrivals: tuple[int, ...] = (20,) * 5
    prompt_tokens: int = 1000
    output_tokens: int = 200
    share_missed: float = 0.0
    running: int = 4
    """Of each ready replica."""
    kv_tokens: int = 4000
    waiting_prompt_tokens: int = 0
    is_blind: bool = False
    """No metric arrives."""
    no_gauges: bool = False
    no_stock: bool = False
    """Orders fail."""
    num_preempted: int = 0
    """Ready replicas of each variant that are lost."""
    num_queued: int = 0
    seconds_per_iteration: float = 0.02
    class_shares: tuple[float, ...] = ()
    """Of the arrivals that belong to each declared class but the last, one after the other; untold where none are."""


@dataclass(kw_only=True)
class Fleet:
    """The replicas of one variant, which obey targets and start in their time."""

    variant: Variant
    ready: int = 0
    target: int = 0
    starting: list[float] = field(default_factory=list)
    draining: int = 0
    failed: int = 0
    started: list[float] = field(default_factory=list)

    def obey(self, target: int, *, no_stock: bool) -> None:
        now, self.target = self.ready + len(self.starting), target
        self.failed = max(0, target - now) if no_stock else 0
        self.starting += [0.0] * (0 if no_stock else max(0, target - now))
        cancelled = min(len(self.starting), max(0, now - target))
        self.starting = self.starting[: len(self.starting) - cancelled]
        self.draining = max(0, now - target - cancelled)
        self.ready -= self.draining

    def pass_time(self, span_s: float, num_preempted: int) -> None:
        ages = [age_s + span_s for age_s in self.starting]
        self.started = [age_s for age_s in ages if age_s >= self.variant.cold_start_s]
        self.starting = [age_s for age_s in ages if age_s < self.variant.cold_start_s]
        self.ready += len(self.started) - min(num_preempted, self.ready)

    def seen(self, step: Step) -> VariantView:
        each = np.ones(self.ready, dtype=np.int64)
        unseen = Missing(reason="no metrics arrived")
        gauges = Gauges(
            running=step.running * each,
            waiting=0 * each,
            waiting_prompt_tokens=step.waiting_prompt_tokens * each,
            kv_tokens=step.kv_tokens * each,
        )
        num = 100 * self.ready
        iterations = Iterations(
            num=num,
            seconds=num * step.seconds_per_iteration,
            sequences=float(num * step.running),
            root_sequences=num * step.running**0.5,
            kv_tokens=float(num * step.kv_tokens),
            prefill_tokens=num * 100.0,
        )
        return VariantView(
            name=self.variant.name,
            target=self.target,
            num_ready=self.ready,
            starting_for_s=tuple(sorted(self.starting, reverse=True)),
            num_draining=self.draining,
            gauges=unseen if step.is_blind or step.no_gauges or not self.ready else gauges,
            iterations=unseen if step.is_blind else iterations,
            num_failed_starts=self.failed,
            num_preempted=min(step.num_preempted, self.ready),
            became_ready_after_s=tuple(self.started),
        )


def _by_class(step: Step, terms: Terms, served: Mapping[str, float]) -> tuple[ClassDemand, ...]:
    """The arrivals by class, of which as many were turned away as the decision before said."""
    found, left = [], sum(step.arrivals)
    for place, one in enumerate(terms.classes):
        share = step.class_shares[place] if place < len(step.class_shares) else 1.0
        num = left if place == len(terms.classes) - 1 else round(share * left)
        shed, left = round(num * (1 - served.get(one.name, 1.0))), left - num
        tokens = num * step.prompt_tokens
        found.append(ClassDemand(name=one.name, num_arrivals=num, num_shed=shed, prompt_tokens=tokens))
    return tuple(found)


@pytest.fixture(scope="session")
def step_of() -> type[Step]:
    return Step


@pytest.fixture(scope="session")
def walk(demand_of: Callable[..., Demand]) -> Callable[..., list[tuple[Observation, Decision]]]:
    """What a policy sees and decides, step by step, beside a fleet and a gateway that do as they are told."""

    def run(
        terms: Terms, steps: Sequence[Step], *, ready: int = 1, policy: Raytide | None = None
    ) -> list[tuple[Observation, Decision]]:
        ours, state, now_s = policy or Raytide(), None, 0.0
        fleets = [Fleet(variant=variant) for variant in terms.variants]
        fleets[0].ready = fleets[0].target = ready
        walked: list[tuple[Observation, Decision]] = []
        served: Mapping[str, float] = {}
        for step in steps:
            span_s = float(max(1, len(step.arrivals)))
            now_s += span_s
            for fleet in fleets:
                fleet.pass_time(span_s, step.num_preempted)
            demand = demand_of(
                step.arrivals,
                prompt_tokens=step.prompt_tokens,
                output_tokens=step.output_tokens,
                missed=round(step.share_missed * sum(step.arrivals)),
            )
            if step.class_shares:
                demand = replace(demand, by_class=_by_class(step, terms, served))
            observation = Observation(
                at_s=now_s,
                demand=Missing(reason="no metrics arrived") if step.is_blind else demand,
                variants=tuple(fleet.seen(step) for fleet in fleets),
                num_queued=step.num_queued,
            )
            state = ours.begin(observation, terms) if state is None else state
            decision = ours.decide(observation, terms, state, now_s)
            state, served = decision.state, decision.served
            walked.append((observation, decision))
            for fleet, wanted in zip(fleets, decision.variants, strict=True):
                fleet.obey(wanted.target, no_stock=step.no_stock)
        return walked

    return run

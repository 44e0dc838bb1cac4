"""`seen` builds observations and `terms` declarations, in the numbers that a decision depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.decision import Decision, Policy
from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Gauges, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.terms import Objective, Terms, Variant

UNKNOWN = Missing(reason="not reported")

# Qwen3-32B in bf16 on two H100, vLLM 0.12 (ai-dynamo/aiconfigurator, silicon_sample.csv), rounded.
ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=49.5e-6),
    kv_capacity_tokens=270_000,
)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return ENGINE


@pytest.fixture(scope="session")
def terms() -> Callable[..., Terms]:
    """Terms of one on-demand variant "v" at 10 $/h, 1 to 40 replicas, unless told otherwise."""

    def build(
        *,
        min_replicas: int = 1,
        max_replicas: int = 40,
        ttft_s: float = 2.0,
        tpot_s: float = 0.1,
        variants: Sequence[Variant] | None = None,
    ) -> Terms:
        one = Variant(name="v", engine=ENGINE, usd_per_hour=10.0, cold_start_s=120.0)
        return Terms(
            objective=Objective(ttft_s=ttft_s, tpot_s=tpot_s, attainment=0.99),
            variants=(one,) if variants is None else tuple(variants),
            min_replicas=min_replicas,
            max_replicas=max_replicas,
        )

    return build


def _spread(total: int | Sequence[int], num: int) -> np.ndarray:
    """One number per replica: those given, or a total spread as evenly as whole numbers allow."""
    if isinstance(total, int):
        return np.array([total // num + (place < total % num) for place in range(num)], dtype=np.int64)
    return np.array(total, dtype=np.int64)


@pytest.fixture(scope="session")
def view() -> Callable[..., VariantView]:
    """A view of one variant; gauges are one number per ready replica, or a total that is spread over them."""

    def build(
        *,
        name: str = "v",
        ready: int = 1,
        target: int | None = None,
        starting_for_s: Sequence[float] = (),
        running: int | Sequence[int] = 0,
        waiting: int | Sequence[int] = 0,
        waiting_prompt_tokens: int | Sequence[int] = 0,
        kv_tokens: int | Sequence[int] = 0,
        gauges: bool = True,
        iterations: Iterations | Missing = UNKNOWN,
        engine: Engine | Missing = UNKNOWN,
        num_preempted: int = 0,
        num_failed_starts: int = 0,
        became_ready_after_s: Sequence[float] = (),
    ) -> VariantView:
        counted = Gauges(
            running=_spread(running, ready),
            waiting=_spread(waiting, ready),
            waiting_prompt_tokens=_spread(waiting_prompt_tokens, ready),
            kv_tokens=_spread(kv_tokens, ready),
        )
        return VariantView(
            name=name,
            target=ready + len(starting_for_s) if target is None else target,
            num_ready=ready,
            starting_for_s=tuple(starting_for_s),
            gauges=counted if gauges else UNKNOWN,
            iterations=iterations,
            engine=engine,
            num_preempted=num_preempted,
            num_failed_starts=num_failed_starts,
            became_ready_after_s=tuple(became_ready_after_s),
        )

    return build


@pytest.fixture(scope="session")
def demand() -> Callable[..., Demand]:
    """Demand of a span: arrivals spread evenly over its seconds, and what finished, all of one length."""

    def build(
        *,
        arrivals: int | Sequence[int] = 0,
        span_s: float = 15.0,
        prompt_tokens: float = 1000.0,
        output_tokens: float = 200.0,
        finished: int | None = None,
        attained: int | None = None,
        ttft_s: Sequence[float] = (),
        tpot_s: Sequence[float] = (),
    ) -> Demand:
        bins = _spread(arrivals, max(1, round(span_s)))
        num = int(bins.sum()) if finished is None else finished
        return Demand(
            span_s=span_s,
            arrivals=bins,
            arrived_prompt_tokens=(bins * prompt_tokens).astype(np.int64),
            finished=Finished(
                num=num,
                attained=num if attained is None else attained,
                prompt_tokens=num * prompt_tokens,
                output_tokens=num * output_tokens,
                prompt_tokens_squared=num * prompt_tokens**2,
                output_tokens_squared=num * output_tokens**2,
                kv_token_steps=num * output_tokens * (prompt_tokens + output_tokens / 2),
            ),
            ttft=Latencies.of(ttft_s),
            tpot=Latencies.of(tpot_s),
        )

    return build


@pytest.fixture(scope="session")
def seen(view: Callable[..., VariantView], demand: Callable[..., Demand]) -> Callable[..., Observation]:
    """An observation of one variant "v" with no traffic, unless told otherwise; unknown words go to `view`."""

    def build(
        *,
        at_s: float = 1000.0,
        demand: Demand | Missing | None = None,
        variants: Sequence[VariantView] | None = None,
        num_queued: int = 0,
        **of_view: Any,
    ) -> Observation:
        return Observation(
            at_s=at_s,
            demand=nothing if demand is None else demand,
            variants=(view(**of_view),) if variants is None else tuple(variants),
            num_queued=num_queued,
        )

    nothing = demand()
    return build


@dataclass
class Loop:
    """A policy in its loop: keeps its state from one observation to the next."""

    policy: Policy
    terms: Terms
    state: Any = None

    def see(self, observation: Observation) -> Decision:
        """The decision on this observation."""
        if self.state is None:
            self.state = self.policy.begin(observation, self.terms)
        decision = self.policy.decide(observation, self.terms, self.state, observation.at_s)
        self.state = decision.state
        return decision

    def target(self, observation: Observation) -> int:
        """The first variant's target on this observation."""
        return self.see(observation).variants[0].target


@pytest.fixture(scope="session")
def loop(terms: Callable[..., Terms]) -> Callable[..., Loop]:
    """`loop(policy, **terms)`: the policy from its beginning."""
    return lambda policy, **of_terms: Loop(policy=policy, terms=terms(**of_terms))

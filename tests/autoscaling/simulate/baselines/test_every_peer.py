from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.decision import Decision, Policy
from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Gauges, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.baselines import PEERS
from raytide.autoscaling.terms import Objective, Terms, Variant

UNKNOWN = Missing(reason="not reported")
MISSING = st.just(UNKNOWN)
COUNTS = st.integers(0, 300)
ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=49.5e-6),
    kv_capacity_tokens=270_000,
)
SMALLER = replace(ENGINE, iteration=replace(ENGINE.iteration, per_kv_token_s=3e-7), kv_capacity_tokens=60_000)
ENGINES = st.sampled_from([ENGINE, SMALLER])
NAMES = ("large", "small", "spot")
EVERY_PEER = pytest.mark.parametrize("name", PEERS)


@st.composite
def _demands(draw: st.DrawFn) -> Demand:
    arrivals = np.array(draw(st.lists(st.integers(0, 80), min_size=1, max_size=8)), dtype=np.int64)
    prompt, output, num = draw(st.integers(1, 20_000)), draw(st.integers(1, 4_000)), draw(st.integers(0, 200))
    finished = Finished(
        num=num,
        attained=draw(st.integers(0, num)),
        prompt_tokens=float(num * prompt),
        cached_tokens=float(draw(st.integers(0, num * prompt))),
        output_tokens=float(num * output),
        prompt_tokens_squared=float(num * prompt**2) * draw(st.floats(1.0, 3.0)),
        output_tokens_squared=float(num * output**2) * draw(st.floats(1.0, 3.0)),
        kv_token_steps=num * output * (prompt + output / 2),
    )
    latencies = st.lists(st.floats(1e-3, 60.0), max_size=5).map(Latencies.of)
    return Demand(
        span_s=float(len(arrivals)),
        arrivals=arrivals,
        arrived_prompt_tokens=arrivals * prompt,
        finished=finished,
        ttft=draw(latencies),
        tpot=draw(latencies),
    )


@st.composite
def _views(draw: st.DrawFn, name: str) -> VariantView:
    ready = draw(st.integers(0, 8))
    starting = draw(st.lists(st.floats(0.0, 300.0), max_size=3))
    per_replica = [draw(st.lists(COUNTS, min_size=ready, max_size=ready)) for _ in range(4)]
    running, waiting, prompts, kv = (np.array(values, dtype=np.int64) for values in per_replica)
    gauges = Gauges(running=running, waiting=waiting, waiting_prompt_tokens=prompts * 100, kv_tokens=kv * 900)
    busy = Iterations(num=50, seconds=2.0, sequences=900.0, root_sequences=200.0, kv_tokens=5e6, prefill_tokens=2e4)
    return VariantView(
        name=name,
        target=draw(st.integers(0, 12)),
        num_ready=ready,
        starting_for_s=tuple(sorted(starting, reverse=True)),
        gauges=draw(MISSING | st.just(gauges)),
        iterations=draw(MISSING | st.just(busy) | st.just(Iterations())),
        engine=draw(MISSING | ENGINES),
        num_failed_starts=draw(st.integers(0, 2)),
        num_preempted=draw(st.integers(0, 2)),
        became_ready_after_s=tuple(draw(st.lists(st.floats(1.0, 300.0), max_size=2))),
    )


@st.composite
def _terms(draw: st.DrawFn) -> Terms:
    names = NAMES[: draw(st.integers(1, 3))]
    variants = tuple(
        Variant(
            name=name,
            engine=draw(MISSING | ENGINES),
            usd_per_hour=draw(MISSING | st.floats(0.5, 40.0)),
            cold_start_s=draw(st.floats(0.0, 300.0)),
            max_replicas=draw(st.none() | st.integers(0, 20)),
            spot=name == "spot",
        )
        for name in names
    )
    least = draw(st.integers(0, 5))
    objective = Objective(ttft_s=draw(st.floats(0.2, 5.0)), tpot_s=draw(st.floats(0.01, 0.2)), attainment=0.99)
    return Terms(objective=objective, variants=variants, min_replicas=least, max_replicas=draw(st.integers(least, 40)))


@st.composite
def _runs(draw: st.DrawFn) -> tuple[Terms, list[Observation]]:
    """Terms, and observations with gaps between them in which anything may have happened."""
    terms, at_s = draw(_terms()), 0.0
    seen = []
    for _ in range(draw(st.integers(1, 6))):
        at_s += draw(st.floats(1.0, 400.0))
        views = tuple(draw(_views(variant.name)) for variant in terms.variants)
        demand = draw(MISSING | _demands())
        seen.append(Observation(at_s=at_s, demand=demand, variants=views, num_queued=draw(st.integers(0, 50))))
    return terms, seen


def _decisions(policy: Policy, terms: Terms, observations: Sequence[Observation]) -> list[Decision]:
    state, decisions = policy.begin(observations[0], terms), []
    for observation in observations:
        decisions.append(policy.decide(observation, terms, state, observation.at_s))
        state = decisions[-1].state
    return decisions


def _quotas(terms: Terms) -> int:
    return sum(terms.max_replicas if one.max_replicas is None else one.max_replicas for one in terms.variants)


@EVERY_PEER
@settings(max_examples=5)
@given(st.data())
def test_targets_keep_the_bounds_and_have_reasons(name: str, data: st.DataObject) -> None:
    policy, (terms, observations) = data.draw(st.sampled_from(PEERS[name]())), data.draw(_runs())
    for observation, decision in zip(observations, _decisions(policy, terms, observations), strict=True):
        total = sum(variant.target for variant in decision.variants)
        assert min(terms.min_replicas, _quotas(terms)) <= total <= terms.max_replicas
        assert [variant.variant for variant in decision.variants] == [view.name for view in observation.variants]
        for variant, view in zip(decision.variants, observation.variants, strict=True):
            quota = terms.variant(view.name).max_replicas
            assert 0 <= variant.target <= (terms.max_replicas if quota is None else quota)
            assert variant.previous == view.target
            assert all(reason.says for reason in variant.reasons)
            assert variant.binding


@EVERY_PEER
@settings(max_examples=3)
@given(st.data())
def test_the_same_observations_give_the_same_decisions(name: str, data: st.DataObject) -> None:
    policy, (terms, observations) = data.draw(st.sampled_from(PEERS[name]())), data.draw(_runs())
    first, second = (_decisions(policy, terms, observations) for _ in range(2))
    assert [one.variants for one in first] == [other.variants for other in second]


@EVERY_PEER
def test_with_nothing_reported_at_all_a_peer_keeps_what_runs(name: str) -> None:
    view = VariantView(name="v", target=3, num_ready=3)
    variant = Variant(name="v", engine=UNKNOWN, usd_per_hour=UNKNOWN, cold_start_s=60.0)
    objective = Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99)
    terms = Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=40)
    blind = [Observation(at_s=15.0 * tick, demand=UNKNOWN, variants=(view,)) for tick in range(1, 4)]
    for policy in PEERS[name]():
        targets = {decision.variants[0].target for decision in _decisions(policy, terms, blind)}
        kept = getattr(policy, "num_replicas", 3) + getattr(policy, "num_overprovision", 0)  # static, SpotHedge
        assert targets == {min(kept, terms.max_replicas)}


@EVERY_PEER
def test_a_peer_has_twelve_settings_of_one_name_and_interval_of_a_second_or_more(name: str) -> None:
    tried = PEERS[name]()
    assert len(set(tried)) == len(tried) == 12
    assert tried[0] == type(tried[0])()
    assert {policy.name for policy in tried} == {name}
    assert all(policy.interval_s >= 1.0 for policy in tried)


def test_the_registry_imports_no_peer_and_no_solver() -> None:
    code = (
        "import sys, raytide.autoscaling.simulate.baselines as peers; list(peers.PEERS)\n"
        "print([name for name in sys.modules if name.startswith(peers.__name__ + '.') or name.startswith('scipy')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_name_that_no_peer_has_is_no_key() -> None:
    lookup: Callable[[str], Any] = PEERS.__getitem__
    with pytest.raises(KeyError):
        lookup("no-such-peer")

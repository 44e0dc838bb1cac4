"""What a policy sees is what the requests and iterations of the run add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Iterations, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

SPAN_S = 200.0


@pytest.fixture(scope="module")
def two_kinds(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    slow = replace(engine, iteration=replace(engine.iteration, base_s=0.02, per_root_sequence_s=1e-3))
    terms = terms_of(engine, slow)
    return replace(terms, objective=replace(terms.objective, ttft_s=0.3, tpot_s=0.025))


@pytest.fixture(scope="module")
def run(two_kinds: Terms, scripted: Callable[..., Any]) -> tuple[Played, list[Observation]]:
    """One replica of the fast kind, and for most of the time two of the slow one; the batches overflow now and then."""
    rng = np.random.default_rng(9)
    num = 2500
    trace = Trace(
        name="made",
        arrival_s=np.sort(rng.uniform(0.0, SPAN_S - 20.0, num)),
        prompt_tokens=rng.integers(50, 1500, num, dtype=np.int32),
        output_tokens=rng.integers(1, 120, num, dtype=np.int32),
        cached_tokens=rng.integers(0, 40, num, dtype=np.int32),
        span_s=SPAN_S,
    )
    policy = scripted(lambda now_s: (1, 2 if now_s > 30 else 0), interval_s=7.0)
    conditions = Conditions(num_laps=1, initial_replicas=1, metric_delay_s=0, cold_start_s=10.0)
    return play(trace, policy, two_kinds, conditions), policy.seen


def demand_of(observation: Observation) -> Demand:
    assert isinstance(observation.demand, Demand)
    return observation.demand


def test_arrivals_are_those_of_whole_seconds_and_their_tokens(run: tuple[Played, list[Observation]]) -> None:
    played, seen = run
    second = played.arrival_s.astype(int)
    for before, now in pairwise(seen):
        demand = demand_of(now)
        mine = (second >= before.at_s) & (second < now.at_s)
        assert demand.arrivals.tolist() == np.bincount(second[mine] - int(before.at_s), minlength=7).tolist()
        assert demand.arrived_prompt_tokens.sum() == played.trace.prompt_tokens[mine].sum()


def test_first_tokens_and_finishes_are_those_of_the_span(
    run: tuple[Played, list[Observation]], two_kinds: Terms
) -> None:
    played, seen = run
    output = played.trace.output_tokens
    first_s = played.arrival_s + played.ttft_s
    finish_s = first_s + played.tpot_s * (output - 1)
    attained = (played.ttft_s <= two_kinds.objective.ttft_s) & (played.tpot_s <= two_kinds.objective.tpot_s)
    for before, now in pairwise(seen):
        demand = demand_of(now)
        begun = (first_s > before.at_s) & (first_s <= now.at_s)
        done = (finish_s > before.at_s) & (finish_s <= now.at_s)
        assert (demand.ttft.counts == Latencies.of(played.ttft_s[begun]).counts).all()
        assert (demand.tpot.counts == Latencies.of(played.tpot_s[done & (output > 1)]).counts).all()
        finished = demand.finished
        assert (finished.num, finished.attained) == (done.sum(), (done & attained).sum())
        assert finished.missed_ttft == (done & (played.ttft_s > two_kinds.objective.ttft_s)).sum()
        assert finished.missed_tpot == (done & (played.tpot_s > two_kinds.objective.tpot_s)).sum()
        assert finished.output_tokens == output[done].sum()
        assert finished.prompt_tokens_squared == (played.trace.prompt_tokens[done].astype(float) ** 2).sum()
    assert sum(demand_of(one).finished.num for one in seen) == len(played.trace)


def test_whoever_arrived_and_is_not_finished_runs_or_waits(run: tuple[Played, list[Observation]]) -> None:
    played, seen = run
    finish_s = played.arrival_s + played.ttft_s + played.tpot_s * (played.trace.output_tokens - 1)
    deepest = 0
    for observation in seen:
        gauges = [view.gauges for view in observation.variants if isinstance(view.gauges, Gauges)]
        running = sum(int(one.running.sum()) for one in gauges)
        waiting = sum(int(one.waiting.sum()) for one in gauges)
        inside = ((played.arrival_s < observation.at_s) & (finish_s > observation.at_s)).sum()
        assert running + waiting + observation.num_queued == inside
        deepest = max(deepest, waiting)
    assert deepest > 0


def test_iterations_explain_their_own_time(run: tuple[Played, list[Observation]], two_kinds: Terms) -> None:
    _, seen = run
    tokens = {"prefill": 0.0, "decode": 0.0}
    for observation in seen:
        for view, variant in zip(observation.variants, two_kinds.variants, strict=True):
            sums = view.iterations
            assert isinstance(sums, Iterations)
            assert isinstance(variant.engine, Engine)
            step = variant.engine.iteration
            explained_s = (
                step.base_s * sums.num
                + step.per_sequence_s * sums.sequences
                + step.per_root_sequence_s * sums.root_sequences
                + step.per_kv_token_s * sums.kv_tokens
                + step.per_prefill_token_s * sums.prefill_tokens
            )
            assert sums.seconds == pytest.approx(explained_s)
            tokens["prefill"] += sums.prefill_tokens
            tokens["decode"] += sums.sequences
    trace = run[0].trace
    assert trace.cached_tokens is not None
    assert tokens["prefill"] == (trace.prompt_tokens - trace.cached_tokens).sum()  # nothing was computed twice
    assert tokens["decode"] == (trace.output_tokens - 1).sum()


def test_a_variant_without_a_ready_replica_has_no_gauges(run: tuple[Played, list[Observation]]) -> None:
    _, seen = run
    assert isinstance(seen[0].variants[1].gauges, Missing)
    assert isinstance(seen[-1].variants[1].gauges, Gauges)


def test_starts_are_seen_while_they_last_and_once_when_they_end(run: tuple[Played, list[Observation]]) -> None:
    _, seen = run
    starting = {one.at_s: one.variants[1].starting_for_s for one in seen if one.variants[1].starting_for_s}
    assert starting == {42.0: (7.0, 7.0)}
    became = {one.at_s: one.variants[1].became_ready_after_s for one in seen if one.variants[1].became_ready_after_s}
    assert became == {49.0: (10.0, 10.0)}

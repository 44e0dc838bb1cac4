"""What holds for every decision, whatever is observed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.digest import digest
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.terms import Terms, Variant

Walked = list[tuple[Observation, Decision]]

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
COUNTS = st.lists(st.integers(0, 60), max_size=6).map(tuple)
BLACKOUTS_OVER = st.integers(100, 700).map(lambda length: (3,) * length)
STEP = st.fixed_dictionaries(
    {},
    optional={
        "arrivals": st.one_of(COUNTS, COUNTS, COUNTS, BLACKOUTS_OVER),
        "prompt_tokens": st.integers(0, 20_000),
        "output_tokens": st.integers(0, 4_000),
        "share_missed": st.floats(0, 1),
        "running": st.integers(0, 256),
        "kv_tokens": st.integers(0, 270_000),
        "waiting_prompt_tokens": st.integers(0, 200_000),
        "is_blind": st.booleans(),
        "no_gauges": st.booleans(),
        "no_stock": st.booleans(),
        "num_preempted": st.integers(0, 3),
        "num_queued": st.integers(0, 5),
        "seconds_per_iteration": st.floats(1e-4, 2.0),
    },
)
# Most steps repeat, as load does; a change of everything at every step would never let the policy learn.
STEPS = st.lists(st.tuples(STEP, st.integers(1, 12)), min_size=1, max_size=8)
VARIANT = st.fixed_dictionaries(
    {},
    optional={
        "usd_per_hour": st.floats(0, 100) | st.just(Missing(reason="no price")),
        "cold_start_s": st.floats(0, 900),
        "max_replicas": st.integers(0, 10),
        "spot": st.booleans(),
        "engine": st.just(Missing(reason="nothing was declared")),
        "slower": st.floats(0.3, 5),
    },
)
TERMS = st.fixed_dictionaries(
    {"variants": st.lists(VARIANT, min_size=1, max_size=4)},
    optional={
        "min_replicas": st.integers(0, 5),
        "max_replicas": st.integers(0, 20),
        "max_usd_per_hour": st.floats(0, 200),
        "ttft_s": st.floats(0.01, 10),
        "tpot_s": st.floats(0.001, 0.5),
    },
)


@pytest.fixture(scope="session")
def declared(
    variant_of: Callable[..., Variant], terms_of: Callable[..., Terms], engine: Engine
) -> Callable[[dict[str, Any]], Terms]:
    """The terms behind drawn words."""

    def variant(index: int, said: dict[str, Any]) -> Variant:
        slower = said.get("slower", 1.0)
        iteration = replace(
            engine.iteration, base_s=engine.iteration.base_s * slower, per_prefill_token_s=5e-5 * slower
        )
        words = {"engine": replace(engine, iteration=iteration), **said}
        words.pop("slower", None)
        return variant_of("abcd"[index], **words)

    def make(said: dict[str, Any]) -> Terms:
        words = {key: value for key, value in said.items() if key != "variants"}
        low, high = words.get("min_replicas", 1), words.get("max_replicas", 40)
        variants = (variant(index, each) for index, each in enumerate(said["variants"]))
        return terms_of(*variants, **{**words, "min_replicas": min(low, high)})

    return make


@pytest.fixture(scope="session")
def walked(walk: Callable[..., Walked], step_of: type, declared: Callable[..., Terms]) -> Callable[..., Walked]:
    """The walk under drawn terms and steps."""
    return lambda terms, steps, **said: walk(
        terms, [step_of(**step) for step, times in steps for _ in range(times)], **said
    )


def _num_now(view: VariantView) -> int:
    return view.num_ready + view.num_starting


def _usd(terms: Terms, name: str) -> float:
    price = terms.variant(name).usd_per_hour
    return 0.0 if isinstance(price, Missing) else price


@FEW
@given(said=TERMS, steps=STEPS)
def test_no_decision_goes_beyond_what_a_user_set(
    said: dict[str, Any], steps: list[Any], declared: Callable[..., Terms], walked: Callable[..., Walked]
) -> None:
    terms = declared(said)
    for observation, decision in walked(terms, steps, ready=3):
        targets = {wanted.variant: wanted.target for wanted in decision.variants}
        quotas = {one.name: one.max_replicas for one in terms.variants if one.max_replicas is not None}
        assert sum(targets.values()) <= terms.max_replicas
        assert all(targets[name] >= 0 for name in targets)
        assert all(targets[name] <= quota for name, quota in quotas.items())
        if terms.max_usd_per_hour is None:
            continue
        limit = terms.max_usd_per_hour * (1 + 1e-6) + 1e-9
        assert sum(_usd(terms, name) * target for name, target in targets.items()) <= limit
        ordered = any(targets[v.name] > _num_now(v) and _usd(terms, v.name) > 0 for v in observation.variants)
        held = sum(
            _usd(terms, v.name) * (max(targets[v.name], _num_now(v)) + v.num_draining) for v in observation.variants
        )
        assert held <= limit or not ordered


ALMOST_FREE = {"variants": [{}, {"usd_per_hour": 5e-324}], "max_usd_per_hour": 0.0}


@FEW
@example(said=ALMOST_FREE, steps=[({}, 1)])  # a budget allows an infinite number of what costs next to nothing
@given(said=TERMS, steps=STEPS)
def test_every_decision_has_reasons_and_is_the_same_when_asked_again(
    said: dict[str, Any], steps: list[Any], declared: Callable[..., Terms], walked: Callable[..., Walked]
) -> None:
    terms = declared(said)
    once, again = walked(terms, steps), walked(terms, steps)
    assert all(wanted.reasons for _, decision in once for wanted in decision.variants)
    assert all(wanted.binding.says for _, decision in once for wanted in decision.variants)
    assert [digest(decision) for _, decision in once] == [digest(decision) for _, decision in again]


@FEW
@given(said=TERMS, steps=STEPS)
def test_missing_demand_changes_no_target_that_is_within_the_bounds(
    said: dict[str, Any], steps: list[Any], declared: Callable[..., Terms], walked: Callable[..., Walked]
) -> None:
    terms = declared(said)
    past = walked(terms, steps)
    observation, decision = past[-1]
    targets = {wanted.variant: wanted.target for wanted in decision.variants}
    # As the fleet stands once it did as it was told: all that is wanted runs, nothing drains.
    settled = tuple(
        replace(view, target=targets[view.name], num_ready=targets[view.name], starting_for_s=(), num_draining=0)
        for view in observation.variants
    )
    blind = Observation(at_s=observation.at_s + 5, demand=Missing(reason="lost"), variants=settled)
    held = Raytide().decide(blind, terms, decision.state, blind.at_s)
    within_floor = sum(targets.values()) >= terms.min_replicas
    if within_floor:
        assert {wanted.variant: wanted.target for wanted in held.variants} == targets
    assert all(wanted.reasons[0].rule == "held" for wanted in held.variants)


@FEW
@given(steps=STEPS, cold_start_s=st.sampled_from([30.0, 60.0, 240.0]))
def test_one_variant_never_has_fewer_replicas_than_its_batches_fill(
    steps: list[Any],
    cold_start_s: float,
    terms_of: Callable[..., Terms],
    variant_of: Callable[..., Variant],
    engine: Engine,
    walked: Callable[..., Walked],
) -> None:
    terms = terms_of(variant_of(cold_start_s=cold_start_s))
    in_stock = [({**step, "no_stock": False}, times) for step, times in steps]
    for observation, decision in walked(terms, in_stock, ready=3):
        gauges = observation.variants[0].gauges
        if isinstance(gauges, Missing) or isinstance(observation.demand, Missing):
            continue
        filled = max(gauges.running.sum() / engine.max_num_seqs, gauges.kv_tokens.sum() / engine.kv_capacity_tokens)
        assert decision.variants[0].target >= min(math.ceil(filled - 1e-9), terms.max_replicas)


@FEW
@given(steps=STEPS, cold_start_s=st.sampled_from([30.0, 60.0, 240.0]))
def test_what_was_ordered_is_not_let_go_within_the_hold(
    steps: list[Any],
    cold_start_s: float,
    terms_of: Callable[..., Terms],
    variant_of: Callable[..., Variant],
    walked: Callable[..., Walked],
) -> None:
    terms = terms_of(variant_of(cold_start_s=cold_start_s))
    in_stock = [({**step, "no_stock": False}, times) for step, times in steps]
    ups: list[tuple[float, int]] = []
    knobs = Settings()
    hold_s = max(knobs.least_hold_s, knobs.hold_cold_starts * cold_start_s)
    for observation, decision in walked(terms, in_stock, ready=2):
        (wanted,) = decision.variants
        recent = [target for at_s, target in ups if observation.at_s - at_s < hold_s]
        assert wanted.target >= max(recent, default=0)
        if wanted.target > wanted.previous:
            ups.append((observation.at_s, wanted.target))


@FEW
@given(said=TERMS, steps=STEPS)
@example(
    said={"variants": [{}, {}, {"cold_start_s": 1e-98}, {}]},
    steps=[({"prompt_tokens": 0, "seconds_per_iteration": 1.0, "num_preempted": 2}, 2)],
)
def test_at_least_the_declared_number_runs_where_orders_are_served(
    said: dict[str, Any], steps: list[Any], declared: Callable[..., Terms], walked: Callable[..., Walked]
) -> None:
    free = [{key: value for key, value in each.items() if key != "max_replicas"} for each in said["variants"]]
    terms = replace(declared({**said, "variants": free}), max_usd_per_hour=None)
    in_stock = [({**step, "no_stock": False}, times) for step, times in steps]
    for _, decision in walked(terms, in_stock, ready=3):
        assert sum(wanted.target for wanted in decision.variants) >= min(terms.min_replicas, terms.max_replicas)

"""How the size answers to the load. More arrivals never make it smaller until a forecast was judged, and never make the
need smaller (see the tests of work). Afterwards they almost never do: they also raise the error budget, and with it the
price of a replica, and they say how much a replica bears; so only the direction is checked on learnt states.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.decision import Decision, Rule
from raytide.autoscaling.observation import Demand, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy import Raytide, settings
from raytide.autoscaling.terms import Terms, Variant

Walk = Callable[..., list[tuple[Observation, Decision]]]
BEARABLE_PER_S = 11.8
"""Requests that one replica bears."""


@given(
    arrivals=st.lists(st.integers(0, 200), min_size=5, max_size=5),
    more=st.lists(st.integers(0, 200), min_size=5, max_size=5),
)
def test_more_arrivals_never_want_fewer_at_first(
    arrivals: list[int],
    more: list[int],
    terms_of: Callable[..., Terms],
    view_of: Callable[..., VariantView],
    demand_of: Callable[..., Demand],
) -> None:
    ours, terms = Raytide(), terms_of()

    def target(counts: list[int]) -> int:
        seen = Observation(at_s=5.0, demand=demand_of(counts), variants=(view_of(ready=1),))
        return ours.decide(seen, terms, ours.begin(seen, terms), 5.0).variants[0].target

    assert target([a + b for a, b in zip(arrivals, more, strict=True)]) >= target(arrivals)


@pytest.mark.parametrize("per_s", [5, 30, 120])
def test_an_even_load_gets_the_replicas_that_bear_it(
    per_s: int, walk: Walk, terms_of: Callable[..., Terms], step_of: type
) -> None:
    least = math.ceil(per_s / BEARABLE_PER_S / 1.15)
    played = walk(terms_of(), [step_of(arrivals=(per_s,) * 5)] * 200, ready=least)
    assert least <= played[-1][1].variants[0].target <= math.ceil(per_s / BEARABLE_PER_S * 1.3) + 1


def test_a_learnt_state_wants_more_for_a_jump(walk: Walk, terms_of: Callable[..., Terms], step_of: type) -> None:
    calm = [step_of(arrivals=(20, 26, 22, 31, 21))] * 150
    before = walk(terms_of(), calm, ready=3)[-1][1].variants[0].target
    jumped = walk(terms_of(), [*calm, *[step_of(arrivals=(70,) * 5)] * 30], ready=3)[-1][1].variants[0].target
    assert jumped >= 2 * before


def test_a_queue_of_prompts_is_worked_off(walk: Walk, terms_of: Callable[..., Terms], step_of: type) -> None:
    calm, queued = step_of(arrivals=(10,) * 5), step_of(arrivals=(10,) * 5, waiting_prompt_tokens=4_000_000)
    *_, (_, before), (_, after) = walk(terms_of(), [calm] * 30 + [queued], ready=2)
    assert after.variants[0].target > before.variants[0].target
    assert Rule.BACKLOG in [reason.rule for reason in after.variants[0].reasons]


def test_requests_that_miss_at_a_load_said_to_be_bearable_buy_replicas(
    walk: Walk, terms_of: Callable[..., Terms], step_of: type
) -> None:
    kept, missed = (
        walk(terms_of(), [step_of(arrivals=(30,) * 5, share_missed=share)] * 250, ready=4)[-1][1].variants[0].target
        for share in (0.0, 0.3)
    )
    assert missed > kept


def test_an_objective_below_the_time_of_an_empty_iteration_gets_all_that_is_allowed(
    walk: Walk, terms_of: Callable[..., Terms], step_of: type
) -> None:
    played = walk(terms_of(tpot_s=0.005, max_replicas=9), [step_of(arrivals=(30,) * 5)] * 20)
    assert played[-1][1].variants[0].target == 9


def test_an_empty_demand_may_shrink_where_a_missing_one_may_not(
    walk: Walk, terms_of: Callable[..., Terms], step_of: type
) -> None:
    busy, empty = [step_of(arrivals=(60,) * 5)] * 100, step_of(arrivals=(0,) * 5, running=0, kv_tokens=0)
    shrunk = walk(terms_of(), [*busy, *[empty] * 150], ready=6)[-1][1].variants[0].target
    held = walk(terms_of(), [*busy, *[replace(empty, is_blind=True)] * 150], ready=6)
    assert shrunk < held[-1][1].variants[0].target == held[99][1].variants[0].target


def test_a_load_beyond_the_most_replicas_gets_all_of_them(
    walk: Walk, terms_of: Callable[..., Terms], step_of: type
) -> None:
    calm, over = [step_of(arrivals=(5,) * 5)] * 30, [step_of(arrivals=(40,) * 5, share_missed=1.0)] * 60
    played = walk(terms_of(max_replicas=2), [*calm, *over])
    assert {decision.variants[0].target for _, decision in played[-40:]} == {2}


def test_a_queue_beside_full_batches_outweighs_a_model_that_says_the_load_is_light(
    walk: Walk, terms_of: Callable[..., Terms], variant_of: Callable[..., Variant], step_of: type, engine: Engine
) -> None:
    terms = terms_of(variant_of(engine=replace(engine, max_num_seqs=4)))
    light = step_of(arrivals=(0, 1, 0, 0, 0), running=4)
    *_, (_, before), (_, after) = walk(terms, [light] * 20 + [replace(light, waiting_prompt_tokens=40_000)], ready=1)
    assert (before.variants[0].target, after.variants[0].target) == (1, 2)
    assert after.variants[0].reasons[-1].rule == "backlog"


def test_a_crowd_of_variants_is_calibrated_a_few_at_a_time_and_all_in_turn(
    terms_of: Callable[..., Terms],
    variant_of: Callable[..., Variant],
    view_of: Callable[..., VariantView],
    demand_of: Callable[..., Demand],
) -> None:
    names = [f"v{index:02d}" for index in range(20)]
    terms = terms_of(*[variant_of(name) for name in names], min_replicas=0)
    ran = Iterations(num=10, seconds=0.2, sequences=20.0, root_sequences=14.1, kv_tokens=2e4, prefill_tokens=1e3)
    views = tuple(view_of(name, iterations=ran) for name in names)
    seen = Observation(at_s=5.0, demand=demand_of(), variants=views)
    ours, state = Raytide(), Raytide().begin(seen, terms)
    for tick in range(1, 31):
        state = ours.decide(seen, terms, state, 5.0 * tick).state
    counts = [calibration.num_samples for calibration in state.calibrations.values()]
    assert len(counts) == 20
    assert max(counts) - min(counts) <= 1


def test_twelve_settings_are_tried_against_the_peers_the_default_first() -> None:
    tried = settings()
    assert len(tried) == len({each.settings for each in tried}) == 12
    assert tried[0] == Raytide()

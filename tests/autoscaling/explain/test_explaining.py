"""Explanations of a walk under rising load, on a journal as it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.explain.explain import explain
from raytide.autoscaling.explain.explanation import Explanation
from raytide.autoscaling.explain.moment import Moment, moment, span_of
from raytide.autoscaling.journal import Entry, entered, write
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Gauges, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.terms import Objective, Terms, Variant

OURS = Raytide()
ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
CHEAP = Variant(name="cheap", engine=ENGINE, usd_per_hour=8.0, cold_start_s=30.0)
DEAR = replace(CHEAP, name="dear", usd_per_hour=12.0)
TERMS = Terms(
    objective=Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99), variants=(CHEAP,), min_replicas=1, max_replicas=40
)
STEPS = 60


def _demand(random: np.random.Generator, rate: float) -> Demand:
    counts = random.poisson(rate, 5)
    num = int(counts.sum())
    steps = 200.0 * 1100.0
    finished = Finished(
        num=num, attained=num, prompt_tokens=1000.0 * num, output_tokens=200.0 * num, kv_token_steps=steps * num,
        prompt_tokens_squared=1e6 * num, output_tokens_squared=4e4 * num,
    )  # fmt: skip
    return Demand(span_s=5.0, arrivals=counts, arrived_prompt_tokens=counts * 1000, finished=finished)


def _view(name: str, target: int) -> VariantView:
    nothing = np.zeros(target, dtype=np.int64)
    gauges = Gauges(running=nothing + 3, waiting=nothing, waiting_prompt_tokens=nothing, kv_tokens=nothing)
    return VariantView(name=name, target=target, num_ready=target, gauges=gauges)


def _walk(terms: Terms, *, blind_at: int | None = None) -> Iterator[Entry]:
    """A fleet that follows at once what is decided under twenty, then sixty requests a second."""
    random, known = np.random.default_rng(1), None
    targets = {variant.name: int(number == 0) for number, variant in enumerate(terms.variants)}
    for step in range(STEPS):
        demand = Missing(reason="blind") if step == blind_at else _demand(random, 20.0 if step < STEPS // 2 else 60.0)
        views = tuple(_view(name, num) for name, num in targets.items())
        seen = Observation(at_s=5.0 * step, demand=demand, variants=views)
        begins, known = known is None, known or OURS.begin(seen, terms)
        decision = OURS.decide(seen, terms, known, seen.at_s)
        yield entered(OURS, terms, seen, decision, begins=begins)
        known, targets = decision.state, {each.variant: each.target for each in decision.variants}


Lines = Callable[..., list[str]]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return list(write(_walk(TERMS)))


def _told(lines: list[str], at_s: float | None = None) -> Explanation:
    found = moment(lines, at_s)
    assert isinstance(found, Moment)
    return explain(found)


def test_the_decision_in_force_at_a_time_is_the_last_one_before_it(lines: list[str]) -> None:
    assert span_of(lines) == (0.0, 5.0 * (STEPS - 1))
    assert _told(lines, 102.0).at_s == 100.0
    assert _told(lines).at_s == 5.0 * (STEPS - 1)
    assert isinstance(moment(lines, -1.0), Missing)
    assert isinstance(span_of([]), Missing)


def test_what_was_known_is_what_the_walk_really_knew(lines: list[str]) -> None:
    for at_s in (0.0, 50.0, 200.0):
        found = moment(lines, at_s)
        assert isinstance(found, Moment)
        again = OURS.decide(found.entry.observation, found.entry.terms, found.known, found.entry.decision.at_s)
        assert again.variants == found.entry.decision.variants


def test_an_explanation_states_what_was_seen_decided_and_paid(lines: list[str]) -> None:
    told = _told(lines)
    (target,), (seen,) = told.targets, told.seen
    assert told.usd_per_hour == target.usd_per_hour == target.target * 8.0
    assert (seen.ready, seen.running) == (target.previous, 3 * target.previous)
    assert not isinstance(told.traffic, Missing)
    assert told.traffic.arrivals_per_s == pytest.approx(60.0, rel=0.3)
    assert told.traffic.prompt_tokens == 1000.0
    assert not isinstance(told.binding, Missing)
    assert told.binding == told.reasons[-1]


def test_alternatives_lie_on_both_sides_and_fewer_replicas_cost_less_and_miss_more(lines: list[str]) -> None:
    fewer, chosen, more = _told(lines).alternatives
    assert [each.chosen for each in (fewer, chosen, more)] == [False, True, False]
    assert fewer.replicas + 1 == chosen.replicas == more.replicas - 1
    assert fewer.missing_share >= chosen.missing_share >= more.missing_share
    assert fewer.usd_per_hour == (chosen.replicas - 1) * 8.0


def test_a_bound_that_binds_would_have_changed_it_and_others_would_not() -> None:
    told = _told(list(write(_walk(replace(TERMS, max_replicas=3)))))
    assert not isinstance(told.binding, Missing)
    assert told.binding.rule is Rule.MAX_REPLICAS
    (unbound,) = [one for one in told.would_change if one.change == "no max_replicas (3)"]
    assert unbound.replicas > 3
    assert unbound.usd_per_hour == unbound.replicas * 8.0
    assert "no min_replicas (1)" in told.would_not_change


def test_a_budget_that_binds_would_have_changed_it() -> None:
    told = _told(list(write(_walk(replace(TERMS, max_usd_per_hour=20.0)))))
    assert told.usd_per_hour == 16.0
    assert any(one.change == "no budget ($20/h)" and one.replicas > 2 for one in told.would_change)


def test_a_little_more_and_a_little_less_work_tip_the_size(lines: list[str]) -> None:
    told = _told(lines)
    tips = {float(one.change.split()[2]): one.replicas for one in told.would_change if "times the work" in one.change}
    (chosen,) = [each.replicas for each in told.alternatives if each.chosen]
    more, less = max(tips), min(tips)
    assert less < 1.0 < more
    assert tips[less] < chosen < tips[more]


def test_a_variant_that_is_not_wanted_says_at_which_price_it_would_be() -> None:
    told = _told(list(write(_walk(replace(TERMS, variants=(CHEAP, DEAR))))))
    assert [target.target for target in told.targets if target.variant == "dear"] == [0]
    (priced,) = [one for one in told.would_change if one.change.startswith("dear at ")]
    assert priced.targets["dear"] > 0
    assert float(priced.change.split("$")[1].split("/")[0]) <= 8.0


def test_a_held_decision_says_what_was_missing_and_has_no_alternatives() -> None:
    told = _told(list(write(_walk(TERMS, blind_at=STEPS - 1))))
    assert told.traffic == Missing(reason="blind")
    assert told.alternatives == ()
    assert told.outlook == Missing(reason="held: blind")
    assert not isinstance(told.binding, Missing)
    assert told.binding.rule is Rule.HELD


def test_a_variant_without_a_price_costs_nothing_that_is_known() -> None:
    unpriced = replace(CHEAP, usd_per_hour=Missing(reason="no price is declared"))
    told = _told(list(write(_walk(replace(TERMS, variants=(unpriced,))))))
    assert told.usd_per_hour == Missing(reason="cheap: no price is declared")


def test_a_journal_that_starts_in_the_middle_explains_from_where_something_is_known(lines: list[str]) -> None:
    (header, *decisions) = lines
    assert moment([header, *decisions[10:]], 100.0) == Missing(reason="what was known before is not in the journal")

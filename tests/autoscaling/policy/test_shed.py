"""Loads are told in replicas: as many as they would fill to 92 % of what each bears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raytide.autoscaling.decision import Decision, Rule
from raytide.autoscaling.forecast.work import nothing_yet
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import ClassDemand, Demand, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy.learn import begin
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.shed import Admission, admission, class_work_after, share_let_in
from raytide.autoscaling.policy.supply import Supply, supplies_of
from raytide.autoscaling.terms import Terms, TrafficClass, Variant

PAID, FREE = TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0)
BOTH = {"paid": 1.0, "free": 1.0}
BOUNDS = {Rule.QUOTA, Rule.MAX_REPLICAS, Rule.BUDGET, Rule.UNAVAILABLE}

Admit = Callable[..., Admission]
Declare = Callable[..., Terms]
Make = Callable[..., Variant]
View = Callable[..., VariantView]
Walked = list[tuple[Observation, Decision]]


@pytest.fixture(scope="session")
def admit() -> Admit:
    """Whom to let in where so many replicas were wanted, these targets are allowed and so many could be filled now."""

    def make(
        terms: Terms, *views: VariantView, wanted: int, needed: float, paid: float = 0.5, **targets: int
    ) -> Admission:
        room = _room(terms, views)
        work = {"paid": paid * needed * room, "free": (1 - paid) * needed * room}
        known = replace(begin(terms, Settings()), class_work=work, needs=(needed * room,), last_span_s=5.0)
        return admission(wanted, targets, _supplies(terms, views), terms, known)

    return make


def _supplies(terms: Terms, views: tuple[VariantView, ...]) -> tuple[Supply, ...]:
    seen = Observation(at_s=0.0, demand=Missing(reason="not asked"), variants=views)
    supplies = supplies_of(seen, terms, begin(terms, Settings()))
    assert not isinstance(supplies, Missing)
    return supplies


def _room(terms: Terms, views: tuple[VariantView, ...]) -> float:
    """The work per second for which the first replica counts."""
    return 0.92 * begin(terms, Settings()).stretch.factor * _supplies(terms, views)[0].bears


@pytest.fixture(scope="session")
def terms(terms_of: Declare) -> Terms:
    return terms_of(classes=(FREE, PAID))


def test_what_is_ready_goes_to_the_highest_priority_first(admit: Admit, terms: Terms, view_of: View) -> None:
    found = admit(terms, view_of(ready=2), wanted=4, needed=4, paid=0.4, a=2)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.4 / 2.4})
    (reason,) = found.reasons
    assert reason.rule is Rule.SHED
    room = _room(terms, (view_of(),))
    work = {"needed": 4, "waiting": 0, "ready": 2, "allowed": 2, "shed": 2}
    facts = {f"{name}_work": replicas * room for name, replicas in work.items()}
    assert reason.facts == pytest.approx({**facts, "value_of_more": 1.0})
    assert "100% of paid, 17% of free let in" in reason.says


def test_the_highest_priority_is_cut_only_when_nothing_else_is_let_in(
    admit: Admit, terms: Terms, view_of: View
) -> None:
    found = admit(terms, view_of(ready=1), wanted=4, needed=4, paid=0.5, a=1)
    assert found.served == pytest.approx({"paid": 0.5, "free": 0.0})


def test_value_decides_within_a_priority(admit: Admit, terms_of: Declare, view_of: View) -> None:
    equal = (replace(PAID, priority=0, value=3.0), FREE)
    found = admit(terms_of(classes=equal), view_of(ready=1), wanted=2, needed=2, a=1)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.0})


def test_nobody_is_turned_away_where_all_that_was_wanted_is_allowed(admit: Admit, terms: Terms, view_of: View) -> None:
    found = admit(terms, view_of(ready=1), wanted=4, needed=9, a=4)
    assert found == Admission(served=BOTH)


def test_a_bound_that_leaves_enough_for_now_turns_nobody_away(admit: Admit, terms: Terms, view_of: View) -> None:
    assert admit(terms, view_of(ready=3), wanted=5, needed=2.9, a=3).served == BOTH
    assert admit(terms, view_of(ready=3), wanted=5, needed=3.1, a=3).served["free"] < 1


def test_a_cold_start_is_waited_for_where_the_bounds_allow_enough(admit: Admit, terms: Terms, view_of: View) -> None:
    starting = view_of(ready=1, starting_for_s=(10.0, 10.0))
    assert admit(terms, starting, wanted=5, needed=2.9, a=3).served == BOTH


def test_where_they_do_not_only_what_is_ready_counts(admit: Admit, terms: Terms, view_of: View) -> None:
    starting = view_of(ready=1, starting_for_s=(10.0, 10.0))
    found = admit(terms, starting, wanted=5, needed=4, paid=0.25, a=3)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.0})


def test_replicas_that_are_being_stopped_take_nothing_more(admit: Admit, terms: Terms, view_of: View) -> None:
    found = admit(terms, view_of(ready=4), wanted=4, needed=2, a=1)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.0})


def test_a_queue_is_worked_off_before_more_is_let_in(admit: Admit, terms: Terms, view_of: View, engine: Engine) -> None:
    fifth = 0.2 * _room(terms, (view_of(),)) * 5.0  # of what a replica does until the next decision
    tokens = round(fifth / engine.iteration.per_prefill_token_s)
    found = admit(terms, view_of(ready=1, waiting_prompt_tokens=tokens), wanted=2, needed=1.0, a=1)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.6}, rel=1e-4)


def test_the_declared_maximum_binds_also_where_no_more_was_wanted(
    admit: Admit, terms_of: Declare, view_of: View
) -> None:
    terms = terms_of(classes=(PAID, FREE), max_replicas=2)
    assert admit(terms, view_of(ready=2), wanted=2, needed=3, a=2).served == pytest.approx({"paid": 1.0, "free": 1 / 3})


def test_a_burst_beyond_what_the_classes_usually_ask_falls_to_the_lowest(terms: Terms, view_of: View) -> None:
    views = (view_of(ready=1),)
    room = _room(terms, views)
    known = replace(
        begin(terms, Settings()),
        class_work={"paid": 0.5 * room, "free": 0.5 * room},
        needs=(5 * room,),
        last_span_s=5.0,
    )
    found = admission(9, {"a": 1}, _supplies(terms, views), terms, known)
    assert found.served == pytest.approx({"paid": 1.0, "free": 0.5 / 4.5})


@pytest.mark.parametrize("learnt", [{}, {"paid": 9.0}])
def test_without_classes_nobody_is_turned_away(learnt: dict[str, float], terms_of: Declare, view_of: View) -> None:
    terms, views = terms_of(), (view_of(ready=1),)
    known = replace(begin(terms, Settings()), class_work=learnt, needs=(9.0,), last_span_s=5.0)
    assert admission(9, {"a": 1}, _supplies(terms, views), terms, known) == Admission(served={})


def test_nobody_is_turned_away_for_a_variant_of_which_nothing_is_known(
    admit: Admit, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    unknown = variant_of("b", engine=Missing(reason="not measured"))
    terms = terms_of(variant_of(), unknown, classes=(PAID, FREE))
    assert admit(terms, view_of("a"), view_of("b"), wanted=9, needed=9.0, a=1, b=1).served == BOTH


def _told(demand: Demand, *classes: tuple[str, int, int]) -> Demand:
    by_class = tuple(
        ClassDemand(name=name, num_arrivals=num, num_shed=shed, prompt_tokens=1000 * num) for name, num, shed in classes
    )
    return replace(demand, by_class=by_class)


def test_the_load_of_a_class_follows_its_arrivals_and_stays_where_they_are_not_told(
    demand_of: Callable[..., Demand], engine: Engine
) -> None:
    demand, work = demand_of((10,) * 5), nothing_yet()
    first = class_work_after({}, work, _told(demand, ("paid", 20, 0), ("free", 30, 0)), engine)
    assert first == pytest.approx({"paid": 4 * 0.07338, "free": 6 * 0.07338})
    second = class_work_after(first, work, _told(demand, ("paid", 50, 0), ("free", 0, 0)), engine)
    assert second == pytest.approx({"paid": 6 * 0.07338, "free": 4 * 0.07338})
    assert class_work_after(second, work, demand, engine) == second


def test_what_was_turned_away_is_no_load_of_the_replicas(demand_of: Callable[..., Demand], engine: Engine) -> None:
    demand, work = demand_of((10,) * 5), nothing_yet()
    assert share_let_in(work, demand, engine) == 1.0
    assert share_let_in(work, _told(demand, ("paid", 20, 0), ("free", 30, 0)), engine) == 1.0
    assert share_let_in(work, _told(demand, ("paid", 20, 0), ("free", 30, 15)), engine) == pytest.approx(0.7)


def test_lost_metrics_leave_the_shares_as_they_were(
    walk: Callable[..., Walked], step_of: type, terms_of: Declare
) -> None:
    terms = terms_of(classes=(PAID, FREE), max_replicas=1)
    busy = [step_of(arrivals=(20,) * 5, class_shares=(0.3,))] * 6
    (_, shed), (_, held) = walk(terms, [*busy, step_of(is_blind=True)])[-2:]
    assert 0 < shed.served["free"] < 1 == shed.served["paid"]
    assert held.served == shed.served
    assert held.reasons[0].rule is Rule.HELD


COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=6).map(tuple)
STEP = st.fixed_dictionaries(
    {"arrivals": COUNTS, "class_shares": st.tuples(st.floats(0, 1), st.floats(0, 1))},
    optional={
        "prompt_tokens": st.integers(0, 20_000),
        "output_tokens": st.integers(0, 4_000),
        "share_missed": st.floats(0, 1),
        "waiting_prompt_tokens": st.integers(0, 200_000),
        "is_blind": st.booleans(),
        "no_gauges": st.booleans(),
        "no_stock": st.booleans(),
        "num_preempted": st.integers(0, 3),
    },
)
STEPS = st.lists(st.tuples(STEP, st.integers(1, 12)), min_size=1, max_size=6)
CLASSES = st.lists(
    st.builds(TrafficClass, name=st.sampled_from("xyz"), priority=st.integers(0, 2), value=st.floats(0.1, 9)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)
BOUNDED = st.fixed_dictionaries(
    {"classes": CLASSES}, optional={"max_replicas": st.integers(1, 20), "max_usd_per_hour": st.floats(0, 200)}
)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _walked(walk: Callable[..., Walked], step_of: type, terms: Terms, steps: list[Any]) -> Walked:
    return walk(terms, [step_of(**step) for step, times in steps for _ in range(times)], ready=2)


def _is_bound(terms: Terms, decision: Decision) -> bool:
    """Whether a bound cut the targets, no replica more may be wanted, or the mix leaves work uncovered."""
    (*_, reasons) = (wanted.reasons for wanted in decision.variants)
    most = sum(wanted.target for wanted in decision.variants) >= terms.max_replicas
    uncovered = any(reason.facts.get("uncovered_work", 0.0) > 0 for reason in reasons)
    return most or uncovered or bool(BOUNDS & {reason.rule for reason in reasons})


@FEW
@given(said=BOUNDED, num=st.integers(1, 3), quota=st.none() | st.integers(1, 6), steps=STEPS)
def test_shares_are_shares_in_order_of_priority_and_whole_unless_a_bound_binds(
    said: dict[str, Any],
    num: int,
    quota: int | None,
    steps: list[Any],
    walk: Callable[..., Walked],
    step_of: type,
    terms_of: Declare,
    variant_of: Make,
) -> None:
    variants = (variant_of("abc"[place], usd_per_hour=8.0 + place, max_replicas=quota) for place in range(num))
    terms = terms_of(*variants, **said)
    for observation, decision in _walked(walk, step_of, terms, steps):
        served = decision.served
        assert served.keys() == {one.name for one in terms.classes}
        assert all(0 <= share <= 1 for share in served.values())
        for high in terms.classes:
            for low in terms.classes:
                above = (high.priority, high.value) > (low.priority, low.value)
                assert not above or served[high.name] == 1 or served[low.name] == 0
        shed = min(served.values()) < 1
        assert shed == bool(decision.reasons)
        assert not shed or isinstance(observation.demand, Missing) or _is_bound(terms, decision)


@FEW
@given(classes=CLASSES, steps=STEPS)
def test_without_bounds_and_with_stock_nobody_is_ever_turned_away(
    classes: tuple[TrafficClass, ...],
    steps: list[Any],
    walk: Callable[..., Walked],
    step_of: type,
    terms_of: Declare,
) -> None:
    in_stock = [({**step, "no_stock": False}, times) for step, times in steps]
    for _, decision in _walked(walk, step_of, terms_of(classes=classes, max_replicas=10_000), in_stock):
        assert set(decision.served.values()) == {1.0}

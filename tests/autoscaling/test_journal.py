from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.codec import Undecodable, plain, typed
from raytide.autoscaling.decision import Rule, VariantDecision
from raytide.autoscaling.digest import digest
from raytide.autoscaling.journal import Entry, JournalUnreadable, entered, read, replay, write
from raytide.autoscaling.latency import Latencies
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
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Objective, Terms, TrafficClass, Variant

LOST = Missing(reason="no metrics arrived")
ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
TERMS = Terms(
    objective=Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99),
    variants=(
        Variant(name="a", engine=ENGINE, usd_per_hour=8.0, cold_start_s=30.0),
        Variant(name="b", engine=LOST, usd_per_hour=LOST, cold_start_s=20.0, spot=True, max_replicas=4),
    ),
    min_replicas=1,
    max_replicas=12,
    max_usd_per_hour=80.0,
    classes=(TrafficClass(name="paid", priority=1), TrafficClass(name="missing", priority=0, value=0.5)),
)
TIGHT = replace(TERMS, variants=TERMS.variants[:1], max_replicas=1)


def _view(random: np.random.Generator, name: str, target: int) -> VariantView:
    ready = max(0, target - int(random.integers(0, 2)))
    gauges = Gauges(**{
        field: random.integers(0, most, ready)
        for field, most in (("running", 40), ("waiting", 3), ("waiting_prompt_tokens", 9000), ("kv_tokens", 90_000))
    })  # fmt: skip
    num = int(random.integers(1, 300))
    return VariantView(
        name=name,
        target=target,
        num_ready=ready,
        starting_for_s=tuple(random.uniform(0, 30, target - ready).tolist()),
        gauges=gauges if random.random() < 0.8 else LOST,
        iterations=Iterations(
            num=num,
            seconds=num * float(random.uniform(0.01, 0.03)),
            sequences=num * float(random.uniform(1, 40)),
            root_sequences=num * float(random.uniform(1, 6)),
            kv_tokens=num * float(random.uniform(0, 9e4)),
            prefill_tokens=num * float(random.uniform(0, 900)),
        ),
        engine=ENGINE if name == "b" and random.random() < 0.7 else LOST,
        num_failed_starts=int(random.random() < 0.05),
        became_ready_after_s=tuple(random.uniform(10, 60, int(random.integers(0, 2))).tolist()),
    )


def _demand(random: np.random.Generator) -> Demand | Missing:
    if random.random() < 0.1:
        return LOST
    arrivals = random.poisson(random.uniform(0, 40), int(random.integers(0, 8)))
    num = int(arrivals.sum())
    return Demand(
        span_s=float(len(arrivals)),
        arrivals=arrivals,
        arrived_prompt_tokens=arrivals * 700,
        finished=Finished(num=num, attained=int(0.98 * num), prompt_tokens=700.0 * num, output_tokens=123.4 * num),
        ttft=Latencies.of(random.exponential(0.3, num)),
        by_class=LOST if random.random() < 0.1 else _by_class(random, num),
    )


def _by_class(random: np.random.Generator, num: int) -> tuple[ClassDemand, ...]:
    paid = int(random.integers(0, num + 1))
    return tuple(
        ClassDemand(name=name, num_arrivals=own, num_shed=int(random.integers(0, own + 1)), prompt_tokens=700 * own)
        for name, own in (("paid", paid), ("missing", num - paid))
    )


def _history(
    seed: int, num: int, *, restarts: tuple[int, ...] = (), settings: Settings | None = None, terms: Terms = TERMS
) -> list[Entry]:
    """What a policy decided on random observations, as it was entered."""
    random, ours = np.random.default_rng(seed), Raytide(settings=settings or Settings())
    targets, state, entries = {one.name: 2 * (one.name == "a") for one in terms.variants}, None, []
    for step in range(num):
        views = tuple(_view(random, name, target) for name, target in targets.items())
        seen = Observation(at_s=5.0 * step + float(random.uniform(0, 1)), demand=_demand(random), variants=views)
        begins = state is None or step in restarts
        state = ours.begin(seen, terms) if begins else state
        decision = ours.decide(seen, terms, state, seen.at_s)  # type: ignore[arg-type]
        state, targets = decision.state, {each.variant: each.target for each in decision.variants}
        entries.append(entered(ours, terms, seen, decision, begins=begins))
    return entries


@settings(max_examples=16)
@given(seed=st.integers(0, 2**32), restart=st.integers(1, 39), terms=st.sampled_from((TERMS, TIGHT)))
def test_every_decision_is_replayed_bit_for_bit(seed: int, restart: int, terms: Terms) -> None:
    entries = _history(seed, 40, restarts=(restart,), terms=terms)
    pairs = list(replay(write(entries)))
    assert len(pairs) == len(entries)
    assert all(recorded == replayed for recorded, replayed in pairs)
    assert [recorded.state for recorded, _ in pairs] == [entry.state for entry in entries]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_what_is_read_is_what_was_written(seed: int) -> None:
    entries = _history(seed, 12)
    lines = list(write(entries))
    again = list(read(lines))
    assert [entry.decision for entry in again] == [entry.decision for entry in entries]
    assert [digest(entry.observation) for entry in again] == [digest(entry.observation) for entry in entries]
    assert list(write(again)) == lines


def test_shares_and_why_they_are_below_one_are_recorded() -> None:
    recorded = [entry.decision for entry in read(write(_history(1, 40, terms=TIGHT)))]
    shed = [decision for decision in recorded if decision.served["missing"] < 1]
    assert 0 < len(shed) < len(recorded)
    assert {reason.rule for decision in shed for reason in decision.reasons} >= {Rule.SHED}


def test_a_decision_is_one_line_of_plain_json_and_terms_stand_once_above() -> None:
    lines = list(write(_history(1, 20)))
    assert len(lines) == 21
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert [next(iter(json.loads(line))) for line in lines] == ["header"] + ["decision"] * 20


def test_other_settings_get_a_header_of_their_own_and_are_replayed() -> None:
    tuned = _history(2, 15, settings=Settings(budget_share=0.5, least_hold_s=10.0))
    lines = list(write([*_history(1, 15), *tuned]))
    assert sum("header" in json.loads(line) for line in lines) == 2
    pairs = list(replay(lines))
    assert all(recorded == replayed for recorded, replayed in pairs)
    assert pairs[-1][0].policy.settings.budget_share == 0.5


def test_a_decision_that_was_altered_does_not_agree_with_its_replay() -> None:
    entries = _history(3, 10)
    wanted = entries[4].decision.variants
    forged = replace(wanted[0], target=wanted[0].target + 1)
    entries[4] = replace(entries[4], decision=replace(entries[4].decision, variants=(forged, *wanted[1:])))
    agree = [recorded == replayed for recorded, replayed in replay(write(entries))]
    assert agree == [number != 4 for number in range(10)]


def test_what_was_known_is_plain_data_and_comes_back_to_the_bit() -> None:
    states = _states(_history(6, 60))
    again = typed(Knowledge, json.loads(json.dumps(plain(states[-1]), allow_nan=False)))
    assert digest(again) == digest(states[-1])


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32), at=st.integers(1, 19))
def test_a_file_that_starts_in_the_middle_is_replayed_from_what_was_known(seed: int, at: int) -> None:
    entries = _history(seed, 20)
    later = [replace(entries[at], known=_states(entries)[at - 1]), *entries[at + 1 :]]
    lines = list(write(later))
    assert sum("known" in json.loads(line) for line in lines) == 1
    pairs = list(replay(lines))
    assert [recorded.state for recorded, _ in pairs] == [entry.state for entry in entries[at:]]
    assert all((then.decision, then.state) == (now.decision, now.state) for then, now in pairs)


def _states(entries: list[Entry]) -> list[Knowledge]:
    """What was known after each of these decisions, the first of which is a beginning."""
    known, states = entries[0].policy.begin(entries[0].observation, TERMS), []
    for entry in entries:
        known = entry.policy.decide(entry.observation, TERMS, known, entry.decision.at_s).state
        states.append(known)
    return states


def test_decisions_before_a_beginning_are_passed_over() -> None:
    entries = _history(4, 20, restarts=(12,))
    pairs = list(replay(write(entries[5:])))
    assert len(pairs) == 8
    assert all(recorded == replayed for recorded, replayed in pairs)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: [*lines[:3], lines[3][:40]], "line 4"),
        (lambda lines: lines[1:], "line 1 of the journal cannot be read: no header"),
        (lambda lines: [lines[0].replace('"version":3', '"version":9'), *lines[1:]], "version 9"),
        (lambda lines: [*lines[:2], "{}\n"], "line 3"),
        (lambda lines: [*lines[:2], "[1]\n"], "line 3"),
    ],
)
def test_a_line_that_says_nothing_is_named(spoil: Callable[[list[str]], list[str]], says: str) -> None:
    with pytest.raises(JournalUnreadable, match=says):
        list(read(spoil(list(write(_history(5, 5))))))


@given(value=st.floats(allow_nan=False))
def test_no_number_is_rounded(value: float) -> None:
    view = VariantView(name="a", target=1, num_ready=0, starting_for_s=(value,))
    assert typed(VariantView, json.loads(json.dumps(plain(view), allow_nan=False))) == view


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Objective, {"ttft_s": "soon", "tpot_s": 0.1, "attainment": 0.9}),
        (Objective, {"ttft_s": 1.0, "tpot_s": 0.1}),
        (Objective, {"ttft_s": 1.0, "tpot_s": 0.1, "attainment": 0.9, "colour": 1}),
        (VariantDecision, {"variant": "a", "target": "3", "previous": 1, "reasons": []}),
        (VariantDecision, [1, 2]),
        (Latencies, {"300": 1}),
    ],
)
def test_data_of_another_shape_is_refused(kind: type, data: Any) -> None:
    with pytest.raises(Undecodable):
        typed(kind, data)


def test_digests_differ_in_the_last_bit_and_in_shape() -> None:
    values: list[Any] = [
        1.0,
        np.nextafter(1.0, 2),
        1,
        "1",
        (1,),
        ((1,),),
        {"a": 1},
        np.array([1]),
        np.array([[1]]),
        None,
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest(TERMS) == digest(replace(TERMS))

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.terms import Objective
from raytide.services.gateway.admission import patience_s, turned_away
from raytide.services.gateway.choose import LOOKED_AT, STAYS_WITHIN, Candidate, choose, seed_of, some_of
from raytide.services.gateway.predict import Prediction, Standing, predicted

ENGINE = Engine(
    iteration=Iteration(base_s=0.01, per_sequence_s=1e-4, per_kv_token_s=1e-8, per_prefill_token_s=1e-5),
    kv_capacity_tokens=100_000,
    chunk_tokens=512,
    max_num_seqs=16,
)
STANDINGS = st.builds(Standing, st.integers(0, 60), st.integers(0, 20_000), st.integers(0, 90_000))
FLEETS = st.lists(STANDINGS, min_size=1, max_size=12).map(
    lambda each: [Candidate(str(at), seed_of(str(at)), ENGINE, standing) for at, standing in enumerate(each)]
)
IDLE = Standing(0, 0, 0)
KEPT = Objective(ttft_s=1.0, tpot_s=0.1, attainment=0.99)


def idle(num: int) -> list[Candidate]:
    return [Candidate(f"r{at}", seed_of(f"r{at}"), ENGINE, IDLE) for at in range(num)]


@given(fleet=FLEETS, prompt=st.integers(1, 5000), output=st.integers(1, 500))
def test_no_other_replica_would_have_strained_the_objectives_less(
    fleet: list[Candidate], prompt: int, output: int
) -> None:
    chosen = choose(fleet, prompt, output, 100, KEPT)
    assert chosen is not None
    others = [predicted(each.engine, each.standing, prompt, output, 100).strain(KEPT, output) for each in fleet]
    assert chosen.prediction.strain(KEPT, output) == min(others)


@given(fleet=FLEETS, session=st.text(min_size=1, max_size=20))
def test_a_session_strains_little_more_than_anyone_else(fleet: list[Candidate], session: str) -> None:
    free, bound = choose(fleet, 100, 100, 100, KEPT), choose(fleet, 100, 100, 100, KEPT, session)
    assert free is not None
    assert bound is not None
    assert bound.prediction.strain(KEPT, 100) <= STAYS_WITHIN * free.prediction.strain(KEPT, 100)


@given(st.integers(2, 12), st.lists(st.text(max_size=8), min_size=20, max_size=60, unique=True))
def test_a_replica_that_goes_moves_only_its_own_sessions(num: int, sessions: list[str]) -> None:
    def places(fleet: list[Candidate]) -> dict[str, str]:
        return {each: found.replica for each in sessions if (found := choose(fleet, 1, 1, 1, KEPT, each))}

    whole = idle(num)
    before, after = places(whole), places(whole[:-1])
    assert all(after[each] == place for each, place in before.items() if place != whole[-1].replica)


def test_sessions_spread_evenly_over_equal_replicas() -> None:
    fleet = idle(8)
    places = [found.replica for at in range(4000) if (found := choose(fleet, 1, 1, 1, KEPT, f"session {at}"))]
    assert all(400 <= places.count(each.replica) <= 600 for each in fleet)


@given(standing=STANDINGS, prompt=st.integers(1, 5000), more=st.integers(1, 1000))
def test_more_work_never_predicts_an_earlier_token(standing: Standing, prompt: int, more: int) -> None:
    def first(at: Standing, tokens: int) -> float:
        return predicted(ENGINE, at, tokens, 10, 100).first_token_s

    fuller = Standing(standing.sequences, standing.unfilled_tokens + more, standing.kv_tokens)
    later = Standing(standing.sequences + more, standing.unfilled_tokens, standing.kv_tokens)
    assert first(fuller, prompt) >= first(standing, prompt)
    assert first(later, prompt) >= first(standing, prompt)
    assert first(standing, prompt + more) >= first(standing, prompt)


def test_a_faster_replica_takes_more_until_it_is_as_late_as_the_slower_one() -> None:
    slow = replace(ENGINE, iteration=replace(ENGINE.iteration, base_s=0.02))
    near = Candidate("slow", 1, slow, IDLE)
    sent = 0
    while (found := choose([Candidate("fast", 2, ENGINE, Standing(sent, 0, 0)), near], 10, 100, 100, KEPT)) and (
        found.replica == "fast"
    ):
        sent += 1
    assert 16 <= sent < 60


def test_a_fast_replica_with_a_queue_is_left_for_a_slow_one_that_has_room() -> None:
    """Two kinds of accelerators: the fast one would finish sooner, and begin too late."""
    fast = replace(ENGINE, iteration=replace(ENGINE.iteration, base_s=0.025, per_sequence_s=3e-4))
    slow = replace(ENGINE, iteration=replace(ENGINE.iteration, base_s=0.05, per_sequence_s=1e-3))
    objective = Objective(ttft_s=3.0, tpot_s=0.15, attainment=0.99)
    full = Candidate("fast", 1, fast, Standing(20, 0, 4000))
    free = Candidate("slow", 2, slow, Standing(3, 0, 600))
    late, soon = (predicted(each.engine, each.standing, 400, 200, 200) for each in (full, free))
    assert late.last_token_s < soon.last_token_s
    assert late.first_token_s > 1.0 > soon.first_token_s
    chosen = choose([full, free], 400, 200, 200, objective)
    assert chosen is not None
    assert chosen.replica == "slow"


def test_of_many_replicas_some_are_looked_at_and_the_sessions_own_is_one_of_them() -> None:
    fleet = idle(500)
    own = choose(fleet, 1, 1, 1, KEPT, "s")
    assert own is not None
    for seed in range(5):
        some = some_of(fleet, "s", random.Random(seed))
        assert len(some) == LOOKED_AT + 1
        assert choose(some, 1, 1, 1, KEPT, "s") == own


def test_nobody_is_chosen_where_nobody_is() -> None:
    assert choose([], 1, 1, 1, KEPT) is None


@given(st.floats(0.1, 100), st.dictionaries(st.text(min_size=1), st.integers(0, 5), min_size=1), st.text())
def test_a_higher_class_never_has_less_patience_and_an_unknown_one_the_least(
    most: float, priorities: dict[str, int], other: str
) -> None:
    by_class = {name: patience_s(most, name, priorities) for name in priorities}
    ordered = sorted(priorities, key=lambda name: priorities[name])
    assert [by_class[name] for name in ordered] == sorted(by_class.values())
    assert max(by_class.values()) == most
    if other not in priorities:
        assert patience_s(most, other, priorities) == patience_s(most, None, priorities) == min(by_class.values())


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 100), st.floats(0.01, 100) | st.none())
def test_whoever_is_turned_away_is_told_to_wait_for_what_is_missing(
    first: float, rest: float, patience: float, deadline: float | None
) -> None:
    prediction = Prediction(first_token_s=first, last_token_s=first + rest)
    refusal = turned_away(prediction, patience, deadline)
    in_time = first <= patience and (deadline is None or first + rest <= deadline)
    assert (refusal is None) == in_time
    if refusal is not None:
        assert refusal.status == 429
        assert int(dict(refusal.headers)[b"retry-after"]) >= 1

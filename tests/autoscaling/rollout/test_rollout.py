"""Rollouts end rightly: what is bad is rolled back early, what is good is promoted, and chance decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import Evidence, Quality, Tally
from raytide.autoscaling.rollout.gate import Gate, Outcome
from raytide.autoscaling.rollout.rollout import TRANSITIONS, Canary, Phase, Rollout, advance, begin

Play = Callable[..., Any]
UNSCORED = Missing(reason="not evaluated")
BY_TRAFFIC = Canary(gate=Gate(quality=None))
SCORED = Quality(metric="bits_per_byte", value=1.0, data="d")


READY = {"canary_ready": 4, "stable_ready": 4, "most": 8}


def _evidence(canary: Tally | None = None, stable: Tally | None = None, **said: Any) -> Evidence:
    known: dict[str, Any] = {"canary_quality": SCORED, "stable_quality": SCORED, **READY, **said}
    return Evidence(canary=canary or Tally(), stable=stable or Tally(), **known)


def _stepping(declared: Canary = BY_TRAFFIC, step: int = 0) -> Rollout:
    return replace(begin("new", "old", 0.0), phase=Phase.STEPPING, step=step)


@pytest.mark.parametrize("kind", ["failed", "missed_ttft", "missed_tpot"])
@pytest.mark.parametrize("bad", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("rate", [5.0, 50.0])
def test_a_bad_revision_is_rolled_back_at_the_first_step_before_one_percent_saw_it(
    play: Play, shares: Any, kind: str, bad: float, rate: float
) -> None:
    for seed in range(5):
        played = play(BY_TRAFFIC, shares(**{kind: bad}), rate=rate, seed=seed)
        assert (played.end.phase, played.end.step) == (Phase.ROLLED_BACK, 0)
        assert played.share_seen <= 0.01
        (worse,) = [check for check in played.end.checks if check.outcome is Outcome.WORSE]
        assert worse.name == {"failed": "errors", "missed_ttft": "ttft", "missed_tpot": "tpot"}[kind]
        assert worse.says == played.end.says


def test_a_slightly_bad_revision_is_rolled_back_on_its_way(play: Play, shares: Any) -> None:
    for seed in range(5):
        played = play(BY_TRAFFIC, shares(failed=0.03), seed=seed)
        assert played.end.phase is Phase.ROLLED_BACK
        assert played.share_seen < 0.05


def test_a_good_revision_takes_all_the_traffic_step_by_step(play: Play, shares: Any) -> None:
    for seed in range(5):
        played = play(BY_TRAFFIC, shares(), seed=seed)
        assert played.end.phase is Phase.PROMOTED
        assert tuple(dict.fromkeys(played.weights)) == (0.0, 0.01, 0.05, 0.25, 1.0)
        assert played.took_s >= 3 * BY_TRAFFIC.hold_s


def test_an_equal_revision_is_rolled_back_by_chance_no_more_often_than_promised(play: Play, shares: Any) -> None:
    quick = replace(BY_TRAFFIC, hold_s=300.0, alpha=0.2)
    ends = [play(quick, shares(), rate=100.0, seed=seed, every_s=60.0).end.phase for seed in range(100)]
    assert ends.count(Phase.ROLLED_BACK) <= 20
    assert ends.count(Phase.PROMOTED) >= 80


def test_too_little_traffic_is_said_and_not_taken_for_a_verdict(play: Play, shares: Any) -> None:
    played = play(BY_TRAFFIC, shares(), rate=0.05)
    assert played.end.phase is Phase.UNDECIDED
    assert played.end.says.startswith("not enough traffic for a verdict within 7200 s: errors: 0 of ")
    assert played.weights[-1] == 0.0


def test_a_revision_that_never_becomes_ready_is_rolled_back(play: Play, shares: Any) -> None:
    played = play(BY_TRAFFIC, shares(), ready=False)
    assert played.end.phase is Phase.ROLLED_BACK
    assert played.end.says == "0 of 1 replicas of the canary are ready within 7200 s"
    assert played.seen_by_canary == 0


@pytest.mark.parametrize(
    ("canary", "phase"),
    [
        (replace(SCORED, value=1.02), Phase.ROLLED_BACK),
        (replace(SCORED, value=1.009), Phase.STEPPING),
        (replace(SCORED, value=0.5), Phase.STEPPING),
        (replace(SCORED, data="other"), Phase.UNDECIDED),
        (replace(SCORED, metric="perplexity"), Phase.UNDECIDED),
        (UNSCORED, Phase.UNDECIDED),
    ],
)
def test_a_worse_score_is_rolled_back_before_any_request_and_an_unknown_one_is_no_verdict(
    canary: Quality | Missing, phase: Phase
) -> None:
    after = advance(begin("new", "old", 0.0), Canary(), _evidence(canary_quality=canary), 5.0)
    assert after.phase is phase


def test_each_step_counts_its_own_requests() -> None:
    declared, bad = BY_TRAFFIC, Tally(num=200, failed=100)
    rollout = replace(_stepping(step=1), canary_before=bad, stable_before=Tally(num=1000))
    after = advance(rollout, declared, _evidence(bad, Tally(num=1000)), 60.0)
    assert after.phase is Phase.STEPPING


def test_a_replica_that_began_to_count_anew_is_no_harm() -> None:
    before, now = Tally(num=500, failed=2), Tally(num=20, failed=1)
    assert now.since(before) == now
    assert before.since(now) == Tally(num=480, failed=1)


@pytest.mark.parametrize("steps", [(), (0.5,), (0.5, 0.1, 1.0), (0.0, 1.0), (0.1, 0.1, 1.0)])
def test_steps_rise_to_all_of_the_traffic(steps: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        Canary(steps=steps)


def test_a_single_step_takes_over_as_soon_as_it_is_ready() -> None:
    after = advance(begin("new", "old", 0.0), Canary(steps=(1.0,)), _evidence(), 5.0)
    assert after.phase is Phase.PROMOTED


def test_a_step_waits_for_the_replicas_that_its_share_needs() -> None:
    declared = Canary(steps=(0.25, 1.0), hold_s=10.0, patience_s=100.0, gate=Gate(quality=None))
    served = (Tally(num=50_000), Tally(num=50_000))
    rollout = advance(begin("new", "old", 0.0), declared, _evidence(canary_ready=0, stable_ready=6), 1.0)
    assert (rollout.phase, rollout.replicas) == (Phase.WAITING, 2)
    rollout = advance(rollout, declared, _evidence(canary_ready=2, stable_ready=6), 2.0)
    assert (rollout.weight(declared), rollout.replicas) == (0.25, 2)
    grows = advance(rollout, declared, _evidence(*served, canary_ready=2, stable_ready=6), 20.0)
    assert (grows.weight(declared), grows.replicas) == (0.25, 8)
    assert grows.says == "good; 2 of 8 replicas of the canary are ready before it takes 100% of the traffic"
    assert advance(grows, declared, _evidence(*served, canary_ready=8, stable_ready=6), 30.0).phase is Phase.PROMOTED
    stuck = advance(grows, declared, _evidence(*served, canary_ready=2, stable_ready=6), 113.0)
    assert stuck.phase is Phase.UNDECIDED
    assert advance(grows, declared, _evidence(*served, canary_ready=3, stable_ready=6, most=3), 30.0).is_over


COUNTS = st.integers(0, 3000)
SEEN = st.tuples(COUNTS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), COUNTS, st.booleans(), st.floats(0, 900))


def _tallies(num: int, failed: float, ttft: float, tpot: float) -> Tally:
    answered = num - round(num * failed)
    return Tally(num=num, failed=num - answered, missed_ttft=round(answered * ttft), missed_tpot=round(answered * tpot))


@given(st.lists(SEEN, max_size=60))
def test_whatever_is_seen_it_ends_and_weight_only_rises_until_it_does(
    seen: list[tuple[int, float, float, float, int, bool, float]],
) -> None:
    rollout, now_s, weights = begin("new", "old", 0.0), 0.0, [0.0]
    for num, failed, ttft, tpot, num_stable, ready, later_s in seen:
        now_s += later_s
        evidence = _evidence(_tallies(num, failed, ttft, tpot), Tally(num=num_stable), canary_ready=4 * ready)
        after = advance(rollout, BY_TRAFFIC, evidence, now_s)
        assert after.phase in TRANSITIONS[rollout.phase]
        if after.phase is Phase.PROMOTED and rollout.phase is not Phase.PROMOTED:
            assert all(check.outcome is Outcome.GOOD for check in after.checks)
        rollout = after
        weights.append(rollout.weight(BY_TRAFFIC))
    risen = weights[:-1] if rollout.phase in (Phase.ROLLED_BACK, Phase.UNDECIDED) else weights
    until = next((at for at, (low, high) in enumerate(pairwise(risen)) if high < low), len(risen))
    assert all(weight == 0.0 for weight in risen[until + 1 :])
    for _ in range(len(BY_TRAFFIC.steps) + 2):
        now_s += BY_TRAFFIC.patience_s
        rollout = advance(rollout, BY_TRAFFIC, _evidence(), now_s)
    assert rollout.is_over
    assert advance(rollout, BY_TRAFFIC, _evidence(Tally(num=9, failed=9)), now_s + 1.0) == rollout


@given(st.integers(1, 3000), st.floats(0.3, 1.0), st.integers(0, 2))
def test_a_gate_that_is_broken_never_promotes(num: int, failed: float, step: int) -> None:
    bad = Tally(num=num, failed=round(num * failed))
    after = advance(_stepping(step=step), BY_TRAFFIC, _evidence(bad, Tally(num=100_000)), 1e9)
    assert after.phase in (Phase.ROLLED_BACK, Phase.UNDECIDED)
    assert after.weight(BY_TRAFFIC) == 0.0

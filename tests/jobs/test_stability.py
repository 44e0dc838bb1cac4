"""What is done about losses that are not finite or not like those before: a pure state machine."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from raytide.core.spec.train import Anomalies
from raytide.jobs.train.stability import Action, History, judge

RULES = Anomalies(window=8, patience=2, rollbacks=1)
LOSSES = st.one_of(st.floats(0.1, 20), st.sampled_from([math.nan, math.inf, -math.inf]))


def walk(losses: list[float], rules: Anomalies = RULES, can_roll_back: bool = True) -> tuple[list[Action], History]:
    """The verdicts on a series of batches, up to the one that stops the run."""
    history, actions = History(), []
    for loss in losses:
        verdict = judge(history, loss=loss, norm=1.0, rules=rules, can_roll_back=can_roll_back)
        history = verdict.history
        actions.append(verdict.action)
        if verdict.action is Action.STOP:
            break
    return actions, history


@given(st.lists(LOSSES, max_size=60))
def test_the_weights_never_follow_a_loss_that_is_not_finite(losses: list[float]) -> None:
    actions, history = walk(losses)
    for loss, action in zip(losses, actions, strict=False):
        assert math.isfinite(loss) or action is not Action.UPDATE
    assert all(map(math.isfinite, history.losses))
    assert len(history.losses) <= RULES.window
    assert history.rollbacks <= RULES.rollbacks


@given(st.lists(LOSSES, max_size=60), LOSSES, st.floats(0, 5))
def test_a_lower_loss_is_never_judged_harder(losses: list[float], loss: float, less: float) -> None:
    _, history = walk(losses)
    higher = judge(history, loss=loss, norm=1.0, rules=RULES, can_roll_back=True)
    lower = judge(history, loss=loss - less, norm=1.0, rules=RULES, can_roll_back=True)
    assert higher.action is not Action.UPDATE or lower.action is Action.UPDATE


@given(st.floats(0.1, 20), st.integers(1, 50))
def test_a_loss_that_stays_where_it_is_never_stops_anything(loss: float, batches: int) -> None:
    actions, _ = walk([loss] * batches)
    assert set(actions) == {Action.UPDATE}


@given(st.integers(1, 5), st.integers(0, 3))
def test_losses_that_stay_broken_end_the_run_after_as_many_tries_as_were_allowed(patience: int, rollbacks: int) -> None:
    rules = Anomalies(patience=patience, rollbacks=rollbacks)
    actions, _ = walk([math.nan] * 200, rules)
    tries = [*[Action.SKIP] * patience, Action.ROLL_BACK] * rollbacks
    assert actions == [*tries, *[Action.SKIP] * patience, Action.STOP]


def test_without_a_checkpoint_there_is_nothing_to_go_back_to() -> None:
    actions, _ = walk([math.nan] * 10, can_roll_back=False)
    assert actions == [Action.SKIP, Action.SKIP, Action.STOP]


def test_a_spike_is_skipped_and_the_reason_has_the_figures() -> None:
    _, history = walk([2.0, 2.1, 1.9, 2.0, 2.05, 1.95])
    verdict = judge(history, loss=9.0, norm=1.0, rules=RULES, can_roll_back=True)
    assert verdict.action is Action.SKIP
    assert "loss of 9 is far above the 2 " in verdict.reason
    calm = judge(verdict.history, loss=2.0, norm=1.0, rules=RULES, can_roll_back=True)
    assert (calm.action, calm.history.skipped_in_a_row) == (Action.UPDATE, 0)


def test_a_gradient_that_is_not_finite_counts_as_a_loss_that_is_not() -> None:
    verdict = judge(History(), loss=2.0, norm=math.inf, rules=RULES, can_roll_back=True)
    assert (verdict.action, verdict.reason) == (Action.SKIP, "its gradient is not finite")


def test_a_large_gradient_is_clippings_affair() -> None:
    _, history = walk([2.0, 2.1, 1.9, 2.0, 2.05, 1.95])
    assert judge(history, loss=2.0, norm=1e9, rules=RULES, can_roll_back=True).action is Action.UPDATE


def test_the_first_losses_of_a_run_are_no_spikes() -> None:
    actions, _ = walk([2.0, 9.0])
    assert actions == [Action.UPDATE, Action.UPDATE]

"""Rollouts on a played cluster: shares rise with replicas, verdicts change what runs, interruptions change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.autoscaling.rollout.evidence import Quality, Rival
from raytide.autoscaling.rollout.rollout import Phase
from raytide.services.rollout.conductor import TURN_S, Conductor
from raytide.services.rollout.revisions import is_canary, revision_of, settings_of

OTHER = {"name": "somebody-elses", "import_path": "their:app"}


class Play:
    """Turns of conductors beside traffic."""

    def __init__(self, stage: Any, folder: Path) -> None:
        self.stage, self.file = stage, RolloutFile(folder, "chat")
        self._folder = folder

    def turn(self) -> None:
        """One turn of a conductor that was started for it, as after a restart, and the traffic until the next one."""
        asyncio.run(Conductor(self.stage, self._folder, lambda: float(self.stage.now_s)).turn())
        self.stage.serve("chat", "chat-new", TURN_S)

    def until_ended(self) -> None:
        for _ in range(1000):
            if self.stage.puts:
                return
            self.turn()
        raise AssertionError(self.file.latest())


@pytest.fixture
def play(stage: Any, application: Callable[..., Any], canary: Callable[..., Any], tmp_path: Path) -> Play:
    played = stage(running=[OTHER, application("old"), canary("new")])
    played.ready["chat"] = 4
    return Play(played, tmp_path)


def test_a_good_revision_takes_over_step_by_step_each_with_its_replicas_and_nobody_restarts(play: Play) -> None:
    before = play.stage.running[2]
    play.until_ended()
    assert list(dict.fromkeys(play.stage.shares)) == [0.0, 0.01, 0.25, 1.0]
    assert play.stage.ready["chat-new"] == 4
    other, now = play.stage.running
    assert (other, now["name"], revision_of(now), is_canary(now)) == (OTHER, "chat-new", "new", False)
    assert settings_of(now).journal == "/home/journal/chat.jsonl"
    assert {key: now[key] for key in ("args", "import_path")} == {key: before[key] for key in ("args", "import_path")}
    assert [one.phase for one in play.file.latest()] == [Phase.PROMOTED]


def test_a_failing_revision_is_gone_before_one_percent_of_the_requests_saw_it(play: Play) -> None:
    play.stage.failing = 0.5
    before = play.stage.running[1]
    play.until_ended()
    assert play.stage.running == [OTHER, before]
    assert set(play.stage.shares) == {0.0, 0.01}
    (rollout,) = play.file.latest()
    assert rollout.phase is Phase.ROLLED_BACK
    assert rollout.says.startswith("errors: ")
    seen = play.stage.tallies["chat-new"].num
    assert seen <= 0.01 * (seen + play.stage.tallies["chat"].num)


def test_a_revision_that_does_not_start_is_gone_and_serve_says_why(play: Play) -> None:
    play.stage.grows, play.stage.failed = False, {"chat-new": "no such model"}
    play.until_ended()
    (rollout,) = play.file.latest()
    assert (rollout.phase, rollout.says) == (Phase.ROLLED_BACK, "it does not start: no such model")


def test_a_worse_model_is_gone_before_any_request_saw_it(
    play: Play, application: Callable[..., Any], canary: Callable[..., Any]
) -> None:
    scored = Quality(metric="bits_per_byte", value=1.0, data="held out")
    play.stage.running = [application("old", scored), canary("new", quality=replace(scored, value=1.05))]
    play.until_ended()
    assert play.stage.shares == [0.0] * len(play.stage.shares)
    assert play.stage.running == [application("old", scored)]
    says = "bits_per_byte 1.05 against 1, at most 1.0% worse is allowed"
    assert [(one.phase, one.says) for one in play.file.latest()] == [(Phase.ROLLED_BACK, says)]


def test_a_model_is_compared_with_what_the_other_scored_beside_it_and_not_with_a_score_on_other_data(
    play: Play, application: Callable[..., Any], canary: Callable[..., Any]
) -> None:
    before = Quality(metric="bits_per_byte", value=2.0, data="of last month")
    scored = Quality(metric="bits_per_byte", value=1.0, data="new", rival=Rival(model="chat old", value=0.9))
    play.stage.running = [application("old", before), canary("new", quality=scored)]
    play.until_ended()
    assert play.file.latest()[-1].says == "bits_per_byte 1 against 0.9, at most 1.0% worse is allowed"
    another = replace(scored, rival=Rival(model="chat older", value=0.9))
    play.stage.puts, play.stage.running = [], [application("old", before), canary("next", quality=another)]
    play.until_ended()
    last = play.file.latest()[-1]
    assert last.phase is Phase.UNDECIDED
    assert last.says.startswith("the two models were not scored on the same data: evaluate the new one while")


def test_while_a_brain_does_not_answer_nothing_changes(play: Play) -> None:
    for _ in range(4):
        play.turn()
    stood = play.file.latest()
    play.stage.deaf = {"chat-new"}
    for _ in range(10):
        play.turn()
    assert play.file.latest() == stood
    play.stage.deaf = set()
    play.until_ended()
    assert play.file.latest()[-1].phase is Phase.PROMOTED


def test_a_canary_whose_brain_never_comes_is_waited_for_no_longer_than_declared(play: Play) -> None:
    play.stage.deaf = {"chat-new"}
    for _ in range(200):
        play.turn()
    assert play.file.latest()[-1].phase is Phase.ROLLED_BACK
    assert len(play.stage.running) == 2


def test_a_canary_without_a_stable_revision_takes_over(play: Play) -> None:
    del play.stage.running[1]
    play.until_ended()
    assert [is_canary(app) for app in play.stage.running[1:]] == [False]


def test_a_revision_that_was_rolled_back_may_be_tried_again(play: Play, canary: Callable[..., Any]) -> None:
    play.stage.failing = 0.5
    play.until_ended()
    play.stage.failing, play.stage.puts = 0.0, []
    play.stage.running.append(canary("new", play.stage.now_s))
    play.until_ended()
    assert [one.phase for one in play.file.latest()] == [Phase.ROLLED_BACK, Phase.PROMOTED]


def test_the_canary_is_told_how_it_stands(play: Play) -> None:
    for _ in range(3):
        play.turn()
    assert play.stage.told["phase"] == "stepping"
    assert play.stage.told["weight"] == 0.01
    assert play.stage.told["says"]


def test_a_rollout_whose_file_is_damaged_keeps_no_other_from_going_on(
    play: Play, canary: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "asks.jsonl").write_text("no rollout\n")
    other = canary("else")
    play.stage.running.insert(0, {**other, "name": "asks-else", "args": {**other["args"], "service": "asks"}})
    play.until_ended()
    assert [one.phase for one in play.file.latest()] == [Phase.PROMOTED]
    assert play.stage.running[0]["name"] == "asks-else"

"""A canary takes what the conductor allows it, and nothing once nobody judges it any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.live.succession import ALLOWED_S, Succession, TakesOver
from raytide.autoscaling.rollout.evidence import Quality, Rival, Tally
from raytide.autoscaling.rollout.gate import Check, Outcome
from raytide.autoscaling.rollout.rollout import Canary, Phase, Rollout, begin
from raytide.autoscaling.terms import Terms


def test_a_share_holds_while_it_is_repeated_and_ends_when_nobody_judges() -> None:
    succession = Succession()
    assert (succession.share(0.0), succession.replicas(0.0), succession.rollout(0.0)) == (0.0, 1, None)
    succession.allow(0.25, 3, {"says": "takes 25 %"}, 10.0)
    last_s = 10.0 + ALLOWED_S
    assert (succession.share(last_s), succession.replicas(last_s)) == (0.25, 3)
    assert succession.rollout(last_s) == {"says": "takes 25 %"}
    assert (succession.share(last_s + 1), succession.replicas(last_s + 1)) == (0.0, 1)


def test_what_the_gateways_count_adds_up_and_a_repeated_count_is_no_second_one() -> None:
    succession = Succession()
    for _ in range(2):
        succession.count("a", Tally(num=10, failed=1))
        succession.count("b", Tally(num=5, missed_ttft=2, missed_tpot=1))
    assert succession.tally == Tally(num=15, failed=1, missed_ttft=2, missed_tpot=1)


def test_the_settings_of_a_canary_survive_the_way_to_the_brain(terms: Terms) -> None:
    settings = BrainSettings(
        terms=terms,
        interval_s=5.0,
        scale_down_after_s=60.0,
        stale_after_s=15.0,
        journal=None,
        takes_over=TakesOver(rules=Canary(steps=(0.02, 1.0), hold_s=3.0), applied_s=7.0),
        quality=Quality(metric="bits_per_byte", value=1.5, data="d", rival=Rival(model="chat v1", value=1.4)),
    )
    assert BrainSettings.from_user_config(json.loads(json.dumps(settings.to_user_config()))) == settings


def _told() -> Rollout:
    check = Check(name="errors", outcome=Outcome.OPEN, says="errors: 0 of 3", lower=-0.5, upper=0.5)
    return Rollout(canary="new", stable="old", began_s=1.0, phase=Phase.STEPPING, since_s=2.0, checks=(check,))


def test_a_rollout_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    file = RolloutFile(tmp_path / "rollout", "chat")
    assert file.latest() == ()
    file.add(begin("new", "old", 1.0))
    file.add(_told())
    again = begin("new", "old", 9.0)
    file.add(again)
    assert file.latest() == (_told(), again)


@pytest.mark.parametrize("left", [1, 40])
def test_a_line_that_was_cut_off_counts_as_not_written_and_the_next_one_follows_well(tmp_path: Path, left: int) -> None:
    file = RolloutFile(tmp_path, "chat")
    file.add(_told())
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + whole[:left])
    assert file.latest() == (_told(),)
    file.add(begin("newer", "old", 5.0))
    assert [one.canary for one in file.latest()] == ["new", "newer"]

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytide.autoscaling.codec import Undecodable
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.policy import Settings
from raytide.autoscaling.terms import Terms


@pytest.fixture
def settings(terms: Terms) -> BrainSettings:
    return BrainSettings(
        terms=terms, interval_s=5.0, scale_down_after_s=30.0, stale_after_s=15.0, journal="/home/journal/chat.jsonl"
    )


def test_settings_pass_through_a_config(settings: BrainSettings) -> None:
    assert BrainSettings.from_user_config(json.loads(json.dumps(settings.to_user_config()))) == settings


def test_a_config_of_another_shape_is_refused(settings: BrainSettings) -> None:
    with pytest.raises(Undecodable):
        BrainSettings.from_user_config(settings.to_user_config() | {"interval_s": "soon"})


def test_the_policy_decides_as_often_and_lets_go_as_late_as_is_declared(settings: BrainSettings) -> None:
    assert (settings.policy.interval_s, settings.policy.settings) == (5.0, Settings(least_hold_s=30.0))


def test_what_was_learnt_lies_beside_the_journal(settings: BrainSettings) -> None:
    assert settings.memory == Path("/home/journal/chat.state.json")

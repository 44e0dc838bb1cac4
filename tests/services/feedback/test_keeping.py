"""Which answers are kept."""

from __future__ import annotations

import random

import pytest

from raytide.services.feedback.answer import Keeping


def keeping(share: float) -> Keeping:
    return Keeping(judge_within_s=1.0, keep_s=1.0, most_bytes=1, share=share)


def ids(num: int) -> list[str]:
    draw = random.Random(1)
    return [f"rt-{draw.getrandbits(128):032x}" for _ in range(num)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_about_the_share_of_the_answers_is_drawn(share: float) -> None:
    drawn = sum(keeping(share).keeps(each) for each in ids(20_000))
    assert drawn == pytest.approx(share * 20_000, rel=0.15)


def test_every_answer_is_kept_where_nothing_else_is_said() -> None:
    assert all(keeping(1.0).keeps(each) for each in (*ids(100), f"rt-{'f' * 32}"))


def test_an_answer_is_drawn_alike_each_time_and_under_every_larger_share() -> None:
    for each in ids(1_000):
        drawn = [keeping(share).keeps(each) for share in (0.1, 0.1, 0.3, 0.9)]
        assert drawn == sorted(drawn)

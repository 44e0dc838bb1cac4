from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.jobs.train.goodput import FILE, began, begin, goodput


def test_what_restarts_and_lost_steps_took_is_no_goodput() -> None:
    assert goodput(began_s=1000.0, kept_s=150.0, now_s=1200.0) == 0.75


def test_a_clock_that_is_behind_makes_no_goodput_above_one() -> None:
    assert goodput(began_s=1000.0, kept_s=3.0, now_s=1002.0) == 1.0
    assert goodput(began_s=1000.0, kept_s=3.0, now_s=999.0) == 1.0


def test_when_a_run_began_is_kept(tmp_path: Path) -> None:
    assert began(tmp_path) is None
    begin(tmp_path, 1234.5)
    assert began(tmp_path) == 1234.5


def test_a_note_that_was_cut_in_half_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"began_s": 12')
    with pytest.raises(RaytideError, match="is damaged"):
        began(tmp_path)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from raytide.autoscaling.digest import digest
from raytide.autoscaling.live.kept import Kept
from raytide.autoscaling.live.memory import Memory, load, save
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.spend import Spend
from raytide.autoscaling.terms import Terms


@pytest.fixture
def memory(terms: Terms) -> Memory:
    known = Raytide().begin(Observation(at_s=0.0, demand=Missing(reason="nothing"), variants=()), terms)
    return Memory(
        revision="0123abcd", known=known, spend=Spend(replica_seconds=1.5, usd=0.1), kept=Kept(num=3, attained=2)
    )


def test_what_is_saved_comes_back_to_the_bit(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "journal" / "chat.state.json"
    for _ in range(2):
        save(memory, file)
    again = load(file, "0123abcd")
    assert isinstance(again, Memory)
    assert digest(again) == digest(memory)
    assert [path.name for path in file.parent.iterdir()] == ["chat.state.json"]


def test_another_revision_begins_anew(memory: Memory, tmp_path: Path) -> None:
    save(memory, tmp_path / "state")
    found = load(tmp_path / "state", "89abcdef")
    assert isinstance(found, Missing)
    assert "is of revision 0123abcd" in found.reason


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text[:-200], "cannot be read"),
        (lambda _: "[1]", "cannot be read"),
        (lambda text: text.replace('"known"', '"knew"'), "cannot be read"),
        (lambda text: json.dumps(json.loads(text) | {"version": 9}), "version 9"),
    ],
)
def test_a_file_of_no_use_is_no_failure(memory: Memory, tmp_path: Path, spoil: Callable[[str], str], says: str) -> None:
    file = tmp_path / "state"
    save(memory, file)
    file.write_text(spoil(file.read_text()))
    found = load(file, "0123abcd")
    assert isinstance(found, Missing)
    assert says in found.reason


def test_without_a_file_nothing_is_remembered(tmp_path: Path) -> None:
    assert load(tmp_path / "state", "r") == Missing(reason=f"{tmp_path / 'state'} is not there")

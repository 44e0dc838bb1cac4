from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytide.cli.moments import parse_moment, said
from raytide.cli.values import BadOption

Here = Callable[..., Any]
NOON_S = 1_800_014_400.0  # 2027-01-15 12:00:00 UTC


@pytest.fixture
def journal(here: Here, chat: Path, minutes: Path, tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    ran = here("simulate", chat, "--trace", minutes, "--no-oracle", "--journal", path)
    assert ran.exit_code == 0, ran.err
    return path


def test_a_simulated_decision_is_explained_on_eighty_columns(here: Here, journal: Path) -> None:
    told = here("explain", "chat", "--journal", journal, "--at", "60s")
    assert told.exit_code == 0, told.err
    lines = told.out.splitlines()
    assert lines[0].startswith("chat at 0:")
    assert max(map(len, lines)) <= 80
    labels = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert labels[:2] == ["decided", "bound"]
    assert {"seen", "forecast", "instead", "changed"} <= set(labels)


def test_the_same_as_plain_data(here: Here, journal: Path) -> None:
    told = json.loads(here("explain", "chat", "--journal", journal, "--json").out)
    assert told["service"] == "chat"
    assert told["reasons"][-1] == told["binding"]
    assert {one["chosen"] for one in told["alternatives"]} == {True, False}
    assert all(one["change"] and one["targets"] for one in told["would_change"])


def test_a_service_s_journal_lies_in_the_storage_folder(
    here: Here, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    nothing = here("explain", "chat")
    assert nothing.exit_code == 1
    assert "set RAYTIDE_HOME" in nothing.err
    (tmp_path / "home" / "journal").mkdir(parents=True)
    shutil.copy(journal, tmp_path / "home" / "journal" / "chat.jsonl")
    assert here("explain", "chat").out.startswith("chat at ")
    assert "did you mean 'chat'?" in here("explain", "chad").err
    replayed = here("journal", "replay", "chat")
    assert "each equal in every bit" in replayed.out, replayed.err


def test_a_time_outside_the_journal_is_one_sentence_with_what_it_covers(here: Here, journal: Path) -> None:
    for at, says in (("2027-01-31T12:31:05", "the last one before it"), ("99999", "no decision was recorded by then")):
        told = here("explain", "chat", "--journal", journal, "--at", at)
        assert told.exit_code == 1
        assert says in told.err
        assert "the journal has decisions from" in told.err
    assert here("explain", "chat", "--journal", journal, "--at", "noon").exit_code == 2


def test_what_is_no_journal_is_one_sentence(here: Here, tmp_path: Path) -> None:
    empty, broken, foreign = (tmp_path / name for name in ("empty", "broken", "foreign"))
    empty.write_text("")
    broken.write_text('{"decision":{"begins":true,"at_s":1.0}}\n')
    foreign.write_bytes(b"\xff\xfe")
    for path, says in ((empty, "no decision was recorded yet"), (broken, "line 1"), (foreign, "cannot be read")):
        told = here("explain", "chat", "--journal", path)
        assert told.exit_code == 1
        assert says in told.err
        assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("11:59", NOON_S - 60 + 59.999),
        ("11:59:30", NOON_S - 30 + 0.999),
        ("12:01", NOON_S - 86400 + 60 + 59.999),  # yesterday's
        ("90", NOON_S - 90),
        ("1.5m", NOON_S - 90),
        ("2027-01-15T11:00:00", NOON_S - 3600),
        ("2027-01-15T12:00:00+02:00", NOON_S - 7200),
    ],
)
def test_a_moment_as_people_write_it(text: str, at_s: float) -> None:
    assert parse_moment(text, NOON_S) == pytest.approx(at_s)


@pytest.mark.parametrize("text", ["noon", "25:00", "-5", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="write a time as 12:31"):
        parse_moment(text, NOON_S)


@pytest.mark.parametrize("text", ["1e50d", "9" * 400, "9999-12-31T23:59:59-23:00"])
def test_a_moment_that_no_cluster_saw_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match=r"no decision was ever made then; write a time as 12:31"):
        parse_moment(text, NOON_S)


def test_moments_are_said_in_utc_and_simulated_ones_from_the_start() -> None:
    assert said(NOON_S) == "2027-01-15 12:00:00 UTC"
    assert said(4205.2) == "1:10:05 into the run"
    assert said(-90.0) == "0:01:30 before the run"

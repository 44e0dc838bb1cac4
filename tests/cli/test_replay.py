from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Here = Callable[..., Any]


def test_a_recorded_run_is_decided_again_to_the_bit(here: Here, chat: Path, minutes: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    ran = here("simulate", chat, "--trace", minutes, "--no-oracle", "--journal", journal)
    assert ran.exit_code == 0, ran.err
    again = here("journal", "replay", journal)
    assert again.exit_code == 0, again.err
    assert "each equal in every bit" in again.out


def test_a_decision_that_would_not_be_made_again_is_named(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    here("simulate", chat, "--trace", minutes, "--no-oracle", "--journal", journal)
    text = journal.read_text()
    at = text.rindex('"target":', 0, text.rindex('"state":'))
    journal.write_text(text[:at] + '"target":7' + text[at + len('"target":') + 1 :])
    again = here("journal", "replay", journal)
    assert again.exit_code == 1
    assert "differs" in again.err


def test_a_peer_has_no_journal_and_a_missing_file_is_one_sentence(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    args = ("--trace", minutes, "--policy", "ray-serve", "--no-oracle", "--journal", tmp_path / "x")
    assert here("simulate", chat, *args).exit_code == 2
    gone = here("journal", "replay", tmp_path / "gone.jsonl")
    assert gone.exit_code == 1
    assert "cannot be read" in gone.err


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_played(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no" / "out.json"
    for command in ("simulate", "compare", "whatif"):
        ran = here(command, chat, "--trace", minutes, "--json", nowhere)
        assert ran.exit_code == 2
        assert "cannot be written" in ran.err
        assert "playing" not in ran.err

"""What happened to a run besides its steps, as JSON lines: skipped batches, rollbacks, damaged checkpoints, notices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypedDict

from raytide.core.appended import append

FILE: Final = "events.jsonl"


class Event(TypedDict):
    """One line."""

    step: int
    """Steps that were done."""
    says: str


def record_event(run: Path, step: int, says: str) -> None:
    """Adds one line."""
    append(run / FILE, Event(step=step, says=says))


def read_events(run: Path) -> list[Event]:
    """The complete lines so far, in the order in which they happened."""
    try:
        lines = (run / FILE).read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]

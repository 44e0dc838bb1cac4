"""The history of one service on disk, one JSON event a line; a last line that was cut off counts as not written."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raytide.autoscaling.live.rollout_file import FOLDER as ROLLOUTS
from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.autoscaling.rollout.rollout import Rollout
from raytide.core.appended import append
from raytide.core.errors import RaytideError
from raytide.operator.history import Outcome, Record, folded, resolved

FOLDER = "history"


class HistoryFile:
    """Appended to, and on the disk before the cluster is asked."""

    def __init__(self, home: Path, service: str) -> None:
        self.path = home / FOLDER / f"{service}.jsonl"
        self._service = service

    def records(self) -> tuple[Record, ...]:
        """Every record, oldest first; none where nothing was applied from here.

        Raises:
            RaytideError: the file cannot be read.
        """
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise RaytideError(f"the history in {self.path} cannot be read: {error}") from error
        return resolved(folded(_events(lines, self.path)), self._rollouts())

    def _rollouts(self) -> tuple[Rollout, ...]:
        file = RolloutFile(self.path.parents[1] / ROLLOUTS, self._service)
        try:
            return file.latest()
        except (OSError, ValueError) as error:
            raise RaytideError(f"the rollouts in {file.path} cannot be read: {error}") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other commands from changing the service meanwhile; ends with the process, however that ends.

        Raises:
            RaytideError: another command changes it at present.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                says = f"another command changes {self._service} at present: wait for it, or end it, and try again"
                raise RaytideError(says) from error
            yield

    def begin(self, record: Record) -> None:
        """Write a record that has not ended."""
        began = asdict(record)
        del began["outcome"], began["why"]
        append(self.path, began)

    def end(self, number: int, outcome: Outcome, why: str = "") -> None:
        """Write what became of it."""
        append(self.path, {"number": number, "outcome": str(outcome), "why": why})


def _events(lines: list[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number < len(lines):
                raise RaytideError(f"line {number} of {path} is no event of a history: remove it") from error

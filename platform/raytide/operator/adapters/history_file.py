"""The history of one service on disk, one JSON event a line; a last line that was cut off counts as not written."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from raytide.autoscaling.live.rollout_file import FOLDER as ROLLOUTS
from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.autoscaling.rollout.rollout import Rollout
from raytide.core.appended import append
from raytide.core.errors import RaytideError
from raytide.core.home import stored
from raytide.operator.history import Outcome, Record, folded, resolved

FOLDER = "history"
_BEGUN = {field.name for field in fields(Record)} - {"outcome", "why"}


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
            RaytideError: another command changes it at present, or the storage folder cannot be written.
        """
        with stored():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.with_suffix(".lock").open("w")
        with file as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                says = f"another command changes {self._service} at present: wait for it, or end it, and try again"
                raise RaytideError(says) from error
            yield

    def begin(self, record: Record) -> None:
        """Write a record that has not ended."""
        began = asdict(record)
        del began["outcome"], began["why"]
        self._append(began)

    def end(self, number: int, outcome: Outcome, why: str = "") -> None:
        """Write what became of it."""
        self._append({"number": number, "outcome": str(outcome), "why": why})

    def _append(self, event: Mapping[str, Any]) -> None:
        with stored():
            append(self.path, event)


def _events(lines: list[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except ValueError:
            if number == len(lines):  # it was cut off
                return
            event = None
        if not _is_event(event):
            raise RaytideError(f"line {number} of {path} is no event of a history: remove it")
        yield event


def _is_event(event: Any) -> bool:
    """Whether it is a beginning, or what became of one, as this version writes them."""
    if not isinstance(event, dict) or not isinstance(event.get("number"), int):
        return False
    return event.get("outcome") in tuple(Outcome) if "outcome" in event else event.keys() == _BEGUN

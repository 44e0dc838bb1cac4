"""The journal of one service on disk: what `raytide journal replay` decides again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from raytide.autoscaling.journal import Entry, begins_journal, lines_of
from raytide.autoscaling.policy.knowledge import Knowledge

LONGEST_BYTES: Final = 64 * 2**20
"""About a day of decisions of one variant, five seconds apart; one older file is kept beside it."""
SAYS_KNOWN_EVERY: Final = 360
"""Decisions: `raytide explain` decides at most so many again to get to one, which takes about a second; what was known
takes an eighth of the file."""


class JournalFile:
    """A file that is appended to; each file, and each life of a brain, can be replayed by itself."""

    def __init__(self, path: Path, longest_bytes: int = LONGEST_BYTES) -> None:
        self.path = path
        self._longest_bytes = longest_bytes
        self._before: Entry | None = None
        self._num_since_known = 0

    def add(self, entry: Entry, known: Knowledge) -> None:
        """Append a decision; and what was known before it where nothing in the file says so, or not for long.

        Raises:
            OSError: it is not written, or a part of it; the next one that is, says all that it needs.
        """
        try:
            self._add(entry, known)
        except OSError:
            self._before = None
            raise

    def _add(self, entry: Entry, known: Knowledge) -> None:
        if self._before is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.path)
        if self._is_long() or (self._before is None and self._is_foreign()):
            self.path.replace(self.path.with_name(f"{self.path.stem}.1{self.path.suffix}"))
            self._before = None
        says_known = not entry.begins and (self._before is None or self._num_since_known >= SAYS_KNOWN_EVERY)
        if says_known:
            entry = replace(entry, known=known)
        self._num_since_known = 1 if says_known or entry.begins else self._num_since_known + 1
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(lines_of(entry, self._before))
        self._before = entry

    def _is_long(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > self._longest_bytes

    def _is_foreign(self) -> bool:
        """Whether another version of the program wrote what is there, or it is no journal at all."""
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open(encoding="utf-8", errors="replace") as file:
            return not begins_journal(file.readline())


def _mend(path: Path) -> None:
    """Cut off a line that was not written to its end, by a brain that was killed meanwhile."""
    if path.exists():
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)

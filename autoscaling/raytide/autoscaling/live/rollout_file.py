"""The rollouts of one service on disk, a line for every change of one; a last line that was cut off was not written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.rollout.rollout import Rollout
from raytide.core.appended import append

FOLDER: Final = "rollout"


class RolloutFile:
    """Appended to; what it says is on the disk before anybody acts on it."""

    def __init__(self, folder: Path, service: str) -> None:
        self.path = folder / f"{service}.jsonl"

    def latest(self) -> tuple[Rollout, ...]:
        """Every rollout as it stands, or as it ended, oldest first; none where there was none.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line of it is no rollout.
        """
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return ()
        told = [typed(Rollout, json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]
        return tuple({(one.canary, one.began_s): one for one in told}.values())

    def add(self, rollout: Rollout) -> None:
        """Write how it stands now."""
        append(self.path, plain(rollout))

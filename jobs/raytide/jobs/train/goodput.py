"""How much of a run's time made steps that are kept.

Goodput is the training time that led to where a run is, over the time since it was first submitted: the runtime goodput
of Google's ML Productivity Goodput (2024). What is lost is the wait for workers, their starts, the steps that a crash
or a rollback took back, and the time in which nobody had submitted the run again. A batch that changed nothing counts
as a step, and the copy of a checkpoint as training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raytide.jobs.artefact import write_json
from raytide.jobs.json_file import read_object

FILE: Final = "began.json"
_BEGAN: Final = "began_s"


def begin(run: Path, now_s: float) -> None:
    """Notes that a new run begins at `now_s`, in seconds since 1970."""
    write_json(run / FILE, {_BEGAN: now_s})


def began(run: Path) -> float | None:
    """When that was; None of a run that is older than this file."""
    noted = read_object(run / FILE)
    return None if noted is None else noted.get(_BEGAN)


def goodput(began_s: float, kept_s: float, now_s: float) -> float:
    """The share of the time since `began_s` that was spent on what is kept, from 0 to 1.

    Never more: the clocks of the node that submitted the run and of the one that trains may differ.
    """
    passed_s = now_s - began_s
    return min(1.0, kept_s / passed_s) if passed_s > 0 else 1.0

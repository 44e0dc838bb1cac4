"""The metrics of a run as JSON lines, one entry per measured step, however often the run was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypedDict

from raytide.jobs.artefact import write_text

FILE: Final = "metrics.jsonl"


class StepMetrics(TypedDict):
    """One line."""

    step: int
    """Steps that are done."""
    loss: float
    """Mean over the workers of this step's cross-entropy, in nats per token."""
    learning_rate: float
    gradient_norm: float
    """Before clipping."""
    tokens: int
    """Tokens that the run has trained on."""
    tokens_per_s: float
    """Of all workers, since the entry before."""
    elapsed_s: float
    """Training time, without the interruptions."""


def read_metrics(run: Path) -> list[StepMetrics]:
    """The complete lines so far; a line that is being written is left out."""
    try:
        lines = (run / FILE).read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def append_metrics(run: Path, entry: StepMetrics) -> None:
    """Adds one line."""
    with (run / FILE).open("a") as file:
        file.write(json.dumps(entry) + "\n")


def drop_metrics_after(run: Path, step: int) -> None:
    """Forgets what a lost worker measured past the checkpoint: those steps are done again."""
    kept = [entry for entry in read_metrics(run) if entry["step"] <= step]
    write_text(run / FILE, "".join(json.dumps(entry) + "\n" for entry in kept))

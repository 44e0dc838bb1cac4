"""The metrics of a run as JSON lines, one entry per measured step, however often the run was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NotRequired, TypedDict

from raytide.jobs.artefact import write_text

FILE: Final = "metrics.jsonl"


class StepMetrics(TypedDict):
    """One line."""

    step: int
    """Steps that are done."""
    loss: float
    """Of this step's batch: cross-entropy in nats per token, or of preferences in nats per pair."""
    learning_rate: float
    gradient_norm: float
    """Before clipping."""
    tokens: int
    """Tokens that the run has trained on."""
    tokens_per_s: float
    """Of all workers, since the entry before."""
    elapsed_s: float
    """Training time, without the interruptions."""
    workers: int
    worker_s: float
    """Training time times workers: what is paid for."""
    position: int
    """Batches of the data that were taken."""
    samples_checksum: int
    """Of all sequences that were taken, as in `Progress`."""
    memory_bytes: int
    """Most that the first worker has held so far: of its accelerator, else of its process."""
    goodput: NotRequired[float]
    """Share of the time since the run was first submitted that led to this step."""
    mfu: NotRequired[float]
    """Model FLOP/s as a fraction of the accelerators' peak; absent on a CPU, whose peak is not known."""
    reward_margin: NotRequired[float]
    """Of preferences, as the two below: how much more reward the chosen answers of the batch have than the rejected."""
    reward_accuracy: NotRequired[float]
    """Share of the batch's pairs whose chosen answer has more; a tie counts half."""
    chosen_reward: NotRequired[float]
    """Below zero the chosen answers, too, became less likely than the reference held them to be."""


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

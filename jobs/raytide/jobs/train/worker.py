"""What each worker of a run does: its share of every batch, in step with the others."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from ray import train
from ray.train.torch import get_device, prepare_model

from raytide.jobs.train.batches import batch_indices
from raytide.jobs.train.dataset import Sequences, load_sequences
from raytide.jobs.train.export import export
from raytide.jobs.train.learner import Learner
from raytide.jobs.train.model import llama_config, new_model
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.recorder import Recorder
from raytide.jobs.train.schedule import learning_rate

METRICS_EVERY: Final = 10
_STATE: Final = "state.pt"


def train_worker(config: dict[str, Plan]) -> int | None:
    """Trains from the latest checkpoint to the last step, then exports; Ray Train calls this in each worker.

    Returns:
        The step at which the run diverged; None where it finished.
    """
    plan, spec = config["plan"], config["plan"].spec
    torch.set_num_threads(spec.cpus_per_worker)
    rank = train.get_context().get_world_rank()
    learner = _learner(plan)
    start, elapsed_s = _restore(learner)
    recorder = Recorder(plan, rank, start, elapsed_s)
    for step, batch in _batches(plan, rank, start):
        rate = learning_rate(step, peak=spec.learning_rate, warmup_steps=spec.warmup_steps, steps=spec.steps)
        result, done = learner.learn(batch, rate), step + 1
        if not math.isfinite(result.gradient_norm):  # of the averaged gradient: all workers leave together
            return done
        if _due(done, METRICS_EVERY, spec.steps):
            recorder.record(done, result, rate)
        if _due(done, spec.checkpoint_every, spec.steps):
            _checkpoint(learner, rank, done, recorder.elapsed_s)
    if rank == 0:
        export(learner.model, plan)
    return None


def _learner(plan: Plan) -> Learner:
    config = llama_config(plan.spec.model, plan.data / "tokenizer", plan.sequence_length)
    model = new_model(config, plan.spec.seed).to(get_device())
    return Learner(model, prepare_model(model), plan.spec)


def _batches(plan: Plan, rank: int, start: int) -> Iterator[tuple[int, Sequences]]:
    """`(step, this worker's sequences)` from `start` to the end of the run."""
    spec, sequences = plan.spec, load_sequences(plan.data)
    for step in range(start, spec.steps):
        chosen = batch_indices(
            len(sequences),
            seed=spec.seed,
            step=step,
            rank=rank,
            workers=spec.workers,
            batch=spec.batch_size_per_worker,
        )
        yield step, sequences[chosen]


def _due(done: int, every: int, steps: int) -> bool:
    return done % every == 0 or done == steps


def _restore(learner: Learner) -> tuple[int, float]:
    """`(steps done, training seconds)` of the latest checkpoint, which the learner has then taken on."""
    checkpoint = train.get_checkpoint()
    if checkpoint is None:
        return 0, 0.0
    with checkpoint.as_directory() as folder:
        state = torch.load(Path(folder) / _STATE, map_location="cpu", weights_only=True)
    learner.restore(state["learner"])
    return state["step"], state["elapsed_s"]


def _checkpoint(learner: Learner, rank: int, done: int, elapsed_s: float) -> None:
    """Every worker reports, the first one with the state: the replicas are equal."""
    if rank:
        train.report({"step": done})
        return
    with tempfile.TemporaryDirectory() as folder:
        state = {"learner": learner.state(), "step": done, "elapsed_s": elapsed_s}
        torch.save(state, Path(folder) / _STATE)
        train.report({"step": done}, checkpoint=train.Checkpoint.from_directory(folder))

"""A run's clock, and its metrics as they are measured."""

from __future__ import annotations

import time

import torch

from raytide.jobs.train.learner import Step
from raytide.jobs.train.metrics import StepMetrics, append_metrics, drop_metrics_after
from raytide.jobs.train.plan import Plan


class Recorder:
    """Counts from where the checkpoint left off; the first worker writes."""

    def __init__(self, plan: Plan, rank: int, step: int, elapsed_s: float) -> None:
        self._plan, self._rank = plan, rank
        self._start_s = time.monotonic() - elapsed_s
        self._last_step, self._last_s = step, elapsed_s
        if rank == 0:
            drop_metrics_after(plan.output, step)

    @property
    def elapsed_s(self) -> float:
        """Training time of the run, over all its attempts."""
        return time.monotonic() - self._start_s

    def record(self, done: int, step: Step, rate: float) -> None:
        """Adds the entry for `done` steps; every worker calls this, because the loss is averaged over them."""
        now_s, tokens = self.elapsed_s, self._plan.tokens_per_step
        entry = StepMetrics(
            step=done,
            loss=_mean(step.loss),
            learning_rate=rate,
            gradient_norm=step.gradient_norm,
            tokens=done * tokens,
            tokens_per_s=round((done - self._last_step) * tokens / (now_s - self._last_s), 1),
            elapsed_s=round(now_s, 3),
        )
        self._last_step, self._last_s = done, now_s
        if self._rank == 0:
            append_metrics(self._plan.output, entry)


def _mean(loss: torch.Tensor) -> float:
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(loss)
        loss = loss / torch.distributed.get_world_size()
    return float(loss.item())

"""A run's clock, and its metrics as they are measured."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

from raytide.jobs.train.agreement import Agreed
from raytide.jobs.train.efficiency import flops_per_token, memory_bytes, peak_flops_per_s
from raytide.jobs.train.gauges import Gauges
from raytide.jobs.train.goodput import began, goodput
from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Learner
from raytide.jobs.train.metrics import StepMetrics, append_metrics, drop_metrics_after
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.progress import Progress


class Recorder:
    """Counts from where the checkpoint left off; the first worker has one."""

    def __init__(self, plan: Plan, group: Group, learner: Learner, at: Progress, sequence_length: int) -> None:
        self._plan, self._group = plan, group
        self._flops = flops_per_token(learner.model, sequence_length)
        self._peak = peak_flops_per_s(plan.spec)
        self._gauges = Gauges(plan.output.name)
        self._began_s = began(plan.output)
        self.resume(at)

    def resume(self, at: Progress) -> None:
        """Goes on from a point, perhaps an earlier one than was reached."""
        self._base, self._start_s, self._last = at, time.monotonic(), at
        drop_metrics_after(self._plan.output, at.step)

    def timed(self, at: Progress) -> Progress:
        """The same point with the time that it took to get there."""
        passed_s = time.monotonic() - self._start_s
        return replace(
            at,
            elapsed_s=self._base.elapsed_s + passed_s,
            worker_s=self._base.worker_s + passed_s * self._group.size,
        )

    def record(self, at: Progress, agreed: Agreed, rate: float) -> None:
        """Adds the entry for a point that a batch led to."""
        at = self.timed(at)
        tokens_per_s = (at.tokens - self._last.tokens) / (at.elapsed_s - self._last.elapsed_s)
        entry = StepMetrics(
            step=at.step,
            loss=agreed.loss,
            learning_rate=rate,
            gradient_norm=agreed.norm,
            tokens=at.tokens,
            tokens_per_s=round(tokens_per_s, 1),
            elapsed_s=round(at.elapsed_s, 3),
            workers=self._group.size,
            worker_s=round(at.worker_s, 3),
            position=at.position,
            samples_checksum=at.samples_checksum,
            memory_bytes=memory_bytes(self._group.device),
        )
        entry |= cast("StepMetrics", agreed.beside)
        if self._began_s is not None:
            entry["goodput"] = round(goodput(self._began_s, at.elapsed_s, time.time()), 4)
        if self._peak is not None:
            entry["mfu"] = round(tokens_per_s * self._flops / (self._peak * self._group.size), 4)
        self._last = at
        append_metrics(self._plan.output, entry)
        self._gauges.show(entry)

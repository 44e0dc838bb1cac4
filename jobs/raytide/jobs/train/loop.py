"""The steps of a run on one worker, in step with the others, from wherever the run is to its end."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import torch

from raytide.jobs.train.agreement import Agreed, agree
from raytide.jobs.train.batches import Batching
from raytide.jobs.train.checkpoints import Checkpoints
from raytide.jobs.train.events import record_event
from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Learner, Pass
from raytide.jobs.train.objective import Objective
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.progress import CHECKSUM_MODULUS, Progress
from raytide.jobs.train.recorder import Recorder
from raytide.jobs.train.schedule import learning_rate
from raytide.jobs.train.stability import Action, Verdict, judge

METRICS_EVERY: Final = 10
_NOTICE_EVERY_S: Final = 5.0
"""Ray Train's watcher of preempted nodes looks as often."""


class Loop:
    """One worker's part of a run. What decides is the same on all workers, so that they branch together."""

    def __init__(self, plan: Plan, group: Group, learner: Learner, objective: Objective) -> None:
        self._plan, self._spec, self._group = plan, plan.spec, group
        self._learner, self._objective, samples = learner, objective, objective.samples
        self._batching = Batching(
            num_sequences=len(samples),
            seed=plan.spec.seed,
            micro_batches=plan.spec.micro_batches,
            micro_batch=plan.spec.batch_size_per_worker,
        )
        self._checkpoints = Checkpoints(plan.checkpoints, plan.spec.keep_checkpoints)
        self._failure, self._noticed, self._looked_s = "", False, time.monotonic()
        self._at, self._can_roll_back = self._restore()
        self._recorder = None if group.rank else Recorder(plan, group, learner, self._at, samples.sequence_length)

    def run(self) -> str:
        """Empty after the last step; else the sentence that says why the run ended before it."""
        while self._at.step < self._spec.steps:
            if ended := self.step():
                return ended
        self._checkpoints.wait()
        return self._first_says(self._trouble)

    def step(self) -> str:
        """Takes one batch. Empty, or the sentence that says why the run ends here."""
        batch, passes = self._batching.batch(self._at.position), self._passes()
        targets = max(1, self._objective.samples.num_targets_of(batch))
        gradient = self._learner.gradient(passes, targets=targets, workers=self._group.size)
        agreed = agree(self._group, gradient, passes, failed=bool(self._trouble), look=self._time_to_look())
        if agreed.failed:
            return self._first_says(self._trouble)
        verdict = judge(
            self._at.history,
            loss=agreed.loss,
            norm=agreed.norm,
            rules=self._spec.anomalies,
            can_roll_back=self._can_roll_back,
        )
        match verdict.action:
            case Action.STOP:
                return self._diverged(verdict)
            case Action.ROLL_BACK:
                return self._roll_back(verdict)
            case _:
                self._advance(agreed, verdict, self._objective.samples.num_tokens_of(batch))
        return ""

    @property
    def _trouble(self) -> str:
        """Why the first worker cannot write; empty on the others."""
        return self._checkpoints.failure or self._failure

    def _passes(self) -> list[Pass]:
        share = self._batching.share(self._at.position, rank=self._group.rank, workers=self._group.size)
        return [
            Pass(self._objective.on(micro.indices), self._spec.seed + micro.number, micro.counts) for micro in share
        ]

    def _time_to_look(self) -> bool:
        return self._group.rank == 0 and time.monotonic() - self._looked_s >= _NOTICE_EVERY_S

    def _advance(self, agreed: Agreed, verdict: Verdict, num_tokens: int) -> None:
        rate = self._rate(self._at.step)
        if verdict.action is Action.UPDATE:
            self._learner.update(rate)
        else:
            self._learner.discard()
            self._say(f"step {self._at.step + 1} changed nothing: {verdict.reason}")
        self._at = replace(
            self._at,
            step=self._at.step + 1,
            position=self._at.position + 1,
            tokens=self._at.tokens + num_tokens,
            samples_checksum=(self._at.samples_checksum + agreed.checksum) % CHECKSUM_MODULUS,
            history=verdict.history,
        )
        if self._due(METRICS_EVERY):
            self._record(agreed, rate)
        if self._checkpoint_due() or self._preempted(agreed.look):
            self._save()

    def _rate(self, step: int) -> float:
        spec = self._spec
        return learning_rate(
            step, peak=spec.learning_rate, warmup_steps=spec.warmup_steps, steps=spec.steps, schedule=spec.schedule
        )

    def _due(self, every: int) -> bool:
        return self._at.step % every == 0 or self._at.step == self._spec.steps

    def _checkpoint_due(self) -> bool:
        """Not while batches are skipped: a rollback must not come back to the weights that it leaves."""
        doubtful = self._at.history.skipped_in_a_row > 0 and self._at.step < self._spec.steps
        return self._due(self._spec.checkpoint_every) and not doubtful

    def _record(self, agreed: Agreed, rate: float) -> None:
        if self._recorder is not None:
            try:
                self._recorder.record(self._at, agreed, rate)
            except OSError as error:
                self._failure = f"The metrics of step {self._at.step} could not be written ({error.strerror})."

    def _preempted(self, look: bool) -> bool:
        """Whether a node of this run is about to be taken back, the first time that it is seen."""
        if not look:
            return False
        self._looked_s = time.monotonic()
        if self._noticed or not self._group.preempted():
            return False
        self._noticed = True
        self._say(f"a node is about to be taken back; checkpoint at step {self._at.step}")
        return True

    def _save(self) -> None:
        learner = self._learner.state()
        self._can_roll_back = True
        if self._recorder is not None:
            progress = self._recorder.timed(self._at).written()
            self._checkpoints.save(self._at.step, {"learner": learner, "progress": progress})

    def _restore(self) -> tuple[Progress, bool]:
        """`(progress, whether there was a checkpoint)` of the newest whole one, which the learner has then taken on."""
        state = ""
        if self._group.rank == 0:
            self._checkpoints.wait()
            found = self._checkpoints.newest()
            for problem in found.damaged:
                record_event(self._plan.output, 0, problem)
            state = str(found.state or "")
        state = self._group.from_first(state)
        if not state:
            return Progress(), False
        saved = torch.load(state, map_location="cpu", weights_only=True)
        self._learner.restore(saved["learner"])
        return Progress.read(saved["progress"]), True

    def _roll_back(self, verdict: Verdict) -> str:
        """Empty, or why there is no way back: weights that nobody can restore are not those of any step."""
        after = self._at.position + 1
        self._learner.discard()
        at, was_restored = self._restore()
        if not was_restored:
            return (
                f"Training cannot go on at step {self._at.step + 1}: {verdict.reason}, and no checkpoint in "
                f"{self._plan.checkpoints} is whole; choose a new spec.output."
            )
        history = replace(at.history, skipped_in_a_row=0, rollbacks=verdict.history.rollbacks)
        self._at = replace(at, position=after, history=history)
        if self._recorder is not None:
            self._recorder.resume(self._at)
        self._say(
            f"{self._spec.anomalies.patience + 1} batches in a row could not be learnt from, the last because "
            f"{verdict.reason}; back to step {at.step}, and on with the batches after them"
        )
        return ""

    def _diverged(self, verdict: Verdict) -> str:
        return (
            f"Training diverged at step {self._at.step + 1}: {verdict.reason}; lower spec.learning_rate or raise "
            "spec.warmup_steps, and choose a new spec.output."
        )

    def _say(self, says: str) -> None:
        if self._group.rank == 0:
            try:
                record_event(self._plan.output, self._at.step, says)
            except OSError as error:
                self._failure = f"{self._plan.output} cannot be written ({error.strerror})."

    def _first_says(self, sentence: str) -> str:
        said: str = self._group.from_first(sentence)
        return said

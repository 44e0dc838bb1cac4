"""The pipeline job: runs what has to run, as Ray jobs of their own, and finds again what was made before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from raytide.core.errors import GateFailed, RunFailed
from raytide.core.spec.base import TEAM_KEY
from raytide.jobs.artefact import exclusive
from raytide.jobs.entry import say
from raytide.jobs.pipeline.declared import DeclaredPipeline
from raytide.jobs.pipeline.jobs import Jobs, JobState
from raytide.jobs.pipeline.plan import State
from raytide.jobs.pipeline.prepare import Prepared, entrypoint
from raytide.jobs.pipeline.records import Record, Records
from raytide.jobs.pipeline.survey import Survey

POLL_S: Final = 1.0


def run(pipeline: DeclaredPipeline, jobs: Jobs, sleep: Callable[[float], None] = time.sleep) -> None:
    """Runs every step whose result is not there; returns when all passed, or were not needed.

    A step whose job still runs, because only the pipeline was killed, is waited for. Where the pipeline is stopped,
    its jobs are stopped too.

    Raises:
        GateFailed: A gate said no.
        RunFailed: A step failed.
    """
    records = Records(pipeline.name)
    with exclusive(records.folder):
        runner = _Runner(Survey(pipeline, records), jobs)
        try:
            while runner.step():
                sleep(POLL_S)
        except (SystemExit, KeyboardInterrupt):
            runner.stop()
            raise
    _conclude(runner.survey)


class _Runner:
    """The jobs that are under way."""

    def __init__(self, survey: Survey, jobs: Jobs) -> None:
        self.survey, self._jobs = survey, jobs
        self._running: dict[str, Record] = {}
        self._said: dict[str, str] = {}

    def step(self) -> bool:
        """Submits what is ready, and looks at what runs; False when nothing is left to wait for."""
        for name in list(self._running):
            self._watch(name)
        for name, standing in self.survey.look().items():
            self._say_end(name)
            if standing.state is State.READY and name not in self._running:
                self._start(self.survey.prepared[name])
        return bool(self._running)

    def stop(self) -> None:
        """Ends the jobs; their checkpoints and receipts stay."""
        for name, record in self._running.items():
            say(f"{name}: stopping {record.job}")
            self._jobs.stop(record.job)

    def _start(self, prepared: Prepared) -> None:
        begun, why = prepared.found, self.survey.why(prepared.name)
        if begun is None or begun.state != State.READY or self._jobs.state(begun.job).state == "failed":
            begun = self._begun(prepared)
        self._running[prepared.name] = begun
        if self._jobs.state(begun.job).state == "absent":
            say(f"{prepared.name}: {why}; job {begun.job}")
            self._submit(prepared, begun)
        else:
            say(f"{prepared.name}: goes on in job {begun.job}")

    def _begun(self, prepared: Prepared) -> Record:
        """On disk before the job is submitted, so that a job is never submitted twice for one record."""
        stem = f"{self.survey.pipeline.name}-{prepared.name}-{prepared.key}"
        tried = int(prepared.found.job.rpartition("-")[2]) if prepared.found else 0
        record = Record(
            inputs=prepared.found.inputs if prepared.found else prepared.inputs,
            job=f"{stem}-{tried + 1}", output=prepared.output, began_s=time.time(),
        )  # fmt: skip
        self.survey.records.write(prepared.name, record)
        return record

    def _submit(self, prepared: Prepared, record: Record) -> None:
        file = self.survey.records.write_job(prepared.name, record.key, prepared.document)
        pipeline = self.survey.pipeline
        team = {TEAM_KEY: pipeline.metadata.team} if pipeline.metadata.team else {}
        labels = {"raytide-pipeline": pipeline.name, "raytide-step": prepared.name, **team}
        try:
            self._jobs.submit(record.job, entrypoint(prepared, file), labels)
        except RunFailed as error:
            self._end(prepared.name, replace(record, ended_s=time.time(), state=State.FAILED, says=str(error)))

    def _watch(self, name: str) -> None:
        record = self._running[name]
        now = self._jobs.state(record.job)
        if now.state in ("running", "unknown"):
            self._say_progress(name, record)
            return
        if now.state == "absent":  # nobody answered when it was submitted
            self._submit(self.survey.prepared[name], record)
            return
        self._end(name, self._ended(self.survey.prepared[name], record, now))

    def _end(self, name: str, ended: Record) -> None:
        del self._running[name]
        self.survey.records.write(name, ended)
        self.survey.end(name, State(ended.state), ended.says)

    def _ended(self, prepared: Prepared, record: Record, job: JobState) -> Record:
        made = prepared.made()
        ended = replace(record, ended_s=time.time())
        if job.state == "succeeded" and (made is not None or prepared.written is None):
            says = made.says if made else self._jobs.last_line(record.job)
            return replace(ended, state=State.PASSED, digest=made.digest if made else "", says=says)
        if job.exit_code == GateFailed.exit_code:
            says = made.says if made else self._jobs.last_line(record.job)
            return replace(ended, state=State.REFUSED, digest=made.digest if made else "", says=says)
        if job.state == "succeeded":
            return replace(ended, state=State.FAILED, says=f"what lies in {record.output} is not whole; delete that")
        return replace(ended, state=State.FAILED, says=self._jobs.last_line(record.job) or "it ended without a word")

    def _say_progress(self, name: str, record: Record) -> None:
        line = self._jobs.last_line(record.job)
        if line and self._said.get(name) != line:
            self._said[name] = line
            say(f"{name}: {line}")

    def _say_end(self, name: str) -> None:
        state = self.survey.ends.get(name)
        if state is not None and self._said.get(name) != state:
            self._said[name] = state
            say(f"{name}: {'as before' if name in self.survey.reused else state}: {self.survey.says[name]}")


def _conclude(survey: Survey) -> None:
    now = survey.look()
    for name, standing in now.items():
        if standing.state in (State.BLOCKED, State.SKIPPED):
            say(f"{name}: {standing.state}: {standing.why}")
    ends: dict[State, list[str]] = {}
    for name, state in survey.ends.items():
        ends.setdefault(state, []).append(name)
    if failed := ends.get(State.FAILED):
        raise RunFailed(f"{_told(failed, survey)}; submit the pipeline again to go on from there.")
    if refused := ends.get(State.REFUSED):
        raise GateFailed(f"A gate said no ({', '.join(refused)}); the reports say why.")
    say(f"{survey.pipeline.name}: {len(survey.ends)} steps passed, {len(survey.reused)} of them as before")


def _told(failed: list[str], survey: Survey) -> str:
    return "; ".join(f"{name} failed: {survey.says[name]}" for name in failed)

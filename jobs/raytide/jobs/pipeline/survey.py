"""Where every step of a pipeline is, by what lies on disk: the plan that people read, and the runner's eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raytide.core.errors import RaytideError
from raytide.jobs.pipeline.declared import DeclaredPipeline, DeclaredStep
from raytide.jobs.pipeline.folders import output_of
from raytide.jobs.pipeline.plan import Standing, State, standings
from raytide.jobs.pipeline.prepare import Prepared, prepare
from raytide.jobs.pipeline.records import Record, Records, changes


@dataclass(slots=True)
class Survey:
    """What is known of the steps so far; each is prepared once, when all that it waits for has ended."""

    pipeline: DeclaredPipeline
    records: Records
    ends: dict[str, State] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    prepared: dict[str, Prepared] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    """Steps whose result was there."""

    def look(self) -> dict[str, Standing]:
        """Where each step is, once everything that was made before has been found again."""
        while True:
            now = standings(self.pipeline.nodes, self.ends)
            new = [step for step in self.pipeline.steps if self._is_new(step, now)]
            if not new:
                return now
            for step in new:
                self._prepare(step)

    def end(self, name: str, state: State, says: str) -> None:
        """Notes how a step ended."""
        self.ends[name], self.says[name] = state, says

    def why(self, name: str) -> str:
        """Why a step that is ready runs."""
        found = self.prepared[name].found
        if found is not None:
            return "again: what it made is gone" if found.is_done else f"again: {found.says or 'it did not end'}"
        before = self.records.of(name)
        return changes(before[-1] if before else None, self.prepared[name].inputs)

    def _is_new(self, step: DeclaredStep, now: Mapping[str, Standing]) -> bool:
        return now[step.name].state is State.READY and step.name not in self.prepared

    def _prepare(self, step: DeclaredStep) -> None:
        try:
            prepared = prepare(step, self.prepared, self.records.of(step.name), self._moved())
        except RaytideError as error:
            self.end(step.name, State.FAILED, str(error))
            return
        self.prepared[step.name] = prepared
        if prepared.found is not None and is_still_there(prepared.found, prepared):
            self.reused.add(step.name)
            self.end(step.name, State(prepared.found.state), prepared.found.says)

    def _moved(self) -> dict[str, str]:
        """Where the outputs are, by the places that the jobs' files name."""
        jobs = {step.name: step.job for step in self.pipeline.steps if step.job is not None}
        return {output_of(jobs[name]): one.output for name, one in self.prepared.items() if name in jobs}


def is_still_there(record: Record, prepared: Prepared) -> bool:
    """Whether a step has ended and what it made is as it was; a promotion makes nothing that could go."""
    if not record.is_done or prepared.written is None:
        return record.is_done
    made = prepared.made()
    return made is not None and made.digest == record.digest

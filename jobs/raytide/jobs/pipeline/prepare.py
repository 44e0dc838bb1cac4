"""A step whose needs have ended, as the job that it would be: what it reads, and where it writes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.core.errors import RaytideError
from raytide.core.spec import Job
from raytide.core.spec.job import JobSpec
from raytide.core.spec.pipeline import Promotion
from raytide.jobs.artefact import sha256_of_file
from raytide.jobs.pipeline.declared import DeclaredStep
from raytide.jobs.pipeline.folders import Written, beside, output_of, reading, with_output
from raytide.jobs.pipeline.made import Made, inputs_of, made_by
from raytide.jobs.pipeline.records import Record, key_of, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A step with its inputs known."""

    name: str
    inputs: Mapping[str, str]
    found: Record | None
    """What is known of an earlier run on the same inputs."""
    written: Written | None = None
    """Spec of the job, reading and writing where this run of the pipeline does; None for a promotion."""
    command: str = ""
    """Of a promotion."""

    @property
    def key(self) -> str:
        """The inputs as one short hash."""
        return key_of(self.inputs)

    @property
    def output(self) -> str:
        """Where it writes; empty for a promotion."""
        return output_of(self.written) if self.written else ""

    @property
    def document(self) -> dict[str, Any]:
        """The job as a file has it."""
        return _document(self.name, self.written)

    def made(self) -> Made | None:
        """What lies where it writes."""
        return made_by(_spec(self.name, self.written)) if self.written else None


def prepare(
    step: DeclaredStep, upstream: Mapping[str, Prepared], records: tuple[Record, ...], moved: Mapping[str, str]
) -> Prepared:
    """The step on what the steps before it made.

    Args:
        step: All of whose needs have ended.
        upstream: Every step that has ended, by name.
        records: Of this step.
        moved: Where each output is that another step has written, by the place that its file names.

    Raises:
        RaytideError: Something that it reads is not there, or does not fit.
    """
    if step.promote is not None:
        return _promotion(step, step.promote, upstream, records)
    assert step.job is not None, "a step is a job or a promotion"
    written = reading(step.job, moved)
    inputs = inputs_of(_spec(step.name, written))
    found = matching(records, inputs)
    output = found.output if found else beside(output_of(written), key_of(inputs))
    return Prepared(name=step.name, inputs=inputs, found=found, written=with_output(written, output))


def entrypoint(prepared: Prepared, file: Path) -> str:
    """The command that runs it; `file` holds the job's document."""
    if prepared.written is None:
        return prepared.command
    return f"python -m raytide.jobs.{prepared.written['task']} {shlex.quote(str(file))}"


def _promotion(
    step: DeclaredStep, promote: Promotion, upstream: Mapping[str, Prepared], records: tuple[Record, ...]
) -> Prepared:
    made = upstream[promote.step].made()
    if made is None or made.registered is None:
        raise RaytideError(f"{promote.step} registered no model, so there is none to promote.")
    name, version = made.registered
    inputs = {"model": f"{name}@{version}", "alias": promote.alias}
    command = ["raytide", "models", "promote", name, str(version), "--alias", promote.alias]
    for key, file in {"through": promote.through, "cluster": promote.cluster}.items():
        if file is not None:
            inputs[key] = sha256_of_file(Path(file))
            command += [f"--{key}", file]
    return Prepared(name=step.name, inputs=inputs, found=matching(records, inputs), command=shlex.join(command))


def _spec(name: str, written: Written | None) -> JobSpec:
    document = Job.model_validate_json(json.dumps(_document(name, written)), strict=True)
    return document.spec


def _document(name: str, written: Written | None) -> dict[str, Any]:
    return {"apiVersion": "raytide/v1", "kind": "Job", "metadata": {"name": name}, "spec": written}

"""A pipeline with the jobs that its file names, because a pod has no other file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from raytide.core.errors import Finding, SpecError
from raytide.core.spec import Job
from raytide.core.spec.read import document_of, source_of
from raytide.core.spec.source import Source


def with_jobs(pipeline: Source, folder: Path) -> Source:
    """The pipeline with the spec of each job in the place of its file; `folder` is where those are.

    Raises:
        SpecError: with every mistake of those files.
    """
    findings: list[Finding] = []
    steps: list[dict[str, Any]] = []
    for step in pipeline.value["spec"]["steps"]:
        try:
            steps.append(_carried(step, folder))
        except SpecError as error:
            findings += error.findings
    if findings:
        raise SpecError(tuple(findings))
    return replace(pipeline, value={**pipeline.value, "spec": {**pipeline.value["spec"], "steps": steps}})


def named(pipeline: Source, folder: Path) -> tuple[Path, ...]:
    """The files of those jobs."""
    return tuple(folder / step["job"] for step in pipeline.value["spec"]["steps"] if "job" in step)


def _carried(step: dict[str, Any], folder: Path) -> dict[str, Any]:
    if "job" not in step:
        return step
    source = source_of(folder / step["job"], tuple(step.get("set", ())))
    document_of(source, (Job,))
    others = {key: value for key, value in step.items() if key not in ("job", "set")}
    return {**others, "spec": source.value["spec"]}

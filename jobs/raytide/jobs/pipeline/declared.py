"""A pipeline's file, with the jobs that it names, as steps that know what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError
from pathlib import Path
from typing import Any

from raytide.core.errors import Finding, SpecError
from raytide.core.spec import Cluster, Job, Pipeline, Service
from raytide.core.spec.base import OwnedMetadata
from raytide.core.spec.pipeline import Promotion, Step
from raytide.core.spec.read import document_of, read_as, source_of
from raytide.core.spec.source import Source
from raytide.jobs.pipeline.fit import misfits
from raytide.jobs.pipeline.folders import Written, is_within, output_of, reads
from raytide.jobs.pipeline.plan import Node, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredStep:
    """A step, and all that its file says."""

    node: Node
    job: Written | None
    """Spec of the job; None for a promotion."""
    promote: Promotion | None = None
    """Its files are absolute."""

    @property
    def name(self) -> str:
        """Of the step."""
        return self.node.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPipeline:
    """All steps, each after those that it waits for."""

    metadata: OwnedMetadata
    steps: tuple[DeclaredStep, ...]

    @property
    def name(self) -> str:
        """As in its metadata."""
        return self.metadata.name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Their order."""
        return tuple(step.node for step in self.steps)


def read_pipeline(file: Path, overrides: tuple[str, ...] = ()) -> DeclaredPipeline:
    """The pipeline that a file declares.

    Raises:
        SpecError: with every mistake of the file, of the files that it names, and of how they fit together.
    """
    source = source_of(file, overrides)
    pipeline = document_of(source, (Pipeline,))
    written, findings = _jobs(pipeline.spec.steps, file.parent, source)
    if not findings:
        findings = list(misfits(pipeline, written, source))
    if findings:
        raise SpecError(tuple(findings))
    steps = [_declared(step, written, file.parent) for step in pipeline.spec.steps]
    return DeclaredPipeline(metadata=pipeline.metadata, steps=_sorted(steps, source))


def _jobs(steps: tuple[Step, ...], folder: Path, source: Source) -> tuple[dict[str, Written], list[Finding]]:
    """The specs of all jobs by step, and what is wrong with the files of the others."""
    written: dict[str, Written] = {}
    findings: list[Finding] = []
    for index, step in enumerate(steps):
        try:
            if step.job is not None:
                written[step.name] = _of_file(folder / step.job, step.set)
            elif step.spec is not None:
                written[step.name] = source.at(("spec", "steps", index, "spec"))
            elif step.promote is not None:
                _check_files(step.promote, folder)
        except SpecError as error:
            findings += error.findings
    return written, findings


def _check_files(promote: Promotion, folder: Path) -> None:
    if promote.through:
        read_as(Service, folder / promote.through)
    if promote.cluster:
        read_as(Cluster, folder / promote.cluster)


def _of_file(file: Path, overrides: tuple[str, ...]) -> Written:
    source = source_of(file, overrides)
    document_of(source, (Job,))
    spec: Mapping[str, Any] = source.value["spec"]
    return spec


def _declared(step: Step, written: Mapping[str, Written], folder: Path) -> DeclaredStep:
    job, promote = written.get(step.name), step.promote
    upstream = {name for name, spec in written.items() if job and name != step.name and _feeds(spec, job)}
    upstream |= {promote.step} if promote else set()
    return DeclaredStep(
        node=Node(name=step.name, needs=tuple(sorted({*step.needs, *upstream})), when=step.when),
        job=job,
        promote=_absolute(promote, folder) if promote else None,
    )


def _absolute(promote: Promotion, folder: Path) -> Promotion:
    files = {"through": promote.through, "cluster": promote.cluster}
    return promote.model_copy(update={key: str((folder / file).absolute()) for key, file in files.items() if file})


def _feeds(spec: Written, reader: Written) -> bool:
    return any(is_within(path, output_of(spec)) for path in reads(reader))


def _sorted(steps: list[DeclaredStep], source: Source) -> tuple[DeclaredStep, ...]:
    by_name = {step.name: step for step in steps}
    try:
        return tuple(by_name[node.name] for node in in_order(step.node for step in steps))
    except CycleError as error:
        circle = " → ".join(map(str, error.args[1]))
        raise SpecError(
            (source.mark(("spec", "steps")).finding(f"steps that wait for each other: {circle}"),)
        ) from None

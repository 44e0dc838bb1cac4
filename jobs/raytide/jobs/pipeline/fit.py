"""Whether the steps of a pipeline fit together, beyond what each file says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raytide.core.errors import Finding
from raytide.core.spec import Pipeline
from raytide.core.spec.mark import KeyPath
from raytide.core.spec.source import Source
from raytide.jobs.pipeline.folders import Written, is_within, output_of


def misfits(pipeline: Pipeline, written: Mapping[str, Written], source: Source) -> Iterator[Finding]:
    """Each step that writes where an earlier one does, or promotes what registers no model."""
    before: dict[str, str] = {}
    for index, step in enumerate(pipeline.spec.steps):
        path: KeyPath = ("spec", "steps", index)
        if step.name in written:
            output = output_of(written[step.name])
            for other, theirs in before.items():
                if is_within(output, theirs) or is_within(theirs, output):
                    yield source.mark((*path, "name")).finding(f"it writes to {output}, as {other} does", path)
            before[step.name] = output
        if step.promote and written.get(step.promote.step, {}).get("task") != "evaluate":
            at = (*path, "promote", "step")
            yield source.mark(at).finding(
                "no step that registers a model", at, got=repr(step.promote.step), expected="an evaluate step"
            )

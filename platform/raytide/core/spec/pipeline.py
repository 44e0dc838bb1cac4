"""`kind: Pipeline`: jobs in an order, and a model that becomes production where its gate passes.

A step waits for the steps whose output it reads, by the folders that their jobs name; `needs` adds an order that no
folder says. What a step made is found again by what it was made from (`raytide.jobs.pipeline`).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import Document, Name, OwnedMetadata, Strict
from raytide.core.spec.job import JobSpec

When = Literal["passed", "refused", "ended"]


class Promotion(Strict):
    """The model that an evaluate step registered gets the alias that services name."""

    step: Name
    """The evaluate step."""
    alias: Name = "production"
    """Services that name the model by it follow at their next `raytide apply`."""
    through: str | None = Field(default=None, examples=["../services/chat.yaml"])
    """A service, relative to this file, that names the model by the alias and runs the new version first: the alias
    moves once its canary has taken all requests. Unset: the alias moves at once."""
    cluster: str | None = Field(default=None, examples=["../platform/cluster.yaml"])
    """The cluster file that the service is applied with, relative to this one."""

    @model_validator(mode="after")
    def _cluster_of_a_service(self) -> Self:
        if self.cluster and not self.through:
            raise ValueError("cluster only beside through, whose service it is for")
        return self


class Step(Strict):
    """One job, or one promotion."""

    name: Name
    job: str | None = Field(default=None, examples=["train.yaml"])
    """A file of kind Job, relative to this one."""
    set: tuple[str, ...] = Field(default=(), examples=[["spec.steps=400"]])
    """Values in place of those of `job`, as `--set` gives them."""
    spec: Annotated[JobSpec, Field(discriminator="task")] | None = None
    """The spec of a job, in place of a file."""
    promote: Promotion | None = None
    needs: tuple[Name, ...] = ()
    """Steps that must have ended, beside those whose output it reads."""
    when: When = "passed"
    """What all of them must have been: `passed`; `refused`, where at least one gate said no; `ended`, either of both.
    After a step that failed nothing runs that waits for it."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(part is not None for part in (self.job, self.spec, self.promote)) != 1:
            raise ValueError("one of job, spec and promote")
        if self.set and self.job is None:
            raise ValueError("set only beside job, whose values it replaces")
        if self.promote and self.when != "passed":
            raise ValueError("promote only with when: passed, because nothing else is registered")
        return self


class PipelineSpec(Strict):
    """Steps in any order."""

    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_are_known(self) -> Self:
        names = [step.name for step in self.steps]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"steps of different names ({', '.join(sorted(twice))} is there twice)")
        named = {need for step in self.steps for need in step.needs} | {
            step.promote.step for step in self.steps if step.promote
        }
        if unknown := named - set(names):
            raise ValueError(f"steps that exist ({', '.join(sorted(unknown))} does not; {', '.join(names)} do)")
        return self


class Pipeline(Document):
    """From a corpus to production."""

    kind: Literal["Pipeline"]
    metadata: OwnedMetadata
    spec: PipelineSpec

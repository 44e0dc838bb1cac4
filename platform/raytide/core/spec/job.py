"""`kind: Job`: one step from a corpus to a model that may be served: preprocess, train or
evaluate; or its answers to many prompts at once: infer.

A relative folder is below the storage folder (`raytide.core.home`), so a file works wherever it is submitted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raytide.core.spec.base import Document, OwnedMetadata
from raytide.core.spec.evaluate import EvaluateSpec
from raytide.core.spec.infer import InferSpec
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.core.spec.train import TrainSpec

JobSpec = PreprocessSpec | TrainSpec | EvaluateSpec | InferSpec
"""What a job does."""


class Job(Document):
    """One submitted step; `spec.task` says which."""

    kind: Literal["Job"]
    metadata: OwnedMetadata
    spec: Annotated[JobSpec, Field(discriminator="task")]

"""The documents that users write: their shapes, how they are read, and their JSON Schemas."""

from raytide.core.spec.base import Document
from raytide.core.spec.cluster import Cluster
from raytide.core.spec.job import Job
from raytide.core.spec.pipeline import Pipeline
from raytide.core.spec.read import KINDS, AnyDocument, marks_of, read, read_as
from raytide.core.spec.schema import schema_of
from raytide.core.spec.service import Service

__all__ = [
    "KINDS",
    "AnyDocument",
    "Cluster",
    "Document",
    "Job",
    "Pipeline",
    "Service",
    "marks_of",
    "read",
    "read_as",
    "schema_of",
]

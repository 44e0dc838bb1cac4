"""What hardware and models are: numbers with their sources, and what follows from them."""

from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.catalog import Catalog, load
from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.config import read_shape
from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.memory import ReplicaMemory, replica_memory, require_fit, smallest_tensor_parallel
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.models import ModelShape, assumed_shape
from raytide.core.catalog.overrides import with_overrides
from raytide.core.catalog.precision import PRECISIONS, Precision
from raytide.core.catalog.prices import Price
from raytide.core.catalog.roofline import roofline

__all__ = [
    "PRECISIONS",
    "Accelerator",
    "Catalog",
    "CatalogError",
    "EngineColumn",
    "Missing",
    "ModelShape",
    "Precision",
    "Price",
    "ReplicaMemory",
    "assumed_shape",
    "load",
    "read_shape",
    "replica_memory",
    "require_fit",
    "roofline",
    "smallest_tensor_parallel",
    "with_overrides",
]

"""`kind: Catalog`: a user's own numbers, which replace the package's one by one.

apiVersion: raytide/v1
kind: Catalog
metadata: {name: ours}
spec:
  accelerators:
    - {name: H100, prices: {on-demand: $2.10/h, spot: $0.95/h}}
  models:
    - {name: our-9b, config: models/our-9b/config.json}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raytide.core.catalog.precision import Precision
from raytide.core.spec.base import AboveZero, Document, Strict
from raytide.core.units import Bytes, Seconds, UsdPerHour

_Tera = Annotated[float, Field(gt=0)]
_Text = Annotated[str, Field(min_length=1)]


class Prices(Strict):
    """What one accelerator costs for an hour; the package's price stays where a market is left out."""

    on_demand: UsdPerHour | None = Field(default=None, alias="on-demand")
    spot: UsdPerHour | None = None
    reserved: UsdPerHour | None = None


class Tflops(Strict):
    """Dense TFLOP/s by precision; the package's figure stays where a precision is left out."""

    fp32: _Tera | None = None
    tf32: _Tera | None = None
    fp16: _Tera | None = None
    bf16: _Tera | None = None
    fp8: _Tera | None = None
    fp4: _Tera | None = None
    int8: _Tera | None = None


class OwnAccelerator(Strict):
    """Numbers of an accelerator; one that the package does not know needs its memory, bandwidth and TFLOP/s."""

    name: _Text
    memory: Annotated[Bytes, AboveZero] | None = None
    memory_bandwidth: Annotated[Bytes, AboveZero] | None = None
    """Bytes per second, as `3350GB`."""
    interconnect_bandwidth: Annotated[Bytes, AboveZero] | None = None
    """Bytes per second to its neighbours, both directions together."""
    tflops: Tflops = Tflops()
    prices: Prices = Prices()


class OwnModel(Strict):
    """A model, by its config.json."""

    name: _Text
    config: _Text
    """A Hugging Face config.json or the folder with it, relative to the file that names it."""


class OwnColumn(Strict):
    """A measured engine: seconds of an iteration, term by term."""

    model: _Text
    accelerator: _Text
    precision: Precision
    tensor_parallel: int = Field(default=1, ge=1)
    base: Annotated[Seconds, AboveZero]
    per_sequence: Seconds = 0.0
    per_root_sequence: Seconds = 0.0
    per_kv_token: Seconds = 0.0
    per_prefill_token: Annotated[Seconds, AboveZero]


class CatalogSpec(Strict):
    """What replaces the package's data."""

    accelerators: tuple[OwnAccelerator, ...] = ()
    models: tuple[OwnModel, ...] = ()
    columns: tuple[OwnColumn, ...] = ()


class Catalog(Document):
    """A user's own numbers."""

    kind: Literal["Catalog"]
    spec: CatalogSpec

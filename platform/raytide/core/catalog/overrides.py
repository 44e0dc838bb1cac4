"""A user's own numbers, in place of the package's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from raytide.core.catalog import document
from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.catalog import Catalog, load
from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.config import read_shape
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import PRECISIONS, Precision
from raytide.core.catalog.prices import Price
from raytide.core.errors import Finding, SpecError
from raytide.core.spec.cluster import Market
from raytide.core.spec.read import document_of
from raytide.core.spec.source import Source, read_text


def with_overrides(path: Path, base: Catalog | None = None) -> Catalog:
    """The catalog with the numbers of a `kind: Catalog` file in place of its own.

    Raises:
        SpecError: Something is wrong with the file; carries every finding with its place.
        CatalogError: A model's config.json cannot be read, or a column names what the catalog does not have.
    """
    source = Source.of_text(read_text(path), str(path))
    spec = document_of(source, (document.Catalog,)).spec
    before = base or load()
    if incomplete := tuple(_incomplete(spec, before, source)):
        raise SpecError(incomplete)
    accelerators = {own.name: _accelerator(own, before, path) for own in spec.accelerators}
    models = {own.name: _model(own, path) for own in spec.models}
    prices = {(price.accelerator, price.market): price for own in spec.accelerators for price in _prices(own, path)}
    after = replace(
        before,
        accelerators=MappingProxyType({**before.accelerators, **accelerators}),
        models=MappingProxyType({**before.models, **models}),
        prices=MappingProxyType({**before.prices, **prices}),
    )
    # A user's columns come first, because the first that matches is the one found.
    return replace(after, columns=(*(_column(own, after, path) for own in spec.columns), *before.columns))


def _incomplete(spec: document.CatalogSpec, base: Catalog, source: Source) -> Iterator[Finding]:
    """A finding for each accelerator that the package does not know and the file does not describe."""
    for index, own in enumerate(spec.accelerators):
        described = own.memory and own.memory_bandwidth and _tflops(own)
        if own.name not in base.accelerators and not described:
            path = ("spec", "accelerators", index, "name")
            expected = f"memory, memory_bandwidth and tflops beside it, or one of {', '.join(base.accelerators)}"
            yield source.mark(path).finding("an accelerator that is not known", path, got=own.name, expected=expected)


def _accelerator(own: document.OwnAccelerator, base: Catalog, path: Path) -> Accelerator:
    known = base.accelerators.get(own.name)
    return Accelerator(
        name=own.name,
        memory_bytes=own.memory or (known.memory_bytes if known else 0),
        memory_bandwidth_bytes_per_s=own.memory_bandwidth or (known.memory_bandwidth_bytes_per_s if known else 0),
        interconnect=known.interconnect if known else "PCIe 4.0",
        # Slots for accelerators have at least PCIe 4.0 x16.
        interconnect_bytes_per_s=own.interconnect_bandwidth or (known.interconnect_bytes_per_s if known else 64e9),
        flops_per_s=MappingProxyType({**(known.flops_per_s if known else {}), **_tflops(own)}),
        source=str(path),
    )


def _tflops(own: document.OwnAccelerator) -> dict[Precision, float]:
    return {name: tera * 1e12 for name in PRECISIONS if (tera := getattr(own.tflops, name, None)) is not None}


def _prices(own: document.OwnAccelerator, path: Path) -> Iterator[Price]:
    given: dict[Market, float | None] = {
        "on-demand": own.prices.on_demand,
        "spot": own.prices.spot,
        "reserved": own.prices.reserved,
    }
    for market, usd_per_hour in given.items():
        if usd_per_hour is not None:
            yield Price(accelerator=own.name, market=market, usd_per_hour=usd_per_hour, source=str(path))


def _model(own: document.OwnModel, path: Path) -> ModelShape:
    return replace(read_shape(path.parent / own.config), name=own.name)


def _column(own: document.OwnColumn, catalog: Catalog, path: Path) -> EngineColumn:
    return EngineColumn(
        model=catalog.model(own.model).name,
        accelerator=catalog.accelerator(own.accelerator).name,
        precision=own.precision,
        tensor_parallel=own.tensor_parallel,
        engine="measured by the user",
        base_s=own.base,
        per_sequence_s=own.per_sequence,
        per_root_sequence_s=own.per_root_sequence,
        per_kv_token_s=own.per_kv_token,
        per_prefill_token_s=own.per_prefill_token,
        loo_error=Missing(reason=f"{path} does not say it"),
        source=str(path),
    )

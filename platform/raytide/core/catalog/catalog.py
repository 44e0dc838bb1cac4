"""The catalog: everything known about accelerators, prices, models and measured engines, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from raytide.core.catalog.accelerators import Accelerator, known_accelerators
from raytide.core.catalog.columns import EngineColumn, known_columns
from raytide.core.catalog.errors import unknown
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.names import find_model, known_models
from raytide.core.catalog.precision import Precision
from raytide.core.catalog.prices import Price, known_prices
from raytide.core.catalog.roofline import roofline
from raytide.core.spec.cluster import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What is known; a name that it does not hold is a CatalogError, a fact that it does not hold is Missing."""

    accelerators: Mapping[str, Accelerator]
    models: Mapping[str, ModelShape]
    prices: Mapping[tuple[str, Market], Price]
    columns: tuple[EngineColumn, ...]

    def accelerator(self, name: str) -> Accelerator:
        """The accelerator of that name, whatever its case."""
        by_name = {key.casefold(): accelerator for key, accelerator in self.accelerators.items()}
        if name.casefold() not in by_name:
            raise unknown("accelerator", name, self.accelerators)
        return by_name[name.casefold()]

    def model(self, name: str) -> ModelShape:
        """The model that a name means, with or without organisation and fine-tuning."""
        found = find_model(name, self.models)
        if found is None:
            raise unknown("model", name, self.models)
        return found

    def price(self, accelerator: str, market: Market = "on-demand") -> Price | Missing:
        """What one accelerator costs for an hour."""
        missing = Missing(reason=f"no public {market} price of {accelerator} was checked; give your own")
        return self.prices.get((accelerator, market), missing)

    def lookup(
        self, model: str, accelerator: str, precision: Precision, tensor_parallel: int
    ) -> EngineColumn | Missing:
        """The measured column of an engine; half precisions stand for each other."""
        wanted = (self.model(model).name, self.accelerator(accelerator).name, _half(precision), tensor_parallel)
        for column in self.columns:
            if (column.model, column.accelerator, _half(column.precision), column.tensor_parallel) == wanted:
                return column
        return Missing(reason=f"nobody measured {wanted[0]} in {precision} on {tensor_parallel} x {wanted[1]} here")

    def column(self, model: ModelShape, accelerator: Accelerator, precision: Precision, size: int) -> EngineColumn:
        """The measured column where there is one, the roofline otherwise; `size` is the tensor-parallel group's."""
        if model.name in self.models:
            found = self.lookup(model.name, accelerator.name, precision, size)
            if isinstance(found, EngineColumn):
                return found
        return roofline(model, accelerator, size, precision)


@cache
def load() -> Catalog:
    """The catalog of the package's own data."""
    return Catalog(
        accelerators=known_accelerators(), models=known_models(), prices=known_prices(), columns=known_columns()
    )


def _half(precision: Precision) -> Precision:
    return "bf16" if precision == "fp16" else precision

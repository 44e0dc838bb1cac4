"""What one accelerator is: memory, bandwidth and arithmetic, as its maker states them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.precision import COMPUTES_IN, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One GPU."""

    name: str
    """As Ray labels nodes, the name that `cluster.yaml` uses."""
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    interconnect: str
    interconnect_bytes_per_s: float
    """To its neighbours in the node, both directions together."""
    flops_per_s: Mapping[Precision, float]
    """Dense, by precision; a precision that the chip does not multiply in is not there."""
    source: str

    def flops_for(self, precision: Precision) -> tuple[Precision, float]:
        """The precision in which weights of `precision` are multiplied here, and the FLOP/s of it.

        Raises:
            CatalogError: The chip multiplies in none of the precisions that would do.
        """
        for computed in COMPUTES_IN[precision]:
            if computed in self.flops_per_s:
                return computed, self.flops_per_s[computed]
        supported = ", ".join(self.flops_per_s)
        raise CatalogError(f"{self.name} does not compute {precision}; its precisions are {supported}")


@cache
def known_accelerators() -> Mapping[str, Accelerator]:
    """Every accelerator of the package's own data, by name."""
    text = files("raytide.core.catalog").joinpath("data/accelerators.toml").read_text("utf-8")
    return MappingProxyType({name: _accelerator(name, facts) for name, facts in tomllib.loads(text).items()})


def _accelerator(name: str, facts: Mapping[str, Any]) -> Accelerator:
    return Accelerator(
        name=name,
        memory_bytes=facts["memory_gb"] * 1e9,
        memory_bandwidth_bytes_per_s=facts["memory_bandwidth_gb_per_s"] * 1e9,
        interconnect=facts["interconnect"],
        interconnect_bytes_per_s=facts["interconnect_gb_per_s"] * 1e9,
        flops_per_s=MappingProxyType({precision: tera * 1e12 for precision, tera in facts["tflops"].items()}),
        source=facts["source"],
    )

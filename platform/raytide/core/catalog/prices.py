"""What an accelerator costs for an hour, by market."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from raytide.core.spec.cluster import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A list price of one accelerator with its share of the node."""

    accelerator: str
    market: Market
    usd_per_hour: float
    source: str
    as_of: date | None = None
    """A day on which the price held; None for a user's own, and where the source does not say."""
    approximate: bool = False
    """Whether it varies by zone or hour, or was not checked against a list."""


@cache
def known_prices() -> Mapping[tuple[str, Market], Price]:
    """Every price of the package's own data, by accelerator and market."""
    text = files("raytide.core.catalog").joinpath("data/prices.toml").read_text("utf-8")
    prices = [Price(**row) for row in tomllib.loads(text)["price"]]
    return MappingProxyType({(price.accelerator, price.market): price for price in prices})

"""Which declared pool a node is of, and so what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from raytide.core.spec.cluster import Pool
from raytide.services.accounting.span import UNITS, Rate
from raytide.services.ledger.money import nano_usd

_POOL, _ACCELERATOR, _MARKET = "ray.io/node-group", "ray.io/accelerator-type", "ray.io/market-type"


class PricedPool(BaseModel):
    """As much of a declared pool as its nodes are known and priced by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    accelerator: str
    market: str
    nano_usd_per_hour: int
    """Of a node."""

    @classmethod
    def of(cls, pool: Pool) -> PricedPool:
        """From the cluster file."""
        price = nano_usd(Decimal(str(pool.price)))
        return cls(name=pool.name, accelerator=pool.accelerator, market=pool.market, nano_usd_per_hour=price)


def rate_of(node: Mapping[str, Any], pools: Sequence[PricedPool]) -> Rate:
    """What a node is by its labels and resources.

    The pool is that of its label `ray.io/node-group`, else the only one of its accelerator and market: a head started
    by hand has no label.
    """
    labels, total = node["labels"] or {}, node["resources_total"]
    has_some = total.get("GPU", 0) > 0
    accelerator = labels.get(_ACCELERATOR, "GPU") if has_some else "CPU"
    pool = _pool(labels, accelerator, pools)
    return Rate(
        pool=pool.name if pool else "",
        accelerator=accelerator,
        market=pool.market if pool else labels.get(_MARKET, ""),
        units=round(total.get("GPU" if has_some else "CPU", 0) * UNITS) or UNITS,
        nano_usd_per_hour=pool.nano_usd_per_hour if pool else None,
    )


def _pool(labels: Mapping[str, str], accelerator: str, pools: Iterable[PricedPool]) -> PricedPool | None:
    named = {pool.name: pool for pool in pools}
    if own := named.get(labels.get(_POOL, "")):
        return own
    market = labels.get(_MARKET)
    alike = [pool for pool in named.values() if pool.accelerator == accelerator and market in (None, pool.market)]
    return alike[0] if len(alike) == 1 else None

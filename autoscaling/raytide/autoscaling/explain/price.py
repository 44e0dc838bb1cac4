"""What targets cost, where prices are known."""

from __future__ import annotations

from collections.abc import Mapping

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Terms, Variant


def usd_per_replica_hour(variant: Variant) -> float | Missing:
    """The price of one replica; missing with the variant's name."""
    price = variant.usd_per_hour
    return Missing(reason=f"{variant.name}: {price.reason}") if isinstance(price, Missing) else price


def usd_per_hour(targets: Mapping[str, int], terms: Terms) -> float | Missing:
    """The price of these replicas together; missing where one that is wanted has none."""
    total = 0.0
    for name, num in targets.items():
        price = usd_per_replica_hour(terms.variant(name))
        if num and isinstance(price, Missing):
            return price
        total += 0.0 if isinstance(price, Missing) else num * price
    return total

"""What stays as it is: every target where demand is missing, and those of variants of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raytide.autoscaling.observation import VariantView
from raytide.autoscaling.policy.within import Bounded, paid_usd_per_hour, prices_of, within
from raytide.autoscaling.terms import Terms


def held(views: Sequence[VariantView], terms: Terms, num_queued: int = 0) -> Bounded:
    """The targets as they are, one at least where anyone waits, within all bounds, and the reasons that bind."""
    targets = {view.name: view.target for view in views}
    missing = max(terms.min_replicas, min(1, num_queued)) - sum(targets.values())
    for view in views:
        quota = terms.variant(view.name).max_replicas
        more = max(0, missing if quota is None else min(missing, quota - view.target))
        targets[view.name] += more
        missing -= more
    return within(targets, views, terms, _dearest(views, terms))


def beside(views: Sequence[VariantView], terms: Terms) -> Terms:
    """The bounds that are left for the other variants while these stay as they are."""
    if not views:
        return terms
    num, budget = sum(view.target for view in views), terms.max_usd_per_hour
    return replace(
        terms,
        min_replicas=max(0, terms.min_replicas - num),
        max_replicas=max(0, terms.max_replicas - num),
        max_usd_per_hour=None if budget is None else max(0.0, budget - paid_usd_per_hour(views, terms)),
    )


def _dearest(views: Sequence[VariantView], terms: Terms) -> list[str]:
    prices = prices_of(terms)
    return sorted((view.name for view in views), key=lambda name: (-prices[name], name))

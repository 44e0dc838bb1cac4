"""What a user set beats what traffic wants: quotas, the most replicas and the budget hold for every decision.

What runs already and exceeds a bound that was lowered is stopped. Nothing is ordered that does not fit the budget
beside everything that is still paid for, draining replicas included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import VariantView
from raytide.autoscaling.terms import Terms

Targets = Mapping[str, int]
Bounded = tuple[dict[str, int], tuple[Reason, ...]]

_ROUNDING: Final = 1e-9
"""Of the budget, relative."""


def within(targets: Targets, views: Sequence[VariantView], terms: Terms, dearest: Sequence[str]) -> Bounded:
    """The targets within all bounds, and the reasons of those that bind; the `dearest` names give way first."""
    quoted, quota = _within_quotas(targets, terms)
    counted, most = _within_most(quoted, views, terms, dearest)
    if terms.max_usd_per_hour is None:
        return counted, (*quota, *most)
    prices, budget_usd = prices_of(terms), terms.max_usd_per_hour
    shrunk, lowered = _within_budget(counted, prices, budget_usd, dearest)
    ordered, budget = _orders_within_budget(shrunk, views, prices, budget_usd, dearest)
    return ordered, (*quota, *most, *lowered, *budget)


def prices_of(terms: Terms) -> Mapping[str, float]:
    """Dollars per hour of one replica, by variant; zero where the price is missing, because no sum can hold it."""
    prices = {variant.name: variant.usd_per_hour for variant in terms.variants}
    return {name: 0.0 if isinstance(price, Missing) else price for name, price in prices.items()}


def paid_usd_per_hour(views: Sequence[VariantView], terms: Terms) -> float:
    """What is paid for at present: ready, starting and draining replicas."""
    return _paid_usd_per_hour(views, prices_of(terms))


def _paid_usd_per_hour(views: Sequence[VariantView], prices: Mapping[str, float]) -> float:
    return sum(prices[view.name] * (view.num_ready + view.num_starting + view.num_draining) for view in views)


def _within_quotas(targets: Targets, terms: Terms) -> Bounded:
    kept, reasons = dict(targets), []
    for variant in terms.variants:
        name, quota, target = variant.name, variant.max_replicas, targets.get(variant.name, 0)
        if quota is not None and target > quota:
            kept[name] = quota
            says = f"{target} of {name} wanted, the quota is {quota}"
            reasons.append(Reason(rule=Rule.QUOTA, says=says, facts={"need": quota}))
    return kept, tuple(reasons)


def _within_most(targets: Targets, views: Sequence[VariantView], terms: Terms, dearest: Sequence[str]) -> Bounded:
    """Orders give way before what runs, so that nothing is stopped for a replica that is not there yet."""
    total = sum(targets.values())
    over = total - terms.max_replicas
    if over <= 0:
        return dict(targets), ()
    now = {view.name: view.num_ready + view.num_starting for view in views}
    kept = dict(targets)
    for floor in (now, dict.fromkeys(now, 0)):
        for name in dearest:
            cut = min(max(over, 0), max(0, kept[name] - floor[name]))
            kept[name] -= cut
            over -= cut
    says = f"{total} wanted, at most {terms.max_replicas} are declared"
    return kept, (Reason(rule=Rule.MAX_REPLICAS, says=says, facts={"need": terms.max_replicas}),)


def _within_budget(targets: Targets, prices: Mapping[str, float], budget: float, dearest: Sequence[str]) -> Bounded:
    """What runs is stopped only for a budget that it exceeds by itself: what drains is soon gone."""
    kept = dict(targets)
    over = sum(prices[name] * num for name, num in kept.items()) - budget * (1 + _ROUNDING)
    if over <= 0:
        return kept, ()
    for name in dearest:
        if over > 0 and prices[name] > 0:
            cut = math.ceil(min(kept[name], over / prices[name]))
            kept[name] -= cut
            over -= cut * prices[name]
    return kept, _budget_reason(targets, kept, budget)


def _orders_within_budget(
    targets: Targets, views: Sequence[VariantView], prices: Mapping[str, float], budget: float, dearest: Sequence[str]
) -> Bounded:
    """The cheapest orders first."""
    left, kept = budget * (1 + _ROUNDING) - _paid_usd_per_hour(views, prices), dict(targets)
    orders = {view.name: targets[view.name] - view.num_ready - view.num_starting for view in views}
    for name in reversed(dearest):
        price, ordered = prices[name], orders[name]
        if ordered > 0:
            fits = ordered if price <= 0 else int(min(ordered, max(0.0, left) / price))
            kept[name] -= ordered - fits
            left -= fits * price
    return kept, _budget_reason(targets, kept, budget)


def _budget_reason(wanted: Targets, kept: Targets, budget: float) -> tuple[Reason, ...]:
    if wanted == kept:
        return ()
    says = f"the budget of ${budget:g}/h allows {sum(kept.values())} of {sum(wanted.values())}"
    return (Reason(rule=Rule.BUDGET, says=says, facts={"need": sum(kept.values())}),)

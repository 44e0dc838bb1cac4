"""A decision as metrics: the same facts that the journal has, as numbers that a dashboard can plot.

The numbers are made here, without Ray; `Gauges` hands them over, and Ray exports each with the prefix `ray_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from raytide.autoscaling.decision import Decision, Rule
from raytide.autoscaling.explain.facts import forecast_facts
from raytide.autoscaling.explain.price import usd_per_hour
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Terms

NAMES: Final[Mapping[str, str]] = {
    "raytide_desired_replicas": "Replicas that the latest decision wants, by variant.",
    "raytide_usd_per_hour": "Price of the wanted replicas of a variant; absent where a price is missing.",
    "raytide_predicted_attainment": "Share of requests that the wanted size is predicted to serve in time.",
    "raytide_forecast_replicas": "Work expected when an order of now serves, in replicas, by quantile.",
    "raytide_binding_constraint": "1 for the rule that set the size, 0 for the others.",
    "raytide_served_share": "Share of each traffic class that is let in.",
}
"""Every metric and what it says; all have the tag `service`."""

_QUANTILES: Final = {"0.5": "need_q50", "0.9": "need_q90", "0.99": "need_q99"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One value of one metric."""

    name: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


def measures_of(decision: Decision, terms: Terms) -> Iterator[Measure]:
    """What one decision says; what it does not know is left out, never zero."""
    for each in decision.variants:
        tags = {"variant": each.variant}
        yield Measure(name="raytide_desired_replicas", value=float(each.target), tags=tags)
        usd = usd_per_hour({each.variant: each.target}, terms)
        if not isinstance(usd, Missing):
            yield Measure(name="raytide_usd_per_hour", value=usd, tags=tags)
    yield from _forecast(decision)
    if decision.variants:
        binding = decision.variants[0].binding.rule
        for rule in Rule:
            yield Measure(name="raytide_binding_constraint", value=float(rule is binding), tags={"rule": str(rule)})
    for name, share in decision.served.items():
        yield Measure(name="raytide_served_share", value=share, tags={"class": name})


def _forecast(decision: Decision) -> Iterator[Measure]:
    facts = forecast_facts(decision)
    if facts is None:
        return
    yield Measure(name="raytide_predicted_attainment", value=1.0 - facts["missing_share"])
    for quantile, fact in _QUANTILES.items():
        yield Measure(name="raytide_forecast_replicas", value=facts[fact], tags={"quantile": quantile})

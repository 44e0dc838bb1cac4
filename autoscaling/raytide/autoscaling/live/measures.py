"""A decision as metrics: the same facts that the journal has, as numbers that a dashboard can plot.

The numbers are made here, without Ray; `Metrics` hands them over, and Ray exports each with the prefix `ray_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from raytide.autoscaling.decision import Decision, Rule
from raytide.autoscaling.explain.facts import forecast_facts
from raytide.autoscaling.explain.price import usd_per_hour
from raytide.autoscaling.forecast.ensemble import JUDGED_Q, coverage
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms

NAMES: Final[Mapping[str, str]] = {
    "raytide_desired_replicas": "Replicas that the latest decision wants, by variant.",
    "raytide_usd_per_hour": "Price of the wanted replicas of a variant; absent where a price is missing.",
    "raytide_predicted_attainment": "Share of requests that the wanted size is predicted to serve in time.",
    "raytide_forecast_replicas": "Work expected when an order of now serves, in replicas, by quantile.",
    "raytide_forecast_coverage": "Share of requests that met no more work than was forecast at this quantile a start "
    "before, the last 90 minutes weighing half.",
    "raytide_binding_constraint": "1 for the rule that set the size, 0 for the others.",
    "raytide_served_share": "Share of each traffic class that is let in.",
    "raytide_learnt_cold_start_seconds": "From an order to a replica that serves, as learnt; absent until a start was "
    "seen.",
}
"""Every gauge and what it says; all have the tag `service`."""

COUNTED: Final[Mapping[str, str]] = {
    "raytide_cold_starts": "Replicas that became ready, and that ended before although they were wanted.",
    "raytide_cold_start_seconds": "From the order to the first moment of serving, of those that became ready.",
    "raytide_lost_replicas": "Replicas that served and are gone, although they were wanted.",
}
"""Every counter and what it says; all have the tag `service`."""

_QUANTILES: Final = {"0.5": "need_q50", "0.9": "need_q90", "0.99": "need_q99"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One value of one metric."""

    name: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


def measures_of(decision: Decision, known: Knowledge, terms: Terms) -> Iterator[Measure]:
    """What one decision says, and what it was `known` by; what it does not know is left out, never zero."""
    for each in decision.variants:
        tags = {"variant": each.variant}
        yield Measure(name="raytide_desired_replicas", value=float(each.target), tags=tags)
        usd = usd_per_hour({each.variant: each.target}, terms)
        if not isinstance(usd, Missing):
            yield Measure(name="raytide_usd_per_hour", value=usd, tags=tags)
    yield from _forecast(decision)
    yield from _learnt(known)
    if decision.variants:
        binding = decision.variants[0].binding.rule
        for rule in Rule:
            yield Measure(name="raytide_binding_constraint", value=float(rule is binding), tags={"rule": str(rule)})
    for name, share in decision.served.items():
        yield Measure(name="raytide_served_share", value=share, tags={"class": name})


def counts_of(seen: Observation) -> Iterator[Measure]:
    """What has happened to replicas since the observation before: what is to be added, none of it zero."""
    for view in seen.variants:
        for name, value, tags in _happened(view):
            if value:
                yield Measure(name=name, value=value, tags={"variant": view.name, **tags})


def _happened(view: VariantView) -> Iterator[tuple[str, float, dict[str, str]]]:
    yield "raytide_cold_starts", float(len(view.became_ready_after_s)), {"outcome": "ready"}
    yield "raytide_cold_starts", float(view.num_failed_starts), {"outcome": "failed"}
    yield "raytide_cold_start_seconds", sum(view.became_ready_after_s), {}
    yield "raytide_lost_replicas", float(view.num_preempted), {}


def _learnt(known: Knowledge) -> Iterator[Measure]:
    covered = coverage(known.forecast)
    if covered is not None:
        yield Measure(name="raytide_forecast_coverage", value=covered, tags={"quantile": f"{JUDGED_Q:g}"})
    for variant, took_s in known.cold_starts_s.items():
        yield Measure(name="raytide_learnt_cold_start_seconds", value=took_s, tags={"variant": variant})


def _forecast(decision: Decision) -> Iterator[Measure]:
    facts = forecast_facts(decision)
    if facts is None:
        return
    yield Measure(name="raytide_predicted_attainment", value=1.0 - facts["missing_share"])
    for quantile, fact in _QUANTILES.items():
        yield Measure(name="raytide_forecast_replicas", value=facts[fact], tags={"quantile": quantile})

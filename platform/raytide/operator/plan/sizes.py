"""How large a service may get, what that costs, and what share of the present traffic each size would serve in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raytide.autoscaling.explain.price import usd_per_hour
from raytide.autoscaling.explain.recent import Recent
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.capacity import Infeasible, highest_rate
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.latency import attainment
from raytide.autoscaling.performance.workload import Workload
from raytide.autoscaling.terms import Terms, Variant

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """So many replicas, as a mix of variants."""

    replicas: Counts
    """By variant."""
    gpus: int
    usd_per_hour: float | Missing
    attainment: float | Missing
    """Predicted for the traffic of the last ten minutes, as if it came at random (Poisson arrivals)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The bounds of a service, and where it stands between them."""

    fewest: Size
    """At the lowest price."""
    now: Size | Missing
    most: Size
    """At the highest price within the budget."""


def terms_of(application: Mapping[str, Any]) -> Terms:
    """What the brain of an application is told."""
    brain = next(entry for entry in application["deployments"] if entry["name"] == BRAIN)
    return BrainSettings.from_user_config(brain["user_config"]).terms


def sizes_of(application: Mapping[str, Any], running: Counts | Missing, recent: Recent | Missing) -> Sizes:
    """The sizes of an application; one that runs already stays as large as its bounds let it."""
    terms = terms_of(application)
    gpus = {one["name"]: one["num_gpus"] * one.get("num_nodes", 1) for one in application["args"]["variants"]}

    def size(counts: Counts) -> Size:
        return Size(
            replicas={name: num for name, num in counts.items() if num},
            gpus=sum(gpus.get(name, 0) * num for name, num in counts.items()),
            usd_per_hour=usd_per_hour(counts, terms),
            attainment=predicted(counts, terms, recent),
        )

    fewest, most = _filled(_cheapest(terms), terms, terms.min_replicas), _most(terms)
    now = running if isinstance(running, Missing) else size(_within(running, fewest, terms))
    return Sizes(fewest=size(fewest), now=now, most=size(most))


def predicted(counts: Counts, terms: Terms, recent: Recent | Missing) -> float | Missing:
    """The share of requests within the objective; each variant takes the part of the load that it is as fast as."""
    if isinstance(recent, Missing):
        return recent
    if isinstance(recent.workload, Missing):
        return recent.workload
    wanted = {name: num for name, num in counts.items() if num}
    if not wanted:
        return Missing(reason="no replica runs, and the first request waits for one")
    engines = {name: _engine(terms.variant(name), recent) for name in wanted}
    unknown = next((engine for engine in engines.values() if isinstance(engine, Missing)), None)
    if unknown is not None:
        return unknown
    known = {name: engine for name, engine in engines.items() if not isinstance(engine, Missing)}
    return _shared(wanted, known, recent.workload, terms)


def _shared(counts: Counts, engines: Mapping[str, Engine], workload: Workload, terms: Terms) -> float:
    bears = {name: num * _rate(engines[name], workload, terms) for name, num in counts.items()}
    total = sum(bears.values())
    if not total:
        return 0.0
    return sum(
        part / total * attainment(
            engines[name], workload.at_rate(workload.requests_per_s * part / total), counts[name], terms.objective
        )
        for name, part in bears.items()
        if part
    )  # fmt: skip


def _rate(engine: Engine, workload: Workload, terms: Terms) -> float:
    found = highest_rate(engine, workload, terms.objective)
    return 0.0 if isinstance(found, Infeasible) else found.requests_per_s


def _engine(variant: Variant, recent: Recent) -> Engine | Missing:
    return recent.engines.get(variant.name, variant.engine)


def _cheapest(terms: Terms) -> list[Variant]:
    """By price, those without one last."""
    return sorted(terms.variants, key=_price)


def _price(variant: Variant) -> float:
    return float("inf") if isinstance(variant.usd_per_hour, Missing) else variant.usd_per_hour


def _filled(offers: Sequence[Variant], terms: Terms, num: int) -> dict[str, int]:
    """So many replicas, from these variants in their order as far as the quota of each goes."""
    counts: dict[str, int] = {}
    for variant in offers:
        quota = terms.max_replicas if variant.max_replicas is None else variant.max_replicas
        counts[variant.name] = min(num, quota)
        num -= counts[variant.name]
    return counts


def _most(terms: Terms) -> dict[str, int]:
    """As many of the dearest as bounds and budget allow; the budget takes the dearest away again."""
    dearest = _cheapest(terms)[::-1]
    counts, budget = _filled(dearest, terms, terms.max_replicas), terms.max_usd_per_hour
    for variant in dearest:
        while budget is not None and counts[variant.name] and _usd(counts, terms) > budget + 1e-9:
            counts[variant.name] -= 1
    return counts


def _usd(counts: Counts, terms: Terms) -> float:
    price = usd_per_hour(counts, terms)
    return 0.0 if isinstance(price, Missing) else price


def _within(running: Counts, fewest: Counts, terms: Terms) -> Counts:
    """What runs, of the variants that are still declared, within the new bounds."""
    kept = {variant.name: running.get(variant.name, 0) for variant in terms.variants}
    over = sum(kept.values()) - terms.max_replicas
    for variant in _cheapest(terms)[::-1]:
        cut = min(max(over, 0), kept[variant.name])
        kept[variant.name] -= cut
        over -= cut
    return kept if sum(kept.values()) >= terms.min_replicas else fewest

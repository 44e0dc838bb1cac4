"""From an observation to knowledge: work, forecast, what replicas bear, how long nothing was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from raytide.autoscaling.forecast import ensemble
from raytide.autoscaling.forecast.ensemble import Forecast
from raytide.autoscaling.forecast.work import Seconds, add, nothing_yet
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.replicas import (
    billed_after,
    breakers_after,
    calibrations_after,
    cold_starts_after,
    preemptions_after,
)
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.shed import class_work_after, share_let_in
from raytide.autoscaling.policy.stretch import unstretched
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.policy.worth import nothing_learnt
from raytide.autoscaling.terms import Terms

_RATE_S: Final = 600.0
_KEPT_NEEDS: Final = 120
_KEPT_GAPS: Final = 64
_LEAST_READY: Final = 0.5
"""Work that is said to be served where no replica is ready: a load of nothing over nothing teaches nothing."""


def begin(terms: Terms, settings: Settings) -> Knowledge:
    """Nothing learnt yet."""
    return Knowledge(
        work=nothing_yet(),
        forecast=ensemble.begin(float(max(terms.max_replicas, 1)), settings.half_life_s),
        stretch=unstretched(settings.stretch_half_life_s, 1.0 - terms.objective.attainment),
        worth=nothing_learnt(settings.half_life_s),
    )


def learn(
    known: Knowledge,
    demand: Demand,
    supplies: tuple[Supply, ...],
    terms: Terms,
    settings: Settings,
    now_s: float,
    interval_s: float,
) -> Knowledge:
    """Everything that this observation teaches."""
    work, seconds = add(known.work, demand, supplies[0].engine, terms.objective)
    lead_s = max(supply.cold_start_s for supply in supplies) + settings.margin_s
    num_due = max(1, round(lead_s / interval_s))
    ready = max(_LEAST_READY, sum(supply.view.num_ready * supply.bears for supply in supplies))
    elapsed_s = float(len(seconds.work))
    missed = demand.finished.num - demand.finished.attained
    let_in = share_let_in(work, demand, supplies[0].engine)
    idle_since_s, idle_gaps_s = _idleness(known, demand, supplies, now_s)
    forecast = ensemble.update(known.forecast, seconds, now_s=now_s, lead_s=lead_s, num_due=num_due)
    return replace(
        known,
        work=work,
        forecast=forecast,
        stretch=known.stretch.after(elapsed_s, let_in * seconds.need / ready, let_in * seconds.arrivals, missed),
        requests_per_s=_rate(known.requests_per_s, demand),
        needs=(*known.needs, float(seconds.need.max(initial=0.0)))[-_KEPT_NEEDS:],
        last_span_s=elapsed_s,
        idle_since_s=idle_since_s,
        idle_gaps_s=idle_gaps_s,
        cold_starts_s=cold_starts_after(known, supplies),
        breakers=breakers_after(known, supplies, now_s),
        calibrations=calibrations_after(known, supplies),
        preempted_per_hour=preemptions_after(known, supplies, demand.span_s),
        class_work=class_work_after(known.class_work, work, demand, supplies[0].engine),
        soon=_soon_after(known, forecast, seconds, supplies, terms, settings, now_s, interval_s),
        billed_until_s=billed_after(known, supplies, now_s),
        num_missing=0,
    )


def _soon_after(
    known: Knowledge,
    later: Forecast,
    seconds: Seconds,
    supplies: tuple[Supply, ...],
    terms: Terms,
    settings: Settings,
    now_s: float,
    interval_s: float,
) -> Forecast | None:
    """The forecast at the shortest lead; one variant has no other than its own."""
    if len(supplies) == 1:
        return None
    lead_s = min(supply.cold_start_s for supply in supplies) + settings.margin_s
    before = known.soon or begin(terms, settings).forecast
    num_due = max(1, round(lead_s / interval_s))
    return ensemble.update(before, seconds, now_s=now_s, lead_s=lead_s, num_due=num_due, beside=later)


def _rate(before: float, demand: Demand) -> float:
    """Requests per second, averaged over the last ten minutes or so."""
    if demand.span_s <= 0:
        return before
    now = demand.num_arrivals / demand.span_s
    return now if before == 0 else before + (now - before) * min(1.0, demand.span_s / _RATE_S)


def _idleness(
    known: Knowledge, demand: Demand, supplies: tuple[Supply, ...], now_s: float
) -> tuple[float | None, tuple[float, ...]]:
    """Since when nothing was asked for, none where something is; and how long the latest idle times lasted."""
    if demand.num_arrivals == 0 and not any(_is_busy(supply) for supply in supplies):
        return now_s if known.idle_since_s is None else known.idle_since_s, known.idle_gaps_s
    ended = () if known.idle_since_s is None else (now_s - known.idle_since_s,)
    return None, (*known.idle_gaps_s, *ended)[-_KEPT_GAPS:]


def _is_busy(supply: Supply) -> bool:
    """Whether something runs or waits; a ready replica of which nothing is known may be busy."""
    gauges = supply.view.gauges
    if isinstance(gauges, Missing):
        return supply.view.num_ready > 0
    return int(gauges.running.sum() + gauges.waiting.sum()) > 0

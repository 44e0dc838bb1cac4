"""The explanation of a recorded decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.explain.explanation import Alternative, Explanation, Outlook, SeenVariant, Target, Traffic
from raytide.autoscaling.explain.facts import forecast_facts
from raytide.autoscaling.explain.moment import Moment
from raytide.autoscaling.explain.price import usd_per_hour, usd_per_replica_hour
from raytide.autoscaling.explain.whatif import counterfactuals
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Observation, VariantView
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.terms import Terms

_SHARES: Final = ((-1, "missing_share_one_fewer"), (0, "missing_share"), (1, "missing_share_one_more"))


def explain(moment: Moment) -> Explanation:
    """What was seen, expected, weighed and decided, and what would have changed it."""
    entry, decision = moment.entry, moment.entry.decision
    would, would_not = counterfactuals(moment)
    reasons = decision.variants[0].reasons if decision.variants else ()
    return Explanation(
        at_s=decision.at_s,
        targets=tuple(_targets(decision, entry.terms)),
        usd_per_hour=usd_per_hour({each.variant: each.target for each in decision.variants}, entry.terms),
        binding=reasons[-1] if reasons else Missing(reason="the service runs no variant"),
        reasons=(*reasons, *decision.reasons),
        traffic=_traffic(entry.observation),
        queued=entry.observation.num_queued,
        seen=tuple(_seen(view, entry.terms) for view in entry.observation.variants),
        outlook=_outlook(decision, moment.known, entry.terms, entry.policy.settings),
        alternatives=tuple(_alternatives(decision, entry.terms)),
        would_change=would,
        would_not_change=would_not,
        served={name: share for name, share in decision.served.items() if share < 1},
    )


def _targets(decision: Decision, terms: Terms) -> Iterator[Target]:
    for each in decision.variants:
        usd = usd_per_hour({each.variant: each.target}, terms)
        yield Target(variant=each.variant, previous=each.previous, target=each.target, usd_per_hour=usd)


def _traffic(observation: Observation) -> Traffic | Missing:
    demand = observation.demand
    if isinstance(demand, Missing):
        return demand
    finished = demand.finished
    return Traffic(
        span_s=demand.span_s,
        arrivals_per_s=demand.num_arrivals / demand.span_s if demand.span_s else 0.0,
        prompt_tokens=_mean(finished.prompt_tokens, demand),
        output_tokens=_mean(finished.output_tokens, demand),
        finished=finished.num,
        attained=finished.attained,
        missed_ttft=finished.missed_ttft,
        missed_tpot=finished.missed_tpot,
        errors=finished.errors,
    )


def _mean(total: float, demand: Demand) -> float | Missing:
    return total / demand.finished.num if demand.finished.num else Missing(reason="no request finished")


def _seen(view: VariantView, terms: Terms) -> SeenVariant:
    gauges = view.gauges
    return SeenVariant(
        variant=view.name,
        ready=view.num_ready,
        starting=view.num_starting,
        draining=view.num_draining,
        running=int(gauges.running.sum()) if isinstance(gauges, Gauges) else gauges,
        waiting=int(gauges.waiting.sum()) if isinstance(gauges, Gauges) else gauges,
        usd_per_hour=terms.variant(view.name).usd_per_hour,
    )


def _outlook(decision: Decision, known: Knowledge, terms: Terms, settings: Settings) -> Outlook | Missing:
    facts = forecast_facts(decision)
    if facts is None:
        return _no_forecast(decision)
    starts = [known.cold_starts_s.get(variant.name, variant.cold_start_s) for variant in terms.variants]
    return Outlook(
        lead_s=max(starts) + settings.margin_s,
        requests_per_s=facts["requests_per_s"],
        need_q50=facts["need_q50"],
        need_q90=facts["need_q90"],
        need_q99=facts["need_q99"],
    )


def _no_forecast(decision: Decision) -> Missing:
    reasons = decision.variants[0].reasons if decision.variants else ()
    return Missing(reason=reasons[0].says if reasons else "the service runs no variant")


def _alternatives(decision: Decision, terms: Terms) -> Iterator[Alternative]:
    facts = forecast_facts(decision)
    if facts is None:
        return
    price, need = usd_per_replica_hour(terms.variants[0]), int(facts["need"])
    for more, share in _SHARES:
        if need + more >= 0:
            usd = price if isinstance(price, Missing) else (need + more) * price
            yield Alternative(replicas=need + more, missing_share=facts[share], usd_per_hour=usd, chosen=more == 0)

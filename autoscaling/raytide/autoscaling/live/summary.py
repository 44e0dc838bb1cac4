"""What `raytide status` shows of a service: the last observation and the decisions, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.latency import NO_LATENCIES, Latencies
from raytide.autoscaling.live.ledger import Ledger
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Observation, VariantView
from raytide.autoscaling.terms import Terms

STATUS_PATH: Final = "/raytide/status"
"""Where a gateway answers it, for `?service=NAME`."""


def summarise(
    terms: Terms, ledger: Ledger, capacities: Mapping[str, Capacity | Missing], learnt_s: Mapping[str, float]
) -> dict[str, Any]:
    """`variants` and `traffic` as last seen, `decisions` oldest first; an unknown value is `{"missing": reason}`.

    `learnt_s` are the cold starts of those variants that some were seen of.
    """
    seen = ledger.last
    return {
        "at_s": seen.at_s if seen else None,
        "variants": [
            _variant(view, terms, capacities[view.name], learnt_s) for view in (seen.variants if seen else ())
        ],
        "traffic": _traffic(seen, ledger.demands, terms),
        "decisions": ledger.records,
        "attainment": {
            "share": _plain(ledger.kept.share),
            "wanted": terms.objective.attainment,
            "requests": ledger.kept.num,
        },
        "replica_seconds": round(ledger.spend.replica_seconds, 1),
        "usd": round(ledger.spend.usd, 6),
    }


def _variant(
    view: VariantView, terms: Terms, capacity: Capacity | Missing, learnt_s: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "name": view.name,
        "ready": view.num_ready,
        "starting": view.num_starting,
        "target": view.target,
        "cold_start_s": round(learnt_s.get(view.name, terms.variant(view.name).cold_start_s), 1),
        "cold_start_is_learnt": view.name in learnt_s,
        "usd_per_hour": _plain(terms.variant(view.name).usd_per_hour),
        "capacity": _plain(capacity if isinstance(capacity, Missing) else capacity.to_json()),
    }


def _traffic(seen: Observation | None, demands: Sequence[Demand], terms: Terms) -> dict[str, Any]:
    """Of the last minute, with the latencies at the quantile that the objective names."""
    if seen is None:
        return {"missing": "nothing was observed yet"}
    if isinstance(seen.demand, Missing):
        return {"missing": seen.demand.reason}
    quantile = terms.objective.attainment
    span_s = sum(demand.span_s for demand in demands)
    num = sum(demand.num_arrivals for demand in demands)
    finished = [demand.finished for demand in demands]
    num_finished = sum(each.num for each in finished)
    gauges = [view.gauges for view in seen.variants if isinstance(view.gauges, Gauges)]
    return {
        "arrivals_per_s": round(num / span_s, 3) if span_s else 0.0,
        "prompt_tokens": round(sum(each.prompt_tokens for each in finished) / max(1, num_finished), 1),
        "output_tokens": round(sum(each.output_tokens for each in finished) / max(1, num_finished), 1),
        "running": int(sum(each.running.sum() for each in gauges)),
        "waiting": int(sum(each.waiting.sum() for each in gauges)),
        "errors": sum(each.errors for each in finished),
        "finished": num_finished,
        f"ttft_p{quantile * 100:g}_s": _plain(_together(demand.ttft for demand in demands).quantile(quantile)),
        f"tpot_p{quantile * 100:g}_s": _plain(_together(demand.tpot for demand in demands).quantile(quantile)),
    }


def _together(latencies: Any) -> Latencies:
    return sum(latencies, start=NO_LATENCIES)


def _plain(value: Any) -> Any:
    return {"missing": value.reason} if isinstance(value, Missing) else value

"""What `raytide status` shows of a service: the last observation and the decisions, as plain data."""

from __future__ import annotations

from typing import Any

from raytide.autoscaling.live.ledger import Ledger
from raytide.autoscaling.live.reports import Observation, Traffic, VariantView, quantile
from raytide.autoscaling.live.sizing import Limits
from raytide.autoscaling.missing import Missing


def summarise(limits: Limits, observation: Observation | None, ledger: Ledger) -> dict[str, Any]:
    """`variants` as last seen, `decisions` oldest first, and the spend; an unknown value is `{"missing": reason}`."""
    views = observation.variants if observation else ()
    return {
        "at_s": observation.at_s if observation else None,
        "variants": [_variant(view, limits) for view in views],
        "decisions": ledger.records,
        "attainment": {
            "share": _plain(ledger.attainment.share),
            "wanted": limits.attainment,
            "judged": ledger.attainment.judged,
        },
        "replica_seconds": round(ledger.spend.replica_seconds, 1),
        "usd": round(ledger.spend.usd, 6),
    }


def _variant(view: VariantView, limits: Limits) -> dict[str, Any]:
    capacity = view.capacity if isinstance(view.capacity, Missing) else view.capacity.to_json()
    traffic = view.traffic if isinstance(view.traffic, Missing) else _traffic(view.traffic, limits)
    return {
        "name": view.name,
        "ready": view.num_ready,
        "starting": view.num_starting,
        "target": view.target,
        "usd_per_hour": _plain(view.usd_per_hour),
        "capacity": _plain(capacity),
        "traffic": _plain(traffic),
    }


def _traffic(traffic: Traffic, limits: Limits) -> dict[str, Any]:
    ttft = quantile((sample.ttft_s for sample in traffic.samples), limits.ttft.quantile)
    tpot = quantile((sample.tpot_s for sample in traffic.samples), limits.tpot.quantile)
    return {
        "arrivals_per_s": round(traffic.arrivals_per_s, 3),
        "prompt_tokens": round(traffic.prompt_tokens, 1),
        "output_tokens": round(traffic.output_tokens, 1),
        "running": traffic.running,
        "waiting": traffic.waiting,
        "errors": traffic.errors,
        "finished": len(traffic.samples),
        f"ttft_p{limits.ttft.quantile * 100:.0f}_s": _plain(ttft),
        f"tpot_p{limits.tpot.quantile * 100:.0f}_s": _plain(tpot),
    }


def _plain(value: Any) -> Any:
    return {"missing": value.reason} if isinstance(value, Missing) else value

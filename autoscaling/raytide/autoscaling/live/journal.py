"""A decision as one line of JSON: what the journal file holds, `raytide status` shows and a reader can follow."""

from __future__ import annotations

import json
from typing import Any

from raytide.autoscaling.decision import Reason
from raytide.autoscaling.live.decided import Decision, VariantDecision


def record(decision: Decision) -> list[dict[str, Any]]:
    """One plain record per variant, with every number that the decision rests on."""
    return [_variant_record(decision.at_s, variant) for variant in decision.variants]


def line(entry: dict[str, Any]) -> str:
    """The record as one JSON line, keys in a fixed order."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":")) + "\n"


def _variant_record(at_s: float, variant: VariantDecision) -> dict[str, Any]:
    return {
        "at_s": round(at_s, 3),
        "variant": variant.variant,
        "previous": variant.previous,
        "target": variant.target,
        "rule": str(variant.binding.rule),
        "usd_per_hour": variant.usd_per_hour,
        "reasons": [_reason_record(reason) for reason in variant.reasons],
    }


def _reason_record(reason: Reason) -> dict[str, Any]:
    return {
        "rule": str(reason.rule),
        "says": reason.says,
        "facts": {k: round(v, 4) for k, v in reason.facts.items()},
    }

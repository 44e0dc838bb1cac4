"""The numbers that a decision recorded of its forecast."""

from __future__ import annotations

from collections.abc import Mapping

from raytide.autoscaling.decision import Decision, Rule


def forecast_facts(decision: Decision) -> Mapping[str, float] | None:
    """What the demand rule recorded; None where it had no forecast to record, and where the decision was held."""
    reasons = decision.variants[0].reasons if decision.variants else ()
    return next((one.facts for one in reasons if one.rule is Rule.DEMAND and "missing_share" in one.facts), None)

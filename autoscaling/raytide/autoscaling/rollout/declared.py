"""From a declared service to the rules of its rollouts, and from a registered model's metrics to its quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import Quality, Rival
from raytide.autoscaling.rollout.gate import Gate
from raytide.autoscaling.rollout.rollout import Canary
from raytide.core.spec.service import Service

PRODUCTION: Final = "production_"
"""Begins the names of what the model in production scored beside it."""
METRIC: Final = "bits_per_byte"
"""Of the evaluate job: unlike perplexity it compares models with different tokenizers."""


def canary_of(service: Service) -> Canary | None:
    """The declared canary; None where a new revision takes over at once."""
    if service.spec.rollout is None:
        return None
    declared = service.spec.rollout.canary
    gate = Gate(
        error_rate=declared.gate.error_rate,
        objectives=1.0 - service.spec.objectives.attainment if declared.gate.objectives else None,
        quality=Gate().quality if declared.gate.quality == "no-worse" else None,
    )
    return Canary(steps=declared.steps, hold_s=declared.hold, patience_s=declared.patience, gate=gate)


def quality_of(metrics: Mapping[str, float], data_hash: str | None, production: str | None = None) -> Quality | Missing:
    """The quality that the registry has of a model version; missing where it was not evaluated.

    `production` is the model that was evaluated beside it on the same data.
    """
    if METRIC not in metrics or data_hash is None:
        return Missing(reason="the registry has no evaluation of it")
    rival = None
    if production is not None and PRODUCTION + METRIC in metrics:
        rival = Rival(model=production, value=metrics[PRODUCTION + METRIC])
    return Quality(metric=METRIC, value=metrics[METRIC], data=data_hash, rival=rival)

"""The policy that Serve's controller calls, ten times a second, in its event loop.

It only hands over the brain's latest decision, which reaches the controller as the brain's autoscaling metrics: Ray
carries it, so nothing here waits, reads a file or opens a connection. A decision that is missing or old means: keep
what runs. It must not raise, because one exception stops the state updates of its application and of all later ones
(ray 2.60, `ApplicationStateManager.update`). It imports nothing of raytide, because Ray ships it by value to a
controller that may not have raytide installed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

BRAIN = "Brain"
"""Name of the brain's deployment in every application."""
AGE = "decision_age_s"
"""Metric: age of the latest decision when the brain reported it."""
TARGET = "target:"
"""Prefix of the metrics with a wanted number of replicas; the deployment's name follows."""

_log = logging.getLogger("ray.serve")


def follow(
    contexts: Mapping[Any, Any], stale_after_s: float = 15.0
) -> tuple[dict[Any, int], dict[Any, dict[str, Any]]]:
    """The wanted replicas of every deployment that the brain decided on; the present ones where it is silent."""
    try:
        return _targets(contexts, stale_after_s), {}
    except Exception:
        _log.exception("raytide: the decision could not be read; every deployment keeps its size")
        return {}, {}


def _targets(contexts: Mapping[Any, Any], stale_after_s: float) -> dict[Any, int]:
    brain = next((context for key, context in contexts.items() if key.name == BRAIN), None)
    wanted = _latest_decision(brain, stale_after_s) if brain is not None else {}
    followers = {key: context for key, context in contexts.items() if key.name != BRAIN}
    return {key: wanted.get(key.name, context.target_num_replicas) for key, context in followers.items()}


def _latest_decision(brain: Any, stale_after_s: float) -> dict[str, int]:
    latest = {
        name: max(
            (series[-1] for series in by_replica.values() if series),
            key=lambda point: point.timestamp,
            default=None,
        )
        for name, by_replica in brain.raw_metrics.items()
    }
    age = latest.get(AGE)
    if age is None or age.value + (brain.current_time - age.timestamp) > stale_after_s:
        return {}
    return {
        name.removeprefix(TARGET): int(point.value)
        for name, point in latest.items()
        if name.startswith(TARGET) and point is not None
    }

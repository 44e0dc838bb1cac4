"""KEDA: a metric per replica, acted on by the HorizontalPodAutoscaler, and the step between zero replicas and one.

Source: kedacore/keda, pkg/scaling/executor/scale_scaledobjects.go (activation, cooldown), and `hpa` for the rest.

    desired = max(1, min)         from 0, as soon as there are requests
    desired = HPA(⌈m/t⌉)          otherwise, never below 1
    desired = 0                   after 300 s (`cooldownPeriod`) without a request, where the minimum is 0

Activity is any request in the service: the keep-alive trigger that guides add where they scale to zero.
Simplified: the metric is read at every sync of the HPA (15 s); KEDA polls itself only for the step from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.observation import VariantView
from raytide.autoscaling.simulate.baselines.hpa import (
    DEFAULT_BEHAVIOUR,
    NO_SCALING,
    Behaviour,
    Pace,
    Scaling,
    paced,
    per_pod,
)
from raytide.autoscaling.terms import Terms

SYNC_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What KEDA and the HPA remember."""

    scaling: Scaling = NO_SCALING
    active_at_s: float
    """When there were requests last."""


def begin(now_s: float) -> Scaled:
    """A start beside whatever runs: active just now."""
    return Scaled(active_at_s=now_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keda:
    """A ScaledObject with one trigger of type AverageValue."""

    per_replica: float
    """Metric that each replica should carry."""
    behaviour: Behaviour = DEFAULT_BEHAVIOUR
    cooldown_s: float = 300.0

    @classmethod
    def paced(cls, per_replica: float, scale_down_after_s: float) -> Keda:
        """With the HPA's own way down, and another stabilisation window of it."""
        down = Pace(pods=0, share=1.0, period_s=SYNC_S, stabilisation_s=scale_down_after_s)
        return cls(per_replica=per_replica, behaviour=Behaviour(down=down))

    def scale(
        self, view: VariantView, metric: float, active: bool, terms: Terms, state: Scaled, now_s: float
    ) -> tuple[int, int, Scaled]:
        """What the metric asks for, what KEDA sets, and what it remembers."""
        desired = per_pod(metric, self.per_replica, view.num_ready + view.num_starting)
        active_at_s = now_s if active else state.active_at_s
        if not view.target:
            return desired, (max(1, terms.min_replicas) if active else terms.min_replicas), begin(active_at_s)
        if not terms.min_replicas and now_s - active_at_s >= self.cooldown_s:
            return desired, 0, begin(active_at_s)
        bounded = min(max(1, terms.min_replicas, desired), terms.max_replicas)
        target, scaling = paced(view.target, bounded, self.behaviour, state.scaling, now_s)
        return desired, target, Scaled(scaling=scaling, active_at_s=active_at_s)

"""The Kubernetes HorizontalPodAutoscaler: how it turns a metric into a number, and how it paces a change of it.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler/{horizontal,replica_calculator}.go, autoscaling/v2 defaults.
A metric of type AverageValue with sum `m` over all replicas, `t` wanted per replica, `n` replicas that exist:

    desired = n            where |m/(t·n) − 1| ≤ tolerance (0.1)
    desired = ⌈m/t⌉        otherwise

Behaviour: a change takes the least recommendation of the up window and the greatest of the down window, then

    up to   max(n₀ + 4, 2·n₀)    with n₀ the replicas `period` (15 s) ago
    down to 0                    after 300 s of lower recommendations

KEDA, WVA and llm-d act through this, with behaviours of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOLERANCE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How far one direction may move: the greater of both steps per period, counted from where the period began."""

    pods: int
    share: float
    """Of the replicas at the beginning of the period."""
    period_s: float
    stabilisation_s: float
    """Only a change that every recommendation of this long allows is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Both directions; the defaults of autoscaling/v2."""

    up: Pace = Pace(pods=4, share=1.0, period_s=15.0, stabilisation_s=0.0)
    down: Pace = Pace(pods=0, share=1.0, period_s=15.0, stabilisation_s=300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What the controller remembers, oldest first, each as (at_s, number)."""

    recommended: tuple[tuple[float, int], ...] = ()
    changed: tuple[tuple[float, int], ...] = ()
    """Replicas added, negative where removed."""


DEFAULT_BEHAVIOUR: Final = Behaviour()
NO_SCALING: Final = Scaling()


def per_pod(total: float, target: float, num_pods: int, tolerance: float = TOLERANCE) -> int:
    """Replicas at which each carries `target` of `total`; the present number where it is near enough."""
    if num_pods and abs(1.0 - total / (target * num_pods)) <= tolerance:
        return num_pods
    return math.ceil(total / target)


def paced(present: int, recommended: int, behaviour: Behaviour, state: Scaling, now_s: float) -> tuple[int, Scaling]:
    """Where the controller goes from `present` replicas on this recommendation, and what it remembers.

    `present` is what is wanted at present, replicas that start included.
    """
    recent = _stabilising(state, recommended, behaviour, now_s)
    stable = _stabilised(present, recent, behaviour, now_s)
    target = _limited(present, stable, behaviour, state, now_s)
    return target, Scaling(recommended=recent, changed=_changes(state, target - present, behaviour, now_s))


def _stabilising(state: Scaling, recommended: int, behaviour: Behaviour, now_s: float) -> tuple[tuple[float, int], ...]:
    longest_s = max(behaviour.up.stabilisation_s, behaviour.down.stabilisation_s)
    return (*_since(state.recommended, now_s - longest_s), (now_s, recommended))


def _stabilised(
    present: int, recommendations: tuple[tuple[float, int], ...], behaviour: Behaviour, now_s: float
) -> int:
    least = min(_values(recommendations, now_s - behaviour.up.stabilisation_s))
    greatest = max(_values(recommendations, now_s - behaviour.down.stabilisation_s))
    return min(max(present, least), greatest)


def _limited(present: int, stable: int, behaviour: Behaviour, state: Scaling, now_s: float) -> int:
    if stable > present:
        began = present - _change(state, behaviour.up, now_s)
        most = max(began + behaviour.up.pods, math.ceil(began * (1.0 + behaviour.up.share)))
        return max(present, min(stable, most))
    began = present - _change(state, behaviour.down, now_s)
    fewest = min(began - behaviour.down.pods, math.ceil(began * (1.0 - behaviour.down.share)))
    return min(present, max(stable, fewest))


def _change(state: Scaling, pace: Pace, now_s: float) -> int:
    return sum(number for at_s, number in state.changed if at_s > now_s - pace.period_s)


def _changes(state: Scaling, change: int, behaviour: Behaviour, now_s: float) -> tuple[tuple[float, int], ...]:
    kept = _since(state.changed, now_s - max(behaviour.up.period_s, behaviour.down.period_s))
    return (*kept, (now_s, change)) if change else kept


def _since(entries: Sequence[tuple[float, int]], after_s: float) -> tuple[tuple[float, int], ...]:
    return tuple(entry for entry in entries if entry[0] > after_s)


def _values(entries: Sequence[tuple[float, int]], after_s: float) -> list[int]:
    # The latest one always counts: a window of zero seconds is the present recommendation.
    return [number for at_s, number in entries if at_s > after_s] or [entries[-1][1]]

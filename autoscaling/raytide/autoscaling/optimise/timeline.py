"""The horizon of one variant in whole steps: what runs, what is on its way, and what may stop when.

A start at step t covers work from t + cold start. A stop at step t serves no longer in t and is paid to its end, which
is when it drains. A replica never stops before its minimum billing is over: it is paid anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.optimise.option import Option

Steps = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """One option over a horizon; arrays of shape (steps,)."""

    option: Option
    ready: Steps
    """Replicas ready by each step if nothing is started or stopped."""
    may_stop: Steps
    """How many of the present replicas may have stopped by each step."""
    cold_steps: int
    """From a start to the first step that it covers."""
    held_steps: int
    """From a start to the first step at which it may stop."""
    max_starts: int
    """Over the horizon, beside what runs."""

    def held(self, step: int) -> int:
        """Present replicas that are paid in a step whatever is decided: a stop is paid to the end of its step."""
        return self.option.num_now - (int(self.may_stop[step - 1]) if step else 0)


def timeline(option: Option, num_steps: int, step_s: float, max_replicas: int) -> Timeline:
    """The option's horizon; `max_replicas` bounds its starts where it has no quota."""
    ready_at = [0] * option.num_ready + [_steps(left_s, step_s) for left_s in option.starting_ready_in_s]
    # Billing left is named without its replica: the newest have the most of it.
    left = sorted((_steps(left_s, step_s) for left_s in option.min_billing_left_s), reverse=True)
    held = [*left, *[0] * len(ready_at)]
    free_at = [max(ready, hold) for ready, hold in zip(sorted(ready_at, reverse=True), held, strict=False)]
    cold = _steps(option.cold_start_s, step_s)
    return Timeline(
        option=option,
        ready=_by_step(ready_at, num_steps),
        may_stop=_by_step(free_at, num_steps),
        cold_steps=cold,
        held_steps=max(cold, _steps(option.min_billing_s, step_s)),
        max_starts=_max_starts(option, max_replicas),
    )


def _steps(seconds: float, step_s: float) -> int:
    return max(0, math.ceil(seconds / step_s - 1e-9))


def _by_step(events: list[int], num_steps: int) -> Steps:
    """How many of these steps are reached by each step."""
    reached: Steps = (np.array(events, dtype=np.int64)[:, None] <= np.arange(num_steps)).sum(axis=0)
    return reached


def _max_starts(option: Option, max_replicas: int) -> int:
    if not option.available:
        return 0
    quota = max_replicas if option.max_replicas is None else min(max_replicas, option.max_replicas)
    return quota if option.max_new is None else min(quota, option.max_new)

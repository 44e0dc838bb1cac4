"""From no replica to one: none of these products decides while nothing runs, and all of them wake on a request.

KEDA activates, WVA has a loop of its own for it, Dynamo and the papers' systems keep at least one.
"""

from __future__ import annotations

from typing import Any

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import sized
from raytide.autoscaling.terms import Terms


def asleep(observation: Observation) -> bool:
    """Whether requests wait and no replica is wanted."""
    return observation.num_queued > 0 and not any(view.target for view in observation.variants)


def woken(observation: Observation, terms: Terms, state: Any, now_s: float) -> Decision:
    """One replica of the first variant."""
    facts = {"queued": float(observation.num_queued)}
    reason = Reason(rule=Rule.BACKLOG, says=f"{observation.num_queued} requests wait and nothing runs", facts=facts)
    return sized(observation, terms, 1, (reason,), state, now_s)

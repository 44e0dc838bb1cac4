"""What an idle service keeps: one replica while anything is asked for, the minimum after a long idle time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.optimise.zero import off_after_s, survival_of, wakes
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.size import Size
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.terms import Terms


def awake(
    sized: Size, known: Knowledge, supplies: tuple[Supply, ...], terms: Terms, num_queued: int, now_s: float
) -> Size:
    """At least one replica while anything is asked for; the minimum after an idle time that costs as much as a restart.

    However likely the load is to return: who stops at break-even never pays more than twice what hindsight would.
    """
    if known.idle_since_s is None:
        return _at_least_one(sized, Rule.DEMAND, "something is asked for")
    idle_s = now_s - known.idle_since_s
    start_s = supplies[0].cold_start_s
    gaps = survival_of(np.array(known.idle_gaps_s), np.array((idle_s,) if idle_s else ()))
    if wakes(gaps, idle_s, start_s, num_queued):
        return _at_least_one(sized, Rule.DEMAND, "a request waits, or is likely before a replica could be ready")
    price = supplies[0].variant.usd_per_hour
    usd = 1.0 if isinstance(price, Missing) else price
    # A restart costs the replica's time until it serves, and the wait of those who asked, valued the same.
    off_s = off_after_s(2 * start_s * usd / 3600, usd, gaps)
    if idle_s >= off_s or not any(supply.view.target for supply in supplies):
        return _at_rest(terms.min_replicas, idle_s, off_s)
    return _at_least_one(
        sized, Rule.STABILISED, f"idle for {idle_s:.0f} s of the {off_s:.0f} s that a restart is worth"
    )


def _at_least_one(sized: Size, rule: Rule, says: str) -> Size:
    if sized.wanted >= 1:
        return sized
    reason = Reason(rule=rule, says=f"one replica: {says}", facts={"need": 1})
    return replace(sized, wanted=1, kept=max(1, sized.kept), reasons=(*sized.reasons, reason))


def _at_rest(num: int, idle_s: float, off_s: float) -> Size:
    reason = Reason(
        rule=Rule.PRICE,
        says=f"idle for {idle_s:.0f} s; a restart is worth {off_s:.0f} s",
        facts={"idle_s": idle_s, "need": num},
    )
    return Size(wanted=num, kept=num, reasons=(reason,))

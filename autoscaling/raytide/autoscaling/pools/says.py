"""A pool plan in one line, for people."""

from __future__ import annotations

from collections import Counter

from raytide.autoscaling.pools.plan import PoolPlan


def line(plan: PoolPlan, nodes: int) -> str:
    """`h100-spot: 3 nodes (chat 2, code 1), 8 at most`: replicas by service; `nodes` is the floor in force."""
    late = f", {nodes - plan.nodes} of them from before" if nodes > plan.nodes else ""
    beside = f", beside {plan.taken} that others fill" if plan.taken and nodes > plan.least else ""
    short = f" of {plan.needed + plan.taken}" if plan.needed + plan.taken > plan.most else ""
    kept = f"{nodes} node{'' if nodes == 1 else 's'}"
    return f"{plan.pool}: {kept}{_holders(plan)}{beside}{late}, {plan.most}{short} at most"


def _holders(plan: PoolPlan) -> str:
    counts: Counter[str] = Counter()
    for holder in plan.holders:
        counts[holder.service] += holder.replicas
    named = ", ".join(f"{service} {num}" for service, num in counts.items())
    return f" ({named})" if named else ""

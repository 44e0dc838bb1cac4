"""The floors in force: they rise at once, fall late, and outlast a while without an answer.

A floor falls once no plan of the last hold was as high. The hold of a pool is what a node of it takes to come, and at
least what Ray leaves a node idle for: who gives a node back sooner than it could be had again pays for it twice when
it is wanted again, who waits longer pays more than that for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.plan import PoolPlan
from raytide.core.spec.cluster import Pool

STALE_S: Final = 600.0
"""How long floors outlast the last answer: a head that is made anew is back in a few minutes, and whoever is away for
longer may not come back. Then a pool has its declared floor."""

Nodes = Mapping[str, int]
"""By pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What holds at one moment."""

    nodes: Nodes
    """Of a pool that is not named, the declared floor."""
    heard_s: float
    """Of the last plan, or of the beginning."""
    plans: tuple[PoolPlan, ...] = ()
    """The last one; none before the first, nor once it is too old."""
    needed: Nodes | None = None
    """The part of the floors that replicas fill, held; None before the first plan."""
    silent: Missing | None = field(default_factory=lambda: Missing(reason="nothing was asked yet"))
    """Why there is none of now; None where there is."""
    seen: tuple[tuple[float, Nodes], ...] = ()
    """What was needed by the plans of the longest hold, and when each was made."""


def hold_s(pools: Iterable[Pool], idle_timeout_s: float) -> dict[str, float]:
    """How long each pool's floor must have been lower before it falls."""
    return {pool.name: max(idle_timeout_s, pool.provisioning_time) for pool in pools}


def after(before: Floors, plan: Sequence[PoolPlan] | Missing, now_s: float, hold_s: Mapping[str, float]) -> Floors:
    """The floors once a plan was made, or could not be."""
    if isinstance(plan, Missing):
        return _without(before, plan, now_s)
    # Who was away has seen nothing fall: what is in force counts as needed when they are back.
    held = ((now_s, _needed(before, plan)),) if before.silent else before.seen
    longest_s = max(hold_s.values(), default=0.0)
    recent = tuple((at_s, nodes) for at_s, nodes in held if now_s - at_s < longest_s)
    seen = (*recent, (now_s, {one.pool: one.needed for one in plan}))
    needed = {one.pool: _highest(one.pool, seen, now_s - hold_s.get(one.pool, 0.0)) for one in plan}
    nodes = {one.pool: one.floor(needed[one.pool]) for one in plan}
    return Floors(nodes=nodes, heard_s=now_s, plans=tuple(plan), needed=needed, silent=None, seen=seen)


def _needed(before: Floors, plan: Sequence[PoolPlan]) -> Nodes:
    """What replicas fill of the floors in force: of those that somebody else has left, what others do not."""
    if before.needed is not None:
        return before.needed
    return {one.pool: max(0, before.nodes.get(one.pool, 0) - one.taken) for one in plan}


def _without(before: Floors, why: Missing, now_s: float) -> Floors:
    if now_s - before.heard_s < STALE_S:
        return replace(before, silent=why)
    return Floors(nodes={}, heard_s=before.heard_s, needed={}, silent=why)


def _highest(pool: str, seen: Sequence[tuple[float, Nodes]], since_s: float) -> int:
    last = seen[-1][1][pool]
    return max(last, *(nodes.get(pool, 0) for at_s, nodes in seen if at_s > since_s))

"""The pool plan as the operator follows it: the gateway is asked now and then, and floors of worker groups are kept.

Nobody has to answer: floors stay for a while, and are the declared ones after it.
"""

from __future__ import annotations

from typing import Final, Protocol

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools import floors as held
from raytide.autoscaling.pools.floors import hold_s
from raytide.autoscaling.pools.plan import pool_plan
from raytide.autoscaling.pools.says import line
from raytide.autoscaling.pools.wanted import PoolUse
from raytide.manifests.kinds import RAY_CLUSTER
from raytide.operator.reconcile.api import KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.desired import Desired
from raytide.operator.reconcile.sizes import Floors, live_floors
from raytide.operator.reconcile.status import Condition, Conditions

POOLS_PLANNED: Final = "PoolsPlanned"
LOOK_S: Final = 15.0
"""Between two questions: a node takes minutes, and the hold of a floor is a minute at least where none is declared."""


class Uses(Protocol):
    """Who knows what was decided."""

    def pool_use(self) -> PoolUse | Missing:
        """What the pools are for; missing where nobody answers."""


class Pools:
    """The floors of one platform's worker groups."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._held: held.Floors | None = None
        self._due_s = 0.0

    @property
    def floors(self) -> Floors | None:
        """By group; None as long as not even the live ones are known."""
        return self._held.nodes if self._held else None

    @property
    def conditions(self) -> Conditions:
        """What there is to say of them; nothing before the first look."""
        return (_condition(self._held),) if self._held else ()

    def forget(self) -> None:
        """Begin anew with the next look."""
        self._held, self._due_s = None, 0.0

    def look(self, desired: Desired, api: KubernetesApi, now_s: float) -> None:
        """Ask, where it is time to: whoever begins goes on from the floors that are live."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOOK_S
        before = self._held or _begun(desired, api, now_s)
        if before is not None:
            use = self._uses.pool_use()
            plan = use if isinstance(use, Missing) else pool_plan(desired.pools, use)
            self._held = held.after(before, plan, now_s, hold_s(desired.pools, desired.idle_timeout_s))


def _begun(desired: Desired, api: KubernetesApi, now_s: float) -> held.Floors | None:
    try:
        live = api.find(RAY_CLUSTER, desired.platform)
    except (Unavailable, Refused):  # the turn meets the same, and says so
        return None
    return held.Floors(nodes={} if live is None else live_floors(live), heard_s=now_s)


def _condition(now: held.Floors) -> Condition:
    if now.silent is not None:
        what = "the floors of before are kept" if now.nodes else "no pool keeps more than is declared"
        return Condition(type=POOLS_PLANNED, status="False", reason="NoAnswer", message=f"{now.silent.reason}: {what}")
    lines = [line(plan, now.nodes[plan.pool]) for plan in now.plans if plan.is_elastic]
    return Condition(type=POOLS_PLANNED, status="True", reason="Followed", message="; ".join(lines))

"""The pool plan: how many nodes each pool keeps at least, because replicas that were decided on fill them.

Ray's own autoscaler sizes a pool by what waits and what is idle at the moment, and knows of no decision. While a head
is made anew, an application is deployed again or a preempted replica is not ordered yet, nodes look idle that are about
to be filled; they are given back after a minute, and a spot GPU that is given back may not be had again. A floor keeps
them: it is what the decisions fill, whatever Ray sees of them just then.

The floor only adds. Ray still grows a pool for whatever waits in it, training included, up to the declared `max_nodes`;
what a job runs on is not idle and is not taken away. Since Ray counts every node towards a floor, those that a job has
filled are added to it: beside four nodes of training, a floor of three would keep nothing. Nor does a floor reserve: a
job may run on a node that is kept, and Ray buys another one for the replica.

The ceiling is the declared one, always. A lower one would not turn demand away but end nodes that run: Ray ends those
above it with what is on them (ray 2.60, `_enforce_max_workers_per_type`), and KubeRay deletes their pods. Budgets and
quotas hold in the decisions already, replica by replica.

It counts what is certain. Where several pools suit a replica that has no node yet, Ray chooses, and a floor in the
other one would be a node that nobody uses: such a replica counts in no pool until the others cannot hold it, or it has
a node. So no floor is above what the pool comes to in any placement that is left to Ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raytide.autoscaling.pools.packing import fewest_nodes, most_in_node
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.core.spec.cluster import Pool

_ACCELERATOR, _MARKET = "ray.io/accelerator-type", "ray.io/market-type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Why a pool keeps nodes."""

    service: str
    variant: str
    replicas: int
    """Of it that are here for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """What one pool keeps."""

    pool: str
    needed: int
    """Nodes that the holders fill, whatever is declared."""
    taken: int = 0
    """Nodes that others fill."""
    least: int
    most: int
    """As declared."""
    holders: tuple[Holder, ...] = ()

    @property
    def nodes(self) -> int:
        """The floor."""
        return self.floor(self.needed)

    def floor(self, needed: int) -> int:
        """Nodes to keep for so many that are needed, within what is declared."""
        return min(max(needed + self.taken if needed else 0, self.least), self.most)

    @property
    def is_elastic(self) -> bool:
        """Whether there is anything to plan."""
        return self.least < self.most


def pool_plan(pools: Sequence[Pool], use: PoolUse) -> tuple[PoolPlan, ...]:
    """What each pool keeps, in their order; with a replica more, no pool keeps less."""
    return tuple(_planned(pool, pools, use) for pool in pools)


def _planned(pool: Pool, pools: Sequence[Pool], use: PoolUse) -> PoolPlan:
    wanted = use.variants
    loads = [(bundle, num) for one in wanted for bundle in one.bundles if (num := _certain(one, bundle, pool, pools))]
    return PoolPlan(
        pool=pool.name,
        needed=fewest_nodes(loads, pool),
        taken=use.taken.get(pool.name, 0),
        least=pool.min_nodes,
        most=pool.max_nodes,
        holders=tuple(_holders(pool, pools, wanted)),
    )


def _holders(pool: Pool, pools: Sequence[Pool], wanted: Sequence[Wanted]) -> list[Holder]:
    certain = ((one, _replicas(one, pool, pools)) for one in wanted)
    return [Holder(service=one.service, variant=one.variant, replicas=num) for one, num in certain if num]


def _replicas(one: Wanted, pool: Pool, pools: Sequence[Pool]) -> int:
    return max((_certain(one, bundle, pool, pools) // bundle.num for bundle in one.bundles), default=0)


def _certain(one: Wanted, bundle: Bundle, pool: Pool, pools: Sequence[Pool]) -> int:
    """Bundles that are in this pool already, or that all others together cannot hold.

    A node is kept for its accelerators: what needs none of them counts in no pool that has some, where it may run.
    """
    if not _suits(one, bundle, pool) or (pool.gpus_per_node and not bundle.gpus):
        return 0
    elsewhere = sum(
        most_in_node(bundle, other) * other.max_nodes
        for other in pools
        if other.name != pool.name and _suits(one, bundle, other)
    )
    return max(one.standing.get(pool.name, 0) * bundle.num, one.replicas * bundle.num - elsewhere, 0)


def _suits(one: Wanted, bundle: Bundle, pool: Pool) -> bool:
    labels = {**pool.pods.labels, _ACCELERATOR: pool.accelerator, _MARKET: pool.market}
    return one.labels.items() <= labels.items() and most_in_node(bundle, pool) > 0

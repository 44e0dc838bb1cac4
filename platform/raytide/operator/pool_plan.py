"""How many nodes the pools of a cluster need for what was decided, as `raytide status` shows it."""

from __future__ import annotations

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.plan import PoolPlan, pool_plan
from raytide.operator.adapters.gateway import Gateway
from raytide.operator.site import Site
from raytide.operator.status import base_url


def planned(where: Site) -> tuple[PoolPlan, ...] | Missing:
    """The plan of those pools that may grow; missing where no file declares them, or the gateway does not answer."""
    if where.cluster is None:
        return Missing(reason="no cluster file declares the pools; --cluster names one")
    pools = where.cluster.spec.pools
    if all(pool.min_nodes == pool.max_nodes for pool in pools):
        return ()
    use = Gateway(base_url(where.dashboard.serve_details(), None, where.address)).pool_use()
    if isinstance(use, Missing):
        return use
    return tuple(plan for plan in pool_plan(pools, use) if plan.is_elastic)

"""What the pools of the cluster are for, by Serve's and Ray's own accounts: what a pool plan is made from.

Targets are Serve's, which follow the brains' decisions within a second, so that a brain that is away changes nothing
here, and one that only records its decisions orders no nodes. What an application was deployed with says what a replica
reserves, so that a canary on other hardware counts as what it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.watch import fleet_of
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.services.rollout.revisions import is_going, is_ours
from raytide.services.settings import RevisionSettings, VariantSettings

NODE_GROUP: Final = "ray.io/node-group"
"""The label that Ray gives a node with the name of its group."""
_LEAST_CPUS: Final = 0.01
"""No replica reserves less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a pool, as Ray sees it."""

    pool: str
    labels: Mapping[str, str]
    is_full: bool
    """Whether it has no room for a replica: no whole accelerator that is free, or, where it has none, no CPU."""

    @classmethod
    def of(cls, labels: Mapping[str, str], total: Mapping[str, float], free: Mapping[str, float]) -> Node | None:
        """From its labels and resources; None of a node that is of no pool."""
        if NODE_GROUP not in labels:
            return None
        unit, least = ("GPU", 1.0) if total.get("GPU") else ("CPU", _LEAST_CPUS)
        return cls(pool=labels[NODE_GROUP], labels=labels, is_full=free.get(unit, 0.0) < least)


Nodes = Mapping[str, Node]
"""By id."""


def pool_use(details: Mapping[str, Any], nodes: Nodes) -> PoolUse:
    """Every variant that is wanted or in flight, and the nodes that others have filled."""
    found = details.get("applications", {}).values()
    ours = [app for app in found if is_ours(app.get("deployed_app_config") or {})]
    variants = tuple(one for app in ours for one in _wanted(app, nodes) if one.replicas)
    return PoolUse(variants=variants, taken=_taken(ours, variants, nodes))


def _wanted(app: Mapping[str, Any], nodes: Nodes) -> Iterator[Wanted]:
    settings = RevisionSettings.model_validate(app["deployed_app_config"]["args"])
    for variant in settings.variants:
        if deployment := app.get("deployments", {}).get(variant.name):
            fleet = fleet_of(variant.name, deployment, {variant.name: 0} if is_going(app) else {})
            yield Wanted(
                service=settings.service,
                variant=variant.name,
                replicas=_replicas(fleet),
                bundles=_bundles(variant),
                labels=variant.label_selector,
                standing=_standing(variant, deployment, nodes),
            )


def _replicas(fleet: Fleet) -> int:
    """Those that are to serve; those that finish what they have hold their nodes beside them."""
    return max(fleet.target, len(fleet.ready) + len(fleet.starting)) + len(fleet.draining)


def _bundles(variant: VariantSettings) -> tuple[Bundle, ...]:
    """As the app builder reserves them."""
    first = Bundle(gpus=variant.num_gpus, cpus=variant.num_cpus, memory_bytes=variant.memory_bytes or 0)
    if variant.num_nodes == 1 or variant.num_gpus <= 1:
        return (first,)
    others = Bundle(num=variant.num_gpus - 1, gpus=1)
    return Bundle(gpus=1, cpus=first.cpus, memory_bytes=first.memory_bytes), others


def _standing(variant: VariantSettings, deployment: Mapping[str, Any], nodes: Nodes) -> dict[str, int]:
    """By pool; nothing of a replica that may span nodes, of which Serve only says where the first of its actors is."""
    if variant.num_nodes > 1:
        return {}
    return dict(Counter(nodes[node].pool for node in _nodes_of(deployment) if node in nodes))


def _nodes_of(deployment: Mapping[str, Any]) -> list[str]:
    return [replica["node_id"] for replica in deployment["replicas"] if replica.get("node_id")]


def _taken(ours: list[Mapping[str, Any]], variants: tuple[Wanted, ...], nodes: Nodes) -> dict[str, int]:
    """Full nodes without a replica, less those that may be full of replicas whose node is not known."""
    deployments = [one for app in ours for one in app.get("deployments", {}).values()]
    with_replicas = {node for one in deployments for node in _nodes_of(one)}
    full = [node for name, node in nodes.items() if node.is_full and name not in with_replicas]
    by_pool = {pool: [node for node in full if node.pool == pool] for pool in sorted({node.pool for node in full})}
    taken = {pool: len(some) - _astray(variants, some[0]) for pool, some in by_pool.items()}
    return {pool: num for pool, num in taken.items() if num > 0}


def _astray(variants: tuple[Wanted, ...], node: Node) -> int:
    """Bundles that may be on such a node: a replica that starts is placed before Serve says where."""
    return sum(
        (one.replicas - sum(one.standing.values())) * bundle.num
        for one in variants
        if one.labels.items() <= node.labels.items()
        for bundle in one.bundles
    )

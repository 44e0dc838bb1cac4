"""Sizes of worker groups, which are the autoscaler's once the cluster runs, above the floors of the pool plan.

To Kubernetes the worker groups are one value (no merge keys in KubeRay 1.7.0), so a change of one bound sends the sizes
of all groups along. They are sent as they are live, with the version that they were read at: where the autoscaler was
faster, the API server refuses, and the next plan has its sizes. A floor is another bound: KubeRay brings a group up to
it, and replaces neither a pod nor the cluster for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from raytide.operator.reconcile.step import Object

_LIVE: Final = ("replicas", "scaleStrategy")


Floors = Mapping[str, int]
"""Nodes that a worker group keeps, by its name."""
DECLARED: Final[Floors] = {}
"""The floors of a platform for whose pools nobody plans."""


def with_live_sizes(desired: Object, live: Object, floors: Floors | None) -> dict[str, Any]:
    """The desired RayCluster with the sizes that the live one has, and with these floors within the declared bounds.

    A group without a floor has the declared one; where floors are None, because nobody could say them yet, each keeps
    what is live.

    A group that is declared no more and still has nodes stays until it has none: it may not grow, and what runs there
    ends by itself.
    """
    merged: dict[str, Any] = deepcopy(dict(desired))
    before = {str(group["groupName"]): group for group in _groups(live)}
    kept = _live_floors(before) if floors is None else floors
    groups = [_resized(group, before.get(str(group["groupName"])), kept) for group in _groups(merged)]
    names = {group["groupName"] for group in groups}
    leaving = [_closing(group) for name, group in before.items() if name not in names and group.get("replicas")]
    merged["spec"]["workerGroupSpecs"] = groups + leaving
    return merged


def live_floors(live: Object) -> dict[str, int]:
    """Those that a RayCluster has."""
    return _live_floors({str(group["groupName"]): group for group in _groups(live)})


def leaving_groups(desired: Object, live: Object) -> tuple[str, ...]:
    """Names of groups that are declared no more and still have nodes."""
    names = {str(group["groupName"]) for group in _groups(desired)}
    return tuple(
        str(group["groupName"])
        for group in _groups(live)
        if str(group["groupName"]) not in names and group.get("replicas")
    )


def _groups(cluster: Object) -> Iterator[Mapping[str, Any]]:
    yield from cluster.get("spec", {}).get("workerGroupSpecs") or ()


def _resized(group: Mapping[str, Any], live: Mapping[str, Any] | None, floors: Floors) -> dict[str, Any]:
    sizes = {key: live[key] for key in _LIVE if live is not None and key in live}
    floor = min(floors.get(str(group["groupName"]), 0), group["maxReplicas"])
    return {**group, **sizes, "minReplicas": max(group["minReplicas"], floor)}


def _live_floors(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {name: int(group.get("minReplicas") or 0) for name, group in groups.items()}


def _closing(group: Mapping[str, Any]) -> dict[str, Any]:
    return {**group, "minReplicas": 0, "maxReplicas": group["replicas"]}

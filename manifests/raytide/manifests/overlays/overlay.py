"""A provider's overlay: JSON patches that place each pool on the provider's nodes, and choose its storage.

They are RFC 6902 patches because a strategic merge replaces the list of worker groups as a whole: Kubernetes knows no
merge keys of custom resources. What a pool's `pods` say stays, and wins over what the provider would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from raytide.core.errors import Finding
from raytide.core.spec.mark import KeyPath
from raytide.manifests.overlays.provider import Provider
from raytide.manifests.platform import Platform
from raytide.manifests.traced import Origin, Rendered


@dataclass(frozen=True, slots=True)
class Addition:
    """A value that an overlay puts at a place of an object."""

    path: KeyPath
    value: Any
    origin: Origin

    def as_patch(self) -> dict[str, Any]:
        """The operation of RFC 6902."""
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in self.path)
        return {"op": "add", "path": pointer, "value": self.value}


def additions(platform: Platform, rendered: Rendered, where: Provider) -> tuple[Addition, ...]:
    """What the provider adds to an object."""
    if rendered.kind == "RayCluster":
        return tuple(_placements(platform, rendered, where))
    if rendered.kind == "PersistentVolumeClaim" and rendered.name == f"{platform.name}-home":
        return tuple(_storage(platform, where))
    return ()


def patched(rendered: Rendered, added: tuple[Addition, ...]) -> Rendered:
    """The object with what was added, and where that comes from."""
    value = deepcopy(rendered.value)
    for one in added:
        *above, last = one.path
        within: Any = value
        for step in above:
            within = within[step]
        within[last] = one.value
    origins = {**rendered.origins, **{one.path: one.origin for one in added}}
    return replace(rendered, value=value, origins=origins)


def placed(platform: Platform, rendered: Iterable[Rendered], where: Provider | None) -> tuple[Rendered, ...]:
    """The objects as a provider's overlay leaves them; as they are where there is none."""
    if where is None:
        return tuple(rendered)
    return tuple(patched(one, additions(platform, one, where)) for one in rendered)


def unavailable(platform: Platform, where: Provider) -> Iterator[Finding]:
    """Pools that the provider has no nodes for."""
    for index, pool in enumerate(platform.pools):
        if where.node_selector(pool) is None and not (pool.pods.node_selector or pool.pods.pod.get("nodeSelector")):
            origin = platform.cluster.at("spec", "pools", index, "accelerator")
            yield origin.finding(
                f"no node label of {where.title} is known for {pool.gpus_per_node} {pool.accelerator} in a node",
                expected="spec.pools[].pods.node_selector with the labels of these nodes",
            )


def _placements(platform: Platform, cluster: Rendered, where: Provider) -> Iterator[Addition]:
    for index, (pool, group) in enumerate(zip(platform.pools, cluster.value["spec"]["workerGroupSpecs"], strict=True)):
        spec: KeyPath = ("spec", "workerGroupSpecs", index, "template", "spec")
        origin, pod = platform.cluster.at("spec", "pools", index), group["template"]["spec"]
        # What a pool's own pod has of another shape stays as it is: laid over it would be lost, and not be found.
        labels, taints = pod.get("nodeSelector", {}), pod.get("tolerations", [])
        if isinstance(labels, Mapping) and (selector := {**(where.node_selector(pool) or {}), **labels}):
            yield Addition((*spec, "nodeSelector"), selector, origin.below("accelerator"))
        if isinstance(taints, list) and (tolerations := _joined(taints, where.tolerations(pool))):
            yield Addition((*spec, "tolerations"), tolerations, origin.below("market"))


def _joined(own: list[Any], more: Iterable[Any]) -> list[Any]:
    return [*own, *(one for one in more if one not in own)]


def _storage(platform: Platform, where: Provider) -> Iterator[Addition]:
    storage = platform.kubernetes.storage
    if where.storage_class and storage.shared and storage.storage_class is None:
        yield Addition(("spec", "storageClassName"), where.storage_class, platform.at("storage", "storage_class"))


def patches(added: tuple[Addition, ...]) -> list[Mapping[str, Any]]:
    """The operations, in order."""
    return [one.as_patch() for one in added]

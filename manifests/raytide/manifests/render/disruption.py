"""What Kubernetes may not evict of its own accord: the head, and all but one node of a pool's minimum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.manifests.platform import Platform
from raytide.manifests.render.names import GROUP_LABEL, cluster_pods, head_pods, metadata
from raytide.manifests.traced import Rendered, came, said

_WHY_MIN = (
    "a RayCluster has no scale subresource, so that Kubernetes refuses percentages and maxUnavailable for its pods"
)


def budgets(platform: Platform) -> Iterator[Rendered]:
    """A PodDisruptionBudget for the head, and one for each pool that has a minimum of two nodes."""
    yield Rendered.of(
        _budget(platform, "head", 1, head_pods(platform)),
        platform.at("head"),
        "A node drain waits until somebody moves the head: `kubectl delete pod` of it, at a quiet hour.",
    )
    for index, pool in enumerate(platform.pools):
        if pool.min_nodes > 1:
            at = platform.cluster.at("spec", "pools", index, "min_nodes")
            least = came(pool.min_nodes - 1, at)
            pods = {**cluster_pods(platform), GROUP_LABEL: pool.name}
            yield Rendered.of(_budget(platform, pool.name, least, pods), at)


def _budget(platform: Platform, name: str, least: Any, pods: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(platform, f"{platform.name}-{name}"),
        "spec": {"minAvailable": said(least, _WHY_MIN), "selector": {"matchLabels": pods}},
    }

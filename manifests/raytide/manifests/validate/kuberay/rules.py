"""The rules of each of KubeRay's kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from raytide.manifests.validate.kuberay.cluster import ray_cluster
from raytide.manifests.validate.kuberay.cron import ray_cron_job
from raytide.manifests.validate.kuberay.job import ray_job
from raytide.manifests.validate.kuberay.service import ray_service
from raytide.manifests.validate.problem import Object, Problem

_RULES: Final[Mapping[str, Callable[[Object, frozenset[str]], Iterator[Problem]]]] = {
    "RayCluster": ray_cluster,
    "RayService": ray_service,
    "RayJob": ray_job,
    "RayCronJob": ray_cron_job,
}


def kuberay(document: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of an object, with these feature gates on beside those of its own defaults."""
    if str(document.get("apiVersion", "")).startswith("ray.io/") and (rule := _RULES.get(str(document.get("kind")))):
        yield from rule(document, gates)

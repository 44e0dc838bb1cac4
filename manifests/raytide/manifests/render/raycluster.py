"""The RayCluster: one for data, training and services, and never replaced for a change of any of them."""

from __future__ import annotations

from typing import Any, Final

from raytide.manifests.platform import Platform
from raytide.manifests.render.head import head_group
from raytide.manifests.render.names import metadata
from raytide.manifests.render.pod import RESTRICTED, whole_seconds
from raytide.manifests.render.workers import worker_group
from raytide.manifests.traced import Rendered, came, said

RAY_VERSION: Final = "2.60.0"
"""That the images carry; a test holds it against pyproject.toml."""
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

_HEADER = """\
The cluster that data, training and services share.

It is a RayCluster and no RayService: a RayService builds a second cluster for a change of its configuration and deletes
the first one, with every job that runs there. Services are put on this one by the apply Jobs beside it."""


def ray_cluster(platform: Platform) -> Rendered:
    """The RayCluster of the platform."""
    kubernetes = platform.kubernetes
    queue = {QUEUE_LABEL: came(kubernetes.queue, platform.at("queue"))} if kubernetes.queue else {}
    tree = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": came(
            metadata(platform, came(platform.name, platform.cluster.at("metadata", "name")), labels=queue),
            platform.cluster.at("metadata"),
        ),
        "spec": {
            "rayVersion": RAY_VERSION,
            "upgradeStrategy": {
                "type": said(
                    "None", "a changed pod template is for new pods: nodes that run are never recreated for it"
                )
            },
            "authOptions": _auth(platform),
            "tlsOptions": came({"enabled": True}, platform.at("tls")) if kubernetes.tls else None,
            "gcsFaultToleranceOptions": _fault_tolerance(platform),
            "enableInTreeAutoscaling": platform.is_autoscaled,
            "autoscalerOptions": _autoscaler(platform) if platform.is_autoscaled else None,
            "headGroupSpec": head_group(platform),
            "workerGroupSpecs": [worker_group(platform, index) for index in range(len(platform.pools))],
        },
    }
    return Rendered.of(tree, platform.cluster.at("spec"), _HEADER)


def _auth(platform: Platform) -> dict[str, Any]:
    kubernetes = platform.kubernetes
    if kubernetes.auth == "off":
        return {"mode": came("disabled", platform.at("auth"))}
    secret = came(kubernetes.token, platform.at("token")) if kubernetes.token else None
    return {"mode": came("token", platform.at("auth")), "secretName": secret}


def _fault_tolerance(platform: Platform) -> dict[str, Any] | None:
    declared, at = platform.kubernetes.gcs_fault_tolerance, platform.at("gcs_fault_tolerance")
    if declared is None:
        return None
    password = declared.password
    reference = {"valueFrom": {"secretKeyRef": password.model_dump()}} if password else None
    return {
        "redisAddress": came(declared.redis, at.below("redis")),
        "redisPassword": came(reference, at.below("password")),
        # KubeRay's default is the UID of the RayCluster: one that is made anew would not find its state again.
        "externalStorageNamespace": f"{platform.kubernetes.namespace}-{platform.name}",
    }


def _autoscaler(platform: Platform) -> dict[str, Any]:
    return {
        "version": "v2",
        "idleTimeoutSeconds": came(whole_seconds(platform.kubernetes.idle_timeout), platform.at("idle_timeout")),
        "upscalingMode": "Default",
        "securityContext": {**RESTRICTED, "runAsNonRoot": True},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }

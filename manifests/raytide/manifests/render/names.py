"""Names, ports and labels that several objects must agree on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from raytide.manifests.platform import Platform

GCS_PORT: Final = 6379
DASHBOARD_PORT: Final = 8265
AGENT_PORT: Final = 52365
METRICS_PORT: Final = 44207
"""Of Ray's metrics on each node. KubeRay's default is 8080, where the gateway listens."""
AUTOSCALER_METRICS_PORT: Final = 44217
DASHBOARD_METRICS_PORT: Final = 44227
RAY_PORTS: Final = {
    GCS_PORT: "the GCS",
    DASHBOARD_PORT: "the dashboard",
    10001: "the Ray client",
    AGENT_PORT: "the dashboard's agent",
    METRICS_PORT: "Ray's metrics",
    AUTOSCALER_METRICS_PORT: "the autoscaler's metrics",
    DASHBOARD_METRICS_PORT: "the dashboard's metrics",
}
"""Taken by Ray in every pod, or in that of the head."""

HOME: Final = "/var/lib/raytide"
CACHE: Final = "/var/cache/raytide"
MODELS: Final = "/models"

CLUSTER_LABEL: Final = "ray.io/cluster"
GROUP_LABEL: Final = "ray.io/group"
NODE_TYPE_LABEL: Final = "ray.io/node-type"


def metadata(platform: Platform, name: str, **more: Any) -> dict[str, Any]:
    """The metadata of an object in the platform's namespace."""
    labels = {
        "app.kubernetes.io/name": "raytide",
        "app.kubernetes.io/instance": platform.name,
        "app.kubernetes.io/managed-by": "raytide",
    }
    added = more.pop("labels", {})
    return {"name": name, "namespace": platform.kubernetes.namespace, "labels": labels | added, **more}


def gateway_service(platform: Platform) -> str:
    """The Service by which clients within the namespace reach the gateway, at port 80."""
    return f"{platform.name}-gateway"


def head_pods(platform: Platform) -> dict[str, str]:
    """The labels that KubeRay gives to the pod of the head."""
    return {CLUSTER_LABEL: platform.name, NODE_TYPE_LABEL: "head"}


def cluster_pods(platform: Platform) -> dict[str, str]:
    """The label that KubeRay gives to every pod of the cluster."""
    return {CLUSTER_LABEL: platform.name}


def dashboard_address(platform: Platform) -> str:
    """Of the head, by the name of the service that KubeRay makes for it."""
    return f"http://{platform.name}-head-svc:{DASHBOARD_PORT}"


def content_hash(content: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits that differ where the content does."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def quantity(num_bytes: int) -> str:
    """Bytes as Kubernetes writes them: in the largest binary unit that says them exactly."""
    for unit, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if num_bytes % size == 0:
            return f"{num_bytes // size}{unit}"
    return str(num_bytes)

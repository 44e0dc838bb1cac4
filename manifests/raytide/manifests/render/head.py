"""The group of the head: Ray's control plane, the drivers of jobs and the gateway."""

from __future__ import annotations

from typing import Any, Final

from raytide.manifests.platform import Platform
from raytide.manifests.render.merge import laid_over
from raytide.manifests.render.names import (
    AUTOSCALER_METRICS_PORT,
    DASHBOARD_METRICS_PORT,
    DASHBOARD_PORT,
    GCS_PORT,
    METRICS_PORT,
    quantity,
)
from raytide.manifests.render.pod import (
    RESTRICTED,
    environment,
    environment_from,
    mounts,
    object_store_bytes,
    placement,
    pod_security,
    pull_secrets,
    resources,
    volumes,
    whole_seconds,
)
from raytide.manifests.traced import came, said

KEPT: Final = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""Nodes are given back by Ray's autoscaler, which knows what runs on them; Kubernetes' own does not."""
_DRAIN_S: Final = 30.0


def head_group(platform: Platform) -> dict[str, Any]:
    """`headGroupSpec` of the cluster."""
    head, at = platform.kubernetes.head, platform.at("head")
    return {
        "rayStartParams": {
            "num-cpus": said("0", "no replica and no training worker lands beside the control plane"),
            "dashboard-host": "0.0.0.0",  # noqa: S104 (a pod's address; the NetworkPolicy says who reaches it)
            "metrics-export-port": said(str(METRICS_PORT), "KubeRay's default, 8080, is the gateway's port"),
            "object-store-memory": str(object_store_bytes(head.memory)),
        },
        "template": {
            "metadata": {"annotations": said(KEPT, "Ray's autoscaler alone gives nodes back")},
            "spec": came(laid_over(_pod(platform), head.pods.pod, at.below("pods", "pod")), at),
        },
    }


def _pod(platform: Platform) -> dict[str, Any]:
    head, at = platform.kubernetes.head, platform.at("head")
    drain_s = _DRAIN_S if head.pods.drain is None else head.pods.drain
    return {
        "serviceAccountName": f"{platform.name}-head",
        "automountServiceAccountToken": said(
            platform.is_autoscaled, "for the autoscaler beside Ray, and for nothing else"
        ),
        "securityContext": pod_security(),
        "imagePullSecrets": pull_secrets(platform),
        **placement(head.pods, at.below("pods")),
        "terminationGracePeriodSeconds": came(whole_seconds(drain_s), at.below("pods", "drain")),
        "containers": [
            {
                "name": "ray-head",
                "image": came(platform.kubernetes.images.cpu, platform.at("images", "cpu")),
                "securityContext": RESTRICTED,
                "resources": resources(
                    came(str(head.cpus), at.below("cpus")), came(quantity(head.memory), at.below("memory"))
                ),
                "ports": _ports(platform),
                "env": environment(),
                "envFrom": environment_from(platform),
                "volumeMounts": mounts(platform),
                # Plain HTTP instead of the commands that KubeRay injects: no process every five seconds, and no wget
                # in the image. Ray answers these paths without a token (ray 2.60, `dashboard/http_server_head.py`).
                "readinessProbe": _probe(5, 3),
                "livenessProbe": _probe(10, 12),
            }
        ],
        "volumes": volumes(platform, head.memory),
    }


def _ports(platform: Platform) -> list[dict[str, Any]]:
    spec = platform.cluster.document.spec
    ports = {
        "gcs-server": GCS_PORT,
        "dashboard": DASHBOARD_PORT,
        "serve": came(spec.http.port, platform.cluster.at("spec", "http", "port")),
        "gateway": came(spec.gateway.port, platform.cluster.at("spec", "gateway", "port")),
        "metrics": METRICS_PORT,
        "as-metrics": AUTOSCALER_METRICS_PORT,
        "dash-metrics": DASHBOARD_METRICS_PORT,
    }
    return [{"name": name, "containerPort": port} for name, port in ports.items()]


def _probe(period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/api/gcs_healthz", "port": DASHBOARD_PORT},
        "initialDelaySeconds": 10,
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }

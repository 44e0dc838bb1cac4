"""The group of the head: Ray's control plane, the drivers of jobs and the gateway."""

from __future__ import annotations

from typing import Any, Final

from raytide.manifests.platform import Platform
from raytide.manifests.render.names import (
    AUTOSCALER_METRICS_PORT,
    DASHBOARD_METRICS_PORT,
    DASHBOARD_PORT,
    GCS_PORT,
    METRICS_PORT,
    quantity,
)
from raytide.manifests.render.pod import RayPod, object_store_bytes, pod_spec, resources
from raytide.manifests.traced import came, said

KEPT: Final = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""Nodes are given back by Ray's autoscaler, which knows what runs on them; Kubernetes' own does not."""
_DRAIN_S: Final = 30.0


def head_group(platform: Platform) -> dict[str, Any]:
    """`headGroupSpec` of the cluster."""
    head = platform.kubernetes.head
    return {
        "rayStartParams": {
            "num-cpus": said("0", "no replica and no training worker lands beside the control plane"),
            "dashboard-host": "0.0.0.0",  # noqa: S104 (a pod's address; the NetworkPolicy says who reaches it)
            "metrics-export-port": said(str(METRICS_PORT), "KubeRay's default, 8080, is the gateway's port"),
            "object-store-memory": str(object_store_bytes(head.memory)),
        },
        "template": {
            "metadata": {"annotations": said(KEPT, "Ray's autoscaler alone gives nodes back")},
            "spec": pod_spec(platform, _pod(platform)),
        },
    }


def _pod(platform: Platform) -> RayPod:
    head, at = platform.kubernetes.head, platform.at("head")
    return RayPod(
        role="head",
        token=said(platform.is_autoscaled, "for the autoscaler beside Ray, and for nothing else"),
        pods=head.pods,
        at=at,
        drain_s=_DRAIN_S if head.pods.drain is None else head.pods.drain,
        image=came(platform.kubernetes.images.cpu, platform.at("images", "cpu")),
        resources=resources(came(str(head.cpus), at.below("cpus")), came(quantity(head.memory), at.below("memory"))),
        memory_bytes=head.memory,
        ports=_ports(platform),
        health_path="/api/gcs_healthz",
        health_port=DASHBOARD_PORT,
        variables=_graphs(platform),
    )


def _graphs(platform: Platform) -> dict[str, Any]:
    """What Ray's dashboard needs for its Metrics tab (ray 2.60, `dashboard/modules/metrics/metrics_head.py`)."""
    grafana, at = platform.kubernetes.grafana, platform.at("grafana")
    if grafana is None:
        return {}
    return {
        "RAY_GRAFANA_HOST": came(grafana.url, at.below("url")),
        "RAY_GRAFANA_IFRAME_HOST": came(grafana.browser_url or grafana.url, at.below("browser_url")),
        "RAY_PROMETHEUS_HOST": came(grafana.prometheus_url, at.below("prometheus_url")),
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

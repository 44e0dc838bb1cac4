"""Who may reach the pods: each other, the operator, Prometheus, and whoever brings requests to the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.core.spec.kubernetes import GatewayRoute
from raytide.manifests.platform import Platform
from raytide.manifests.render.apply import APPLY, COMPONENT_LABEL
from raytide.manifests.render.names import (
    AUTOSCALER_METRICS_PORT,
    DASHBOARD_METRICS_PORT,
    DASHBOARD_PORT,
    METRICS_PORT,
    cluster_pods,
    metadata,
)
from raytide.manifests.traced import Rendered, came

_HEADER = """\
Ingress is closed but for what is listed. Ray's ports let whoever reaches them run code, with a token at best.

Egress stays open: weights, buckets, registries and databases are wherever the user keeps them."""


def network_policy(platform: Platform) -> Rendered:
    """The one NetworkPolicy of the cluster's pods."""
    tree = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(platform, platform.name),
        "spec": {
            "podSelector": {"matchLabels": cluster_pods(platform)},
            "policyTypes": ["Ingress"],
            "ingress": list(_rules(platform)),
        },
    }
    return Rendered.of(tree, platform.at(), _HEADER)


def _rules(platform: Platform) -> Iterator[dict[str, Any]]:
    kubernetes, gateway = platform.kubernetes, platform.cluster.document.spec.gateway.port
    yield {"from": [{"podSelector": {"matchLabels": cluster_pods(platform)}}]}
    appliers = {"app.kubernetes.io/instance": platform.name, COMPONENT_LABEL: APPLY}
    operator = came(_namespace(kubernetes.kuberay.namespace), platform.at("kuberay", "namespace"))
    yield {"from": [{"podSelector": {"matchLabels": appliers}}, operator], "ports": _ports(DASHBOARD_PORT)}
    yield {"from": [{"podSelector": {}}, *_clients(platform)], "ports": _ports(gateway)}
    if kubernetes.monitoring:
        prometheus = came(_namespace(kubernetes.monitoring), platform.at("monitoring"))
        ports = _ports(METRICS_PORT, AUTOSCALER_METRICS_PORT, DASHBOARD_METRICS_PORT, gateway)
        yield {"from": [prometheus], "ports": ports}


def _clients(platform: Platform) -> Iterator[Any]:
    route = platform.kubernetes.route
    if isinstance(route, GatewayRoute):
        yield came(_namespace(route.gateway_namespace), platform.at("route", "gateway_namespace"))
    elif route is not None:
        yield came(_namespace(route.controller_namespace), platform.at("route", "controller_namespace"))


def _namespace(name: str) -> dict[str, Any]:
    # The label that Kubernetes itself gives to every namespace.
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _ports(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]

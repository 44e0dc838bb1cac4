"""The way of clients to the gateway: a Service within the cluster, and a route from outside where one is declared.

From outside only what clients ask is reached: the gateway answers `/metrics` and what is below `/raytide` without a
key, for whoever runs the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.core.spec.kubernetes import GatewayRoute, IngressRoute
from raytide.manifests.platform import Platform
from raytide.manifests.render.names import gateway_service, head_pods, metadata
from raytide.manifests.traced import Rendered, came, said

_PORT = 80
HEALTH = "/health"


def routes(platform: Platform) -> Iterator[Rendered]:
    """The Service of the gateway, and its HTTPRoute or Ingress."""
    port = platform.cluster.document.spec.gateway.port
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(platform, gateway_service(platform)),
        "spec": {
            "selector": head_pods(platform),
            "ports": [
                {
                    "name": "http",
                    "port": _PORT,
                    "targetPort": came(port, platform.cluster.at("spec", "gateway", "port")),
                    "appProtocol": "http",
                }
            ],
        },
    }
    yield Rendered.of(
        tree,
        platform.at(),
        "Where clients reach all services: the gateway on the head. Answers come from replicas straight through it.",
    )
    match platform.kubernetes.route:
        case GatewayRoute() as route:
            yield Rendered.of(_http_route(platform, route), platform.at("route"))
        case IngressRoute() as route:
            yield Rendered.of(_ingress(platform, route), platform.at("route"))


def _prefixes(platform: Platform) -> list[str]:
    """Of the OpenAI routes: at the root, and of each service that has a route of its own."""
    return sorted({f"{route.rstrip('/')}/v1" for route in ("/", *(of.document.spec.route for of in platform.services))})


def _http_route(platform: Platform, route: GatewayRoute) -> dict[str, Any]:
    at = platform.at("route")
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(platform, gateway_service(platform)),
        "spec": {
            "parentRefs": [
                {
                    "name": came(route.gateway, at.below("gateway")),
                    "namespace": came(route.gateway_namespace, at.below("gateway_namespace")),
                }
            ],
            "hostnames": [came(route.host, at.below("host"))],
            "rules": [
                {
                    "matches": [
                        *({"path": {"type": "PathPrefix", "value": prefix}} for prefix in _prefixes(platform)),
                        {"path": {"type": "Exact", "value": HEALTH}},
                    ],
                    "timeouts": {"request": said("0s", "none: an answer streams for as long as it has tokens")},
                    "backendRefs": [{"name": gateway_service(platform), "port": _PORT}],
                }
            ],
        },
    }


def _ingress(platform: Platform, route: IngressRoute) -> dict[str, Any]:
    at = platform.at("route")
    host = came(route.host, at.below("host"))
    backend = {"service": {"name": gateway_service(platform), "port": {"number": _PORT}}}
    paths = [
        *({"path": prefix, "pathType": "Prefix", "backend": backend} for prefix in _prefixes(platform)),
        {"path": HEALTH, "pathType": "Exact", "backend": backend},
    ]
    tls = [{"hosts": [host], "secretName": came(route.tls, at.below("tls"))}] if route.tls else None
    streaming = {
        # Read by ingress-nginx, ignored by others: tokens reach the client one by one, for as long as they come.
        "nginx.ingress.kubernetes.io/proxy-buffering": "off",
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
        "nginx.ingress.kubernetes.io/proxy-body-size": str(platform.cluster.document.spec.gateway.max_body),
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(platform, gateway_service(platform), annotations=streaming),
        "spec": {
            "ingressClassName": came(route.ingress_class, at.below("ingress_class")),
            "tls": tls,
            "rules": [{"host": host, "http": {"paths": paths}}],
        },
    }

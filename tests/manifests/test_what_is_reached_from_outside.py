from __future__ import annotations

from typing import Any

import pytest

from raytide.autoscaling.live.summary import STATUS_PATH
from raytide.manifests.platform import Platform
from raytide.manifests.render.objects import objects
from raytide.services.gateway.app import ENGINES, HEALTH, METRICS, MODELS
from raytide.services.gateway.feedback import FEEDBACK

from .conftest import CLUSTER, SERVICE, Declare

ROUTES = {
    "HTTPRoute": "    route: {kind: gateway-api, host: a.example.com, gateway: public, gateway_namespace: gateways}\n",
    "Ingress": (
        "    route: {kind: ingress, host: a.example.com, ingress_class: nginx, controller_namespace: ingress-nginx}\n"
    ),
}


@pytest.fixture(params=ROUTES)
def let_in(request: pytest.FixtureRequest, declare: Declare) -> list[tuple[str, str]]:
    """`(how, path)` of each match, of a platform whose service answers at a route of its own as well."""
    cluster = CLUSTER.replace("    namespace: ml\n", "    namespace: ml\n" + ROUTES[request.param])
    platform = declare(cluster, SERVICE.replace("spec:\n", "spec:\n  route: /chat\n"))
    return [_match(one) for one in _paths(platform, request.param)]


def _paths(platform: Platform, kind: str) -> list[dict[str, Any]]:
    (one,) = [each for each in objects(platform) if each.kind == kind]
    (rule,) = one.value["spec"]["rules"]
    return [match["path"] for match in rule["matches"]] if kind == "HTTPRoute" else rule["http"]["paths"]


def _match(path: dict[str, Any]) -> tuple[str, str]:
    return (path.get("type") or path["pathType"]).removeprefix("Path"), path.get("value") or path["path"]


def _is_let_in(path: str, let_in: list[tuple[str, str]]) -> bool:
    return any(path == value or (how == "Prefix" and path.startswith(f"{value}/")) for how, value in let_in)


def test_clients_reach_what_they_ask_for(let_in: list[tuple[str, str]]) -> None:
    asked = (*ENGINES, FEEDBACK, MODELS)
    assert all(_is_let_in(path, let_in) for path in (*asked, *(f"/chat{path}" for path in asked), HEALTH))


def test_what_is_for_whoever_runs_the_cluster_is_not_reached(let_in: list[tuple[str, str]]) -> None:
    assert not any(
        _is_let_in(path, let_in) for path in (METRICS, STATUS_PATH, f"/chat{METRICS}", f"/chat{STATUS_PATH}", "/")
    )

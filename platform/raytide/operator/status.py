"""What runs: Serve's own account of every service that we declared, and what its brain says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.summary import STATUS_PATH
from raytide.operator.local.ports import LOOPBACK
from raytide.operator.plan.gateway import GATEWAY_APP
from raytide.operator.serve_api import ServeApi
from raytide.services.rollout.revisions import is_canary, is_ours, service_of

BRAIN_TIMEOUT_S = 10.0


def services(dashboard: ServeApi) -> list[dict[str, Any]]:
    """One entry per service, and one after it for its canary: state, revision, model, replicas, the brain.

    Replicas are counted by state, as on the dashboard's Serve page.
    """
    details = dashboard.serve_details()
    ours = [app for app in details.get("applications", {}).values() if is_ours(app.get("deployed_app_config") or {})]
    found = [_service(app, base_url(details, _route(app), dashboard.address)) for app in ours]
    return sorted(found, key=lambda one: (one["name"], one["canary"], one["state"] == "DELETING"))


def base_url(details: Mapping[str, Any], route: str | None, dashboard: str) -> str:
    """Where clients reach a service, as `http://127.0.0.1:8080`; `/v1/...` follows.

    That is the gateway's own port: Serve's answers too, and hands each token from actor to actor. A server that
    listens on every interface is reached at the host of the dashboard.
    """
    front = (details.get("applications", {}).get(GATEWAY_APP) or {}).get("deployed_app_config") or {}
    http = front.get("args") or details.get("http_options") or {"host": LOOPBACK, "port": 8000}
    everywhere = http["host"] == "0.0.0.0"  # noqa: S104 (compared, not bound)
    host = urlsplit(dashboard).hostname if everywhere else http["host"]
    return f"http://{host}:{http['port']}{(route or '/').rstrip('/')}"


def _route(app: Mapping[str, Any]) -> str:
    """Where the gateway answers for it, which its brain knows."""
    deployments = app["deployed_app_config"]["deployments"]
    access = next(one["user_config"]["access"] for one in deployments if one["name"] == BRAIN)
    return str(access["route"])


def _service(app: Mapping[str, Any], url: str) -> dict[str, Any]:
    declared = app["deployed_app_config"]["args"]
    variants = [_variant(app, one["name"]) for one in declared["variants"]]
    states = sum((Counter(one["replicas"]) for one in variants), Counter[str]())
    # One that sleeps runs no replica, and its brain says why.
    is_up = app["status"] == "RUNNING" or "RUNNING" in states
    targets = [one["target_replicas"] for one in variants if one["target_replicas"] is not None]
    return {
        "name": service_of(app["deployed_app_config"]),
        "application": app["name"],
        "canary": is_canary(app["deployed_app_config"]),
        "state": app["status"],
        "message": app.get("message", ""),
        "revision": declared["revision"],
        "model": declared["model_version"],
        "url": url,
        "variants": variants,
        "target_replicas": sum(targets) if targets else None,
        "replicas": dict(states),
        "replica_ids": [replica for one in variants for replica in one["replica_ids"]],
        "autoscaler": _brain(url, app["name"]) if is_up else {"missing": "no replica runs"},
    }


def _variant(app: Mapping[str, Any], name: str) -> dict[str, Any]:
    deployment = app.get("deployments", {}).get(name, {})
    replicas = deployment.get("replicas", ())
    return {
        "name": name,
        "target_replicas": deployment.get("target_num_replicas"),
        "replicas": dict(Counter(replica["state"] for replica in replicas)),
        "replica_ids": [replica["replica_id"] for replica in replicas if "replica_id" in replica],
    }


def _brain(url: str, service: str) -> dict[str, Any]:
    """The brain's own summary; it is missing while the service does not answer."""
    try:
        answer = httpx.get(url + STATUS_PATH, params={"service": service}, timeout=BRAIN_TIMEOUT_S, trust_env=False)
        summary: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:  # ValueError: something else answers there
        return {"missing": f"{url} did not answer ({type(error).__name__})"}
    return summary

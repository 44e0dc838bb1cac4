"""What the gateway and the conductor ask of Serve from within the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raytide.autoscaling.live.follow import BRAIN


def serve_details() -> Mapping[str, Any]:
    """Of the controller; what the public `serve.status()` returns is made from the same answer. Blocks for a call."""
    details: Mapping[str, Any] = _client().get_serve_details()
    return details


def put(applications: Sequence[Mapping[str, Any]]) -> None:
    """Run exactly these applications: what a `PUT` to the dashboard does, without its address and token."""
    from ray.serve.schema import ServeDeploySchema

    capacity = serve_details().get("target_capacity")
    config = {"applications": list(applications), "target_capacity": capacity}
    _client().deploy_apps(ServeDeploySchema.model_validate(config))


def brain(application: str) -> Any:
    """A handle of the brain of this application."""
    from ray import serve

    return serve.get_deployment_handle(BRAIN, app_name=application)


def _client() -> Any:
    from ray.serve.context import _get_global_client

    return _get_global_client()

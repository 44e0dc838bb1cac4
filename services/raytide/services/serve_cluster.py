"""What the gateway and the conductor ask of Serve from within the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.watch import serve_details


def put(applications: Sequence[Mapping[str, Any]]) -> None:
    """Run exactly these applications: what a `PUT` to the dashboard does, without its address and token."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    capacity = serve_details().get("target_capacity")
    config = {"applications": list(applications), "target_capacity": capacity}
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate(config))


def brain(application: str) -> Any:
    """A handle of the brain of this application."""
    from ray import serve

    return serve.get_deployment_handle(BRAIN, app_name=application)

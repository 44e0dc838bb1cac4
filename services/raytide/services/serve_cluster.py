"""What the gateway and the conductor ask of Serve from within the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.watch import serve_details
from raytide.services.gateway.wanted import Node


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


def nodes() -> dict[str, Node]:
    """The nodes of pools, by their ids, as KubeRay and `ray up` label them; blocks for two calls to the GCS."""
    import ray
    from ray._private.state import available_resources_per_node  # what is free on each: no public call says it

    free = available_resources_per_node()
    alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"] and node["NodeID"] in free}
    found = {name: Node.of(node["Labels"], node["Resources"], free[name]) for name, node in alive.items()}
    return {name: node for name, node in found.items() if node is not None}

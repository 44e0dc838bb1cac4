"""What Serve's controller says of the replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raytide.autoscaling.live.fleet import Fleet

_SERVING = ("RUNNING", "UPDATING", "RECOVERING", "PENDING_MIGRATION")
"""A replica that is changed in place, or found again by a new controller, has served and does so in a moment."""


def fleets(application: str, variants: Iterable[str], targets: Mapping[str, int]) -> tuple[Fleet, ...]:
    """Each variant's replicas; blocks for one call to the controller.

    `targets` are the wanted numbers of those variants that were decided on; the others have Serve's own.
    """
    deployments = serve_details()["applications"][application]["deployments"]
    return tuple(fleet_of(name, deployments[name], targets) for name in variants if name in deployments)


def serve_details() -> Mapping[str, Any]:
    """Serve's own account of everything it runs; blocks for one call to the controller.

    What the public `serve.status()` returns is made from the same answer, and leaves the replicas' ids out.
    """
    from ray.serve.context import _get_global_client

    details: Mapping[str, Any] = _get_global_client().get_serve_details()
    return details


def own_fleets(variants: Iterable[str], targets: Mapping[str, int]) -> tuple[Fleet, ...]:
    """`fleets` of the application that this process is a replica of."""
    from ray import serve

    return fleets(serve.get_replica_context().app_name, variants, targets)


def fleet_of(name: str, deployment: Mapping[str, Any], targets: Mapping[str, int]) -> Fleet:
    """A variant's replicas by Serve's account of its deployment; `targets` as for `fleets`."""
    states = {replica["replica_id"]: str(replica["state"]).split(".")[-1] for replica in deployment["replicas"]}
    ordered_s = {replica["replica_id"]: float(replica["start_time_s"]) for replica in deployment["replicas"]}
    return Fleet(
        variant=name,
        target=targets.get(name, deployment["target_num_replicas"]),
        ready=frozenset(replica for replica, state in states.items() if state in _SERVING),
        starting={replica: ordered_s[replica] for replica, state in states.items() if state == "STARTING"},
        draining=frozenset(replica for replica, state in states.items() if state == "STOPPING"),
    )

"""`python -m raytide.operator.drill.fault FAULT SERVICE SECONDS`, a job on the cluster: one fault, by Ray's own means.

Its last line is JSON: when it began, when it was done, and what that was.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.watch import serve_details
from raytide.core.errors import RaytideError
from raytide.operator.drill.objective import Fault

_NAMESPACE: Final = "serve"
_CONTROLLER: Final = "SERVE_CONTROLLER_ACTOR"
_KILLED_WITHIN_S: Final = 60.0
_LOOK_S: Final = 0.05
_STOPPED_S: Final = 0.08
_RUNS_S: Final = 0.02
"""A replica that runs a fifth of the time is five times as slow."""


def main() -> None:
    """Does the fault that the arguments name."""
    fault, service, lasts_s = Fault(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    import ray

    ray.init(address="auto", namespace=_NAMESPACE, log_to_driver=False)
    try:
        said = _done(fault, service, lasts_s)
    except RaytideError as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)  # noqa: T201 (what the job says is its output)


def _done(fault: Fault, service: str, lasts_s: float) -> dict[str, Any]:
    deployments = _deployments(service)
    if fault is Fault.RESTART_CONTROLLER:
        return _killed(_CONTROLLER, "Serve's controller", no_restart=False)
    if fault is Fault.RESTART_BRAIN:
        return _killed(deployments[BRAIN]["replicas"][0]["actor_name"], "the brain")
    if fault is Fault.LOST_METRICS:
        return _deafened(service, lasts_s)
    replica = _victim(deployments)
    name = f"replica {replica['replica_id']}"
    if fault is Fault.KILL_REPLICA:
        return _replica_killed(replica, name)
    if fault is Fault.SLOW_REPLICA:
        return _slowed(replica, name, lasts_s)
    return _node_killed(replica, name)


def _deployments(service: str) -> Mapping[str, Any]:
    deployments: Mapping[str, Any] = serve_details()["applications"][service]["deployments"]
    return deployments


def _victim(deployments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Any replica that runs."""
    running = [
        replica
        for name, deployment in deployments.items()
        if name != BRAIN
        for replica in deployment["replicas"]
        if str(replica["state"]).split(".")[-1] == "RUNNING"
    ]
    if not running:
        raise RaytideError("no replica runs, so there is none to hit")
    return random.choice(running)  # noqa: S311 (any will do)


def _killed(actor: str, name: str, *, no_restart: bool = True) -> dict[str, Any]:
    import ray

    handle, at_s = _actor(actor), time.time()
    ray.kill(handle, no_restart=no_restart)
    return {"began_s": at_s, "at_s": at_s, "did": f"killed {name}"}


def _actor(name: str) -> Any:
    import ray

    return ray.get_actor(name, namespace=_NAMESPACE)


def _replica_killed(replica: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Killed from beside it, where the end of its process is seen: it takes requests for a moment longer than Ray waits
    for it to answer, and these are lost with it.
    """
    import ray

    killing = _on_node(replica["node_id"], _kill_and_outlive).remote(replica["actor_name"], replica["pid"])
    began_s, at_s = ray.get(killing)
    if at_s is None:
        raise RaytideError(f"{name} was killed and has not ended within {_KILLED_WITHIN_S:g} s")
    return {"began_s": began_s, "at_s": at_s, "did": f"killed {name}", "replica": replica["replica_id"]}


def _kill_and_outlive(actor: str, pid: int) -> tuple[float, float | None]:
    """When it was killed, and when its process had ended; None where it does not."""
    import psutil
    import ray

    process, began_s = psutil.Process(pid), time.time()
    ray.kill(_actor(actor), no_restart=True)
    try:
        process.wait(_KILLED_WITHIN_S)
    except psutil.TimeoutExpired:
        return began_s, None
    return began_s, time.time()


def _gone_s(actor: Any, name: str) -> float:
    """When it answers no more: until then it takes requests, which are lost with it."""
    import ray

    deadline_s = time.monotonic() + _KILLED_WITHIN_S
    try:
        while time.monotonic() < deadline_s:
            ray.get(actor.__ray_ready__.remote(), timeout=_KILLED_WITHIN_S)
            time.sleep(_LOOK_S)
    except ray.exceptions.GetTimeoutError:
        pass
    except ray.exceptions.RayError:
        return time.time()
    raise RaytideError(f"{name} was killed and has not ended within {_KILLED_WITHIN_S:g} s")


def _deafened(service: str, lasts_s: float) -> dict[str, Any]:
    from ray import serve

    at_s = time.time()
    serve.get_deployment_handle(BRAIN, app_name=service).deafen.remote(lasts_s).result(timeout_s=10.0)
    time.sleep(lasts_s)
    return {"began_s": at_s, "at_s": at_s, "did": f"let the brain hear of no replica for {lasts_s:g} s"}


def _slowed(replica: Mapping[str, Any], name: str, lasts_s: float) -> dict[str, Any]:
    import ray

    at_s = time.time()
    ray.get(_on_node(replica["node_id"], _stutter).remote(replica["pid"], lasts_s))
    return {"began_s": at_s, "at_s": at_s, "did": f"stopped {name} four fifths of {lasts_s:g} s"}


def _node_killed(replica: Mapping[str, Any], name: str) -> dict[str, Any]:
    import ray

    head = next((node for node in ray.nodes() if node["Alive"] and "node:__internal_head__" in node["Resources"]), None)
    if head is None or head["NodeID"] == replica["node_id"]:
        raise RaytideError(f"{name} runs on the head node, whose loss ends the cluster: drill a service on other nodes")
    actor, began_s = _actor(replica["actor_name"]), time.time()
    killing = _on_node(replica["node_id"], _kill_node).remote()
    try:  # a job that ends at once takes along what it has started
        ray.get(killing, timeout=_KILLED_WITHIN_S)
    except ray.exceptions.GetTimeoutError as error:
        raise RaytideError(f"the node of {name} takes no task, so it could not be killed") from error
    except ray.exceptions.RayError:
        pass  # the task went with its node
    did, replica_id = f"killed the node of {name}", replica["replica_id"]
    return {"began_s": began_s, "at_s": _gone_s(actor, name), "did": did, "replica": replica_id}


def _on_node(node_id: str, work: Any) -> Any:
    """The function as a task that runs on this node, and once."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    return ray.remote(work).options(num_cpus=0, max_retries=0, scheduling_strategy=strategy)


def _stutter(pid: int, lasts_s: float) -> None:
    """Stops and continues the process and its children, which always run on in the end."""
    import psutil

    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    until_s = time.monotonic() + lasts_s
    try:
        while time.monotonic() < until_s:
            for each in family:
                each.suspend()
            time.sleep(_STOPPED_S)
            for each in family:
                each.resume()
            time.sleep(_RUNS_S)
    finally:
        for each in family:
            each.resume()


def _kill_node() -> None:
    """All at once, as with a power cut: a worker that only loses its raylet goes on for seconds, and takes requests."""
    import psutil

    raylet = psutil.Process(os.getppid())
    for each in (raylet, *raylet.children(recursive=True)):
        if each.pid != os.getpid():
            each.kill()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

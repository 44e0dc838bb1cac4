"""One worker group for each pool: a pod is a node of it."""

from __future__ import annotations

from typing import Any, Final

from raytide.core.spec.cluster import Pool
from raytide.manifests.platform import Platform
from raytide.manifests.render.head import KEPT
from raytide.manifests.render.names import AGENT_PORT, GROUP_LABEL, METRICS_PORT, cluster_pods, quantity
from raytide.manifests.render.pod import RayPod, object_store_bytes, pod_spec, resources, whole_seconds
from raytide.manifests.traced import Origin, came, said

DRAIN_S: Final = 330.0
"""Longer than a replica may finish its answers."""
SPOT_DRAIN_S: Final = 25.0
"""Less than the shortest notice of the large providers: 30 s on Azure and Google; it is 120 s on AWS."""
_GPU_RESOURCES: Final = {"CPU": None, "MI300X": "amd.com/gpu"}
_DRAIN: Final = (
    "ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message 'the pod is to go' "
    "--deadline-remaining-seconds {seconds} && while pgrep -x raylet >/dev/null; do sleep 1; done"
)


def worker_group(platform: Platform, index: int) -> Any:
    """The entry of a pool under `workerGroupSpecs`."""
    pool, at = platform.pools[index], platform.cluster.at("spec", "pools", index)
    group = {
        "groupName": came(pool.name, at.below("name")),
        "replicas": came(pool.min_nodes, at.below("min_nodes")),
        "minReplicas": came(pool.min_nodes, at.below("min_nodes")),
        "maxReplicas": came(pool.max_nodes, at.below("max_nodes")),
        "priority": said(
            came(_priority(platform.pools, pool) if platform.is_autoscaled else None, at.below("price")),
            "of pools that fit, the cheaper one starts first",
        ),
        "labels": said(
            {
                "ray.io/accelerator-type": came(pool.accelerator, at.below("accelerator")),
                "ray.io/market-type": came(pool.market, at.below("market")),
                **{key: came(value, at.below("pods", "labels", key)) for key, value in pool.pods.labels.items()},
            },
            "what services select their nodes by",
        ),
        "rayStartParams": {
            "metrics-export-port": str(METRICS_PORT),
            "object-store-memory": str(object_store_bytes(pool.memory_per_node)),
        },
        "template": {
            "metadata": {"annotations": KEPT},
            "spec": pod_spec(platform, _pod(platform, pool, at)),
        },
    }
    return came(group, at)


def drain_s(pool: Pool) -> float:
    """How long a pod of the pool may finish its work."""
    if pool.pods.drain is not None:
        return pool.pods.drain
    return SPOT_DRAIN_S if pool.market == "spot" else DRAIN_S


def gpu_resource(pool: Pool) -> str | None:
    """What the pool's accelerators are called by Kubernetes; None for a CPU pool."""
    return _GPU_RESOURCES.get(pool.accelerator, "nvidia.com/gpu")


def _priority(pools: tuple[Pool, ...], pool: Pool) -> int:
    """Higher for what costs less for an accelerator, or for a CPU where there are none.

    Ray's autoscaler compares it between pools that a demand fits equally well (ray 2.60, `autoscaler/v2/scheduler.py`).
    """
    dearer = {_unit_price(other) for other in pools if bool(other.gpus_per_node) == bool(pool.gpus_per_node)}
    return len([price for price in dearer if price > _unit_price(pool)])


def _unit_price(pool: Pool) -> float:
    return pool.price / (pool.gpus_per_node or pool.cpus_per_node)


def _pod(platform: Platform, pool: Pool, at: Origin) -> RayPod:
    image = "cpu" if pool.accelerator == "CPU" else "gpu"
    drain = _DRAIN.format(seconds=whole_seconds(drain_s(pool)))
    return RayPod(
        role="worker",
        token=said(False, "workers speak to Ray, never to Kubernetes"),
        pods=pool.pods,
        at=at,
        drain_s=drain_s(pool),
        image=came(platform.kubernetes.images.of(pool.accelerator), platform.at("images", image)),
        resources=_resources(pool, at),
        memory_bytes=pool.memory_per_node,
        ports=[{"name": "metrics", "containerPort": METRICS_PORT}],
        health_path="/api/local_raylet_healthz",
        health_port=AGENT_PORT,
        spread=_spread(platform, pool),
        lifecycle=said(
            {"preStop": {"exec": {"command": ["bash", "-c", drain]}}},
            "Ray moves replicas and training off the node before it goes",
        ),
    )


def _resources(pool: Pool, at: Origin) -> dict[str, Any]:
    cpus = came(str(pool.cpus_per_node), at.below("cpus_per_node"))
    memory = came(quantity(pool.memory_per_node), at.below("memory_per_node"))
    resource = gpu_resource(pool)
    if resource is None or not pool.gpus_per_node:
        return resources(cpus, memory)
    return resources(cpus, memory, came(str(pool.gpus_per_node), at.below("gpus_per_node")), resource)


def _spread(platform: Platform, pool: Pool) -> list[dict[str, Any]] | None:
    """Over zones, so that one of them does not take a whole pool along; a pool of one node has nothing to spread."""
    if pool.max_nodes == 1:
        return None
    return [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": said("ScheduleAnyway", "a GPU in the wrong zone is better than none"),
            "labelSelector": {"matchLabels": {**cluster_pods(platform), GROUP_LABEL: pool.name}},
        }
    ]

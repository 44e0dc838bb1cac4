"""The declared pools as nodes of this machine that Ray's own autoscaler adds and removes: a rehearsal without GPUs.

Every such node is a real raylet with the pool's labels and with accelerators that only count, so everything but the
computing happens as on the real cluster. It is Ray's test provider (ray 2.60, `FakeMultiNodeProvider`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from raytide.core.spec.cluster import Cluster, Pool

HEAD_NODE_ID: Final = "f" * 51 + "00000"
"""By which the provider tells the head from the nodes that it has made."""
ENVIRONMENT: Final[Mapping[str, str]] = {
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "1",
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    # Serve keeps a proxy on every node with a replica, and the node with it for half a minute after the last one.
    "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "5",
}
HEAD_ENVIRONMENT: Final[Mapping[str, str]] = {
    "RAY_CLOUD_INSTANCE_ID": HEAD_NODE_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_NODE_ID,
}
"""For the head alone: a driver that inherits it takes itself for the head."""

_PROVIDER: Final = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
_HEAD_TYPE: Final = "ray.head.default"
"""The name that the provider gives to the node that it has not made."""
_OBJECT_STORE_BYTES: Final = 80 * 2**20
"""Of each node: the smallest that Ray takes is 75 MB."""
_EMPTY: Final[Mapping[str, Any]] = {
    # All of these are asked for by ray 2.60, although nothing is set up: without them the monitor ends with a KeyError.
    "docker": {},
    "auth": {},
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}


def autoscaling_config(cluster: Cluster, gcs_address: str, *, head_cpus: int, idle_s: float) -> dict[str, Any]:
    """What `ray start --head --autoscaling-config` takes; `gcs_address` must not be the loopback's.

    A node that has had nothing to do for `idle_s` is removed.
    """
    pools = [pool for pool in cluster.spec.pools if pool.gpus_per_node]
    return {
        "cluster_name": cluster.metadata.name,
        "max_workers": sum(pool.max_nodes for pool in pools),
        "idle_timeout_minutes": idle_s / 60,
        "upscaling_speed": 1.0,
        "provider": {
            "type": "external",
            "module": _PROVIDER,
            "launch_multiple": True,
            "head_node_id": HEAD_NODE_ID,
            "gcs_address": gcs_address,
            "disable_node_updaters": True,
        },
        "head_node_type": _HEAD_TYPE,
        "available_node_types": {
            _HEAD_TYPE: {"resources": {"CPU": head_cpus}, "node_config": {}, "max_workers": 0},
            **{pool.name: _node_type(pool) for pool in pools},
        },
        **_EMPTY,
    }


def _node_type(pool: Pool) -> dict[str, Any]:
    return {
        "resources": {
            "CPU": pool.cpus_per_node,
            "GPU": pool.gpus_per_node,
            f"accelerator_type:{pool.accelerator}": 1,
            "object_store_memory": _OBJECT_STORE_BYTES,
        },
        "labels": {
            "ray.io/accelerator-type": pool.accelerator,
            "ray.io/market-type": pool.market,
            "ray.io/node-group": pool.name,
        },
        "node_config": {},
        "min_workers": pool.min_nodes,
        "max_workers": pool.max_nodes,
    }

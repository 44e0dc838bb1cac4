from __future__ import annotations

from typing import Any

import pytest

from raytide.core.spec import Cluster
from raytide.operator.local.pools import HEAD_NODE_ID, autoscaling_config

POOL: dict[str, Any] = {"cpus_per_node": 8, "memory_per_node": "64GiB", "price": "$1/h", "max_nodes": 3}
SPOT: dict[str, Any] = {**POOL, "name": "l4-spot", "accelerator": "L4", "gpus_per_node": 2, "market": "spot"}
ALWAYS: dict[str, Any] = {**POOL, "name": "h100", "accelerator": "H100", "gpus_per_node": 8, "min_nodes": 1}
CPUS: dict[str, Any] = {**POOL, "name": "cpu", "accelerator": "CPU"}


@pytest.fixture
def config() -> dict[str, Any]:
    declared = {"pools": [SPOT, ALWAYS, CPUS]}
    cluster = Cluster.model_validate(
        {"apiVersion": "raytide/v1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": declared}
    )
    return autoscaling_config(cluster, "10.0.0.1:6379", head_cpus=4, idle_s=12.0)


def test_each_pool_of_accelerators_is_a_node_type_with_its_labels_and_bounds(config: dict[str, Any]) -> None:
    types = config["available_node_types"]
    assert set(types) == {"ray.head.default", "l4-spot", "h100"}
    spot = types["l4-spot"]
    assert (spot["resources"]["GPU"], spot["resources"]["CPU"]) == (2, 8)
    assert spot["labels"]["ray.io/accelerator-type"] == "L4"
    assert spot["labels"]["ray.io/market-type"] == "spot"
    assert (spot["min_workers"], spot["max_workers"]) == (0, 3)
    assert types["h100"]["min_workers"] == 1


def test_the_head_is_this_machine_and_no_pool(config: dict[str, Any]) -> None:
    head = config["available_node_types"][config["head_node_type"]]
    assert head == {"resources": {"CPU": 4}, "node_config": {}, "max_workers": 0}
    assert config["provider"]["head_node_id"] == HEAD_NODE_ID
    assert config["provider"]["gcs_address"] == "10.0.0.1:6379"


def test_ray_accepts_the_configuration(config: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    filled = fillout_defaults(config)
    validate_config(filled)
    assert filled["idle_timeout_minutes"] == pytest.approx(0.2)
    assert filled["max_workers"] == 6

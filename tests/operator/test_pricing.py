from __future__ import annotations

from typing import Any

import pytest

from raytide.core.spec import Cluster
from raytide.core.spec.service import Hardware
from raytide.operator.plan.price import replica_usd_per_hour


def _cluster(*pools: dict[str, Any]) -> Cluster:
    common = {"cpus_per_node": 8, "memory_per_node": "64GiB", "max_nodes": 1}
    named = [{"name": f"pool-{number}", **common, **pool} for number, pool in enumerate(pools)]
    document = {"apiVersion": "raytide/v1", "kind": "Cluster", "metadata": {"name": "c"}, "spec": {"pools": named}}
    return Cluster.model_validate(document)


CPU = {"accelerator": "CPU", "price": "$0.80/h"}
H100 = {"accelerator": "H100", "gpus_per_node": 8, "price": "$24/h"}
SPOT = H100 | {"price": "$10/h", "market": "spot"}


@pytest.mark.parametrize(
    ("hardware", "usd_per_hour"),
    [
        ({"accelerator": "CPU", "cpus": 2}, 0.2),
        ({"accelerator": "CPU", "cpus": 8}, 0.8),
        ({"accelerator": "CPU", "cpus": 9}, None),
        ({"accelerator": "H100"}, 3.0),
        ({"accelerator": "H100", "tensor_parallel": 4, "cpus": 2}, 12.0),
        ({"accelerator": "H100", "cpus": 8}, 24.0),  # nobody can use the accelerators that it leaves
        ({"accelerator": "H100", "cpus": 9}, None),
        ({"accelerator": "H100", "tensor_parallel": 16}, None),
        ({"accelerator": "L4"}, None),
    ],
)
def test_a_replica_costs_its_share_of_a_node(hardware: dict[str, Any], usd_per_hour: float | None) -> None:
    found = replica_usd_per_hour(Hardware.model_validate(hardware), _cluster(CPU, H100))
    assert found == (usd_per_hour if usd_per_hour is None else pytest.approx(usd_per_hour))


@pytest.mark.parametrize(
    ("market", "usd_per_hour"), [(None, 1.25), ("spot", 1.25), ("on-demand", 3.0), ("reserved", None)]
)
def test_the_cheapest_pool_of_the_market_counts(market: str | None, usd_per_hour: float | None) -> None:
    hardware = Hardware.model_validate({"accelerator": "H100", "market": market})
    assert replica_usd_per_hour(hardware, _cluster(H100, SPOT)) == usd_per_hour


def test_a_price_of_its_own_comes_before_every_pool() -> None:
    hardware = Hardware.model_validate({"accelerator": "H100", "price": "$5/h"})
    assert replica_usd_per_hour(hardware, _cluster(H100, SPOT)) == 5.0
    assert replica_usd_per_hour(hardware, None) == 5.0


def test_without_a_declared_cluster_nothing_has_a_price() -> None:
    assert replica_usd_per_hour(Hardware(accelerator="CPU"), None) is None

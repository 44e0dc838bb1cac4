"""What the pools are for, from Serve's and Ray's own accounts of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.codec import typed
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.services.gateway.wanted import Node, pool_use

from .conftest import Replica, run, world

L4 = {"ray.io/accelerator-type": "L4"}


def node(pool: str = "l4", *, is_full: bool = False) -> Node:
    return Node(pool=pool, labels={"ray.io/node-group": pool, **L4}, is_full=is_full)


NODES = {"n1": node(), "n2": node("l4-spot")}
VARIANT = {"name": "vllm-l4", "engine": {"service": "chat", "model_path": "m"}, "num_gpus": 1, "num_cpus": 4.0}


def wanted_of(found: dict[str, Any], nodes: dict[str, Node] = NODES) -> tuple[Wanted, ...]:
    return pool_use(found, nodes).variants


def replica(state: str = "RUNNING", node: str | None = "n1") -> dict[str, Any]:
    return {"replica_id": f"{state}-{node}", "state": state, "node_id": node, "start_time_s": 1.0}


def details(*replicas: dict[str, Any], target: int = 1, status: str = "RUNNING", **said: Any) -> dict[str, Any]:
    variant = {**VARIANT, "label_selector": L4, **said}
    app = {
        "name": "chat",
        "status": status,
        "deployed_app_config": {
            "import_path": "raytide.services.app:build",
            "args": {"revision": "r", "model_version": "m", "service": "chat", "variants": [variant]},
        },
        "deployments": {"vllm-l4": {"target_num_replicas": target, "replicas": list(replicas)}},
    }
    gateway = {"name": "gateway", "status": "RUNNING", "deployed_app_config": {"import_path": "other:build"}}
    return {"applications": {"chat": app, "gateway": gateway}}


def test_a_variant_wants_its_target_and_says_what_a_replica_reserves_and_where_replicas_are() -> None:
    found = wanted_of(details(replica(), replica(node="n2"), replica("STARTING", None), target=4))
    assert found == (
        Wanted(
            service="chat",
            variant="vllm-l4",
            replicas=4,
            bundles=(Bundle(gpus=1, cpus=4.0),),
            labels=L4,
            standing={"l4": 1, "l4-spot": 1},
        ),
    )


def test_replicas_that_finish_what_they_have_hold_their_nodes_beside_those_that_are_wanted() -> None:
    (one,) = wanted_of(details(replica(), replica("STOPPING"), target=2))
    assert (one.replicas, one.standing) == (3, {"l4": 2})


def test_an_application_that_is_deleted_wants_no_more_than_is_in_flight() -> None:
    (one,) = wanted_of(details(replica("STOPPING"), target=3, status="DELETING"))
    assert one.replicas == 1
    assert wanted_of(details(target=3, status="DELETING")) == ()


def test_a_service_that_sleeps_and_a_cluster_without_services_want_nothing() -> None:
    assert wanted_of(details(target=0)) == ()
    assert wanted_of({}) == ()


def test_a_replica_that_may_span_nodes_reserves_accelerator_by_accelerator_and_stands_nowhere_for_certain() -> None:
    (one,) = wanted_of(details(replica(), num_gpus=16, num_nodes=2, memory_bytes=5))
    assert one.bundles == (Bundle(gpus=1, cpus=4.0, memory_bytes=5), Bundle(num=15, gpus=1))
    assert one.standing == {}


def test_nodes_that_are_full_without_a_replica_are_somebody_elses() -> None:
    full = {name: node(is_full=True) for name in ("n1", "j1", "j2")}
    use = pool_use(details(replica()), {**full, "idle": node(), "j3": node("l4-spot", is_full=True)})
    assert use.taken == {"l4": 2, "l4-spot": 1}


def test_a_replica_whose_node_is_not_known_yet_may_be_what_fills_one() -> None:
    full = {name: node(is_full=True) for name in ("j1", "j2")}
    assert pool_use(details(replica("STARTING", None)), full).taken == {"l4": 1}
    assert pool_use(details(replica("STARTING", None), target=3), full).taken == {}
    spanning = details(replica(node="n1"), num_gpus=2, num_nodes=2)
    assert pool_use(spanning, {"n1": node(is_full=True), **full}).taken == {}


@pytest.mark.parametrize(
    ("total", "free", "is_full"),
    [
        ({"CPU": 8.0, "GPU": 4.0}, {"CPU": 7.0, "GPU": 1.0}, False),
        ({"CPU": 8.0, "GPU": 4.0}, {"CPU": 7.0, "GPU": 0.5}, True),
        ({"CPU": 8.0, "GPU": 4.0}, {"CPU": 7.0}, True),
        ({"CPU": 8.0}, {"CPU": 0.1}, False),
        ({"CPU": 8.0}, {}, True),
    ],
)
def test_a_node_is_full_once_no_accelerator_or_no_cpu_is_free(
    total: dict[str, float], free: dict[str, float], is_full: bool
) -> None:
    labels = {"ray.io/node-group": "l4"}
    assert Node.of(labels, total, free) == Node(pool="l4", labels=labels, is_full=is_full)


def test_a_node_without_a_group_is_of_no_pool() -> None:
    assert Node.of({}, {"CPU": 8.0}, {}) is None


def test_the_gateway_answers_with_what_is_wanted_or_says_that_serve_does_not(home: Path) -> None:
    use = pool_use(details(replica()), {**NODES, "j1": node(is_full=True)})

    async def answering() -> PoolUse:
        return use

    async def silent() -> PoolUse:
        raise LookupError("the controller restarts")

    async def body() -> None:
        async with world(home, Replica(), use=answering) as there:
            answer = await there.client.get("/raytide/wanted")
            assert typed(PoolUse, answer.json()) == use
        async with world(home, Replica(), use=silent) as there:
            answer = await there.client.get("/raytide/wanted")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_serve")

    run(body())

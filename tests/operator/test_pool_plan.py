from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.plan import Holder, PoolPlan
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.core.spec import Cluster
from raytide.core.spec.cluster import Http
from raytide.operator.pool_plan import planned
from raytide.operator.site import Site

POOL: dict[str, Any] = {"cpus_per_node": 8, "memory_per_node": "64GiB", "price": "$1/h"}
FIXED: dict[str, Any] = {**POOL, "name": "cpu", "accelerator": "CPU", "min_nodes": 1, "max_nodes": 1}
L4: dict[str, Any] = {**POOL, "name": "l4", "accelerator": "L4", "gpus_per_node": 2, "max_nodes": 3}
CHAT = Wanted(service="chat", variant="vllm-l4", replicas=3, bundles=(Bundle(gpus=1, cpus=1.0),))


def declared(*pools: dict[str, Any]) -> Cluster:
    return Cluster.model_validate(
        {"apiVersion": "raytide/v1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": {"pools": pools}}
    )


@pytest.fixture
def where(recorded: Any, tmp_path: Any) -> Site:
    """A dashboard and a gateway at one address, which answer one after the other."""
    http = {"host": "127.0.0.1", "port": int(recorded.address.rsplit(":", 1)[1])}
    recorded.answers = [(200, {"http_options": http, "applications": {}}), (200, plain(PoolUse(variants=(CHAT,))))]
    return Site(address=recorded.address, home=tmp_path, cluster=declared(FIXED, L4), http=Http())


def test_each_pool_that_may_grow_has_a_plan(where: Site) -> None:
    holder = Holder(service="chat", variant="vllm-l4", replicas=3)
    assert planned(where) == (PoolPlan(pool="l4", needed=2, least=0, most=3, holders=(holder,)),)


def test_where_no_pool_may_grow_nobody_is_asked(where: Site, recorded: Any) -> None:
    assert planned(replace(where, cluster=declared(FIXED))) == ()
    assert recorded.requests == []


def test_without_a_file_or_an_answer_the_plan_is_missing(where: Site, recorded: Any) -> None:
    assert isinstance(planned(replace(where, cluster=None)), Missing)
    recorded.answers[1] = (404, {})
    assert planned(where) == Missing(reason=f"{where.address} answers with 404")

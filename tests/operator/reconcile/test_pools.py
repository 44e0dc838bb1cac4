"""The pool plan, from what the gateway says to the floors of worker groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
from kubernetes import client

from raytide.autoscaling.codec import plain
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.floors import STALE_S
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.operator.adapters.gateway import Gateway
from raytide.operator.adapters.kubernetes.api import KubernetesServer
from raytide.operator.reconcile.desired import Desired
from raytide.operator.reconcile.loop import Loop
from raytide.operator.reconcile.plan import plan
from raytide.operator.reconcile.pools import LOOK_S, Pools
from raytide.operator.reconcile.step import Object
from raytide.operator.reconcile.turn import Turn

from ..a_gateway import answering
from ..kubernetes_api.server import Request, Server
from ..kubernetes_api.transport import InMemory
from .conftest import ApiServer, desired_by

Rendered = Callable[[str], tuple[Object, ...]]
FIRST = "as it was"
AWAY = Missing(reason="http://team-gateway.ml gives no answer (ConnectError)")


def chat(replicas: int, **taken: int) -> PoolUse:
    wanted = Wanted(service="chat", variant="vllm-l4", replicas=replicas, bundles=(Bundle(gpus=1, cpus=4.0),))
    return PoolUse(variants=(wanted,), taken=taken)


@dataclass
class World:
    """An operator of a platform whose gateway says what it is told to."""

    desired_of: Rendered
    server: Server = field(default_factory=Server)
    says: PoolUse | Missing = field(default_factory=lambda: PoolUse(variants=()))
    edit: str = FIRST
    now_s: float = 1000.0
    leads: bool = True
    told: list[str] = field(default_factory=list)
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        namespace = next(one for one in self.desired_of(FIRST) if one["kind"] == "Namespace")
        self.server.answer(
            Request(method="POST", path="/api/v1/namespaces", query={"fieldManager": "raytide"}, body=namespace)
        )
        self.restart()
        self.settle()

    def restart(self) -> None:
        """Another process leads."""
        connection = client.ApiClient(client.Configuration(host="http://in-memory"))
        connection.rest_client.pool_manager = InMemory(self.server.answer)
        self.loop = Loop(
            api=KubernetesServer(connection, "ml", "team"),
            source=self,
            desired=self.read(),
            may_send=lambda: self.leads,
            say=self.told.append,
            random=Random(0),
            pools=Pools(self),
        )

    def pool_use(self) -> PoolUse | Missing:
        return self.says

    def read(self) -> Desired:
        return desired_by(self.desired_of, self.edit)

    def version(self) -> str:
        return self.edit

    def settle(self, after_s: float = 0.0, *, is_woken: bool = False) -> Turn | None:
        """The last turn, once nothing is due any more; as much later as is said."""
        self.now_s += after_s
        last = None
        while (done := self.loop.step(self.now_s, is_woken=is_woken)) is not None:
            last, is_woken = done, False
        return last

    @property
    def cluster(self) -> Any:
        return self.server.objects["rayclusters", "ml", "team"]

    @property
    def floors(self) -> dict[str, int]:
        return {group["groupName"]: group["minReplicas"] for group in self.cluster["spec"]["workerGroupSpecs"]}

    @property
    def said(self) -> tuple[str, str]:
        """The status of the pools' condition, and its words."""
        status = json.loads(self.server.objects["configmaps", "ml", "team-operator"]["data"]["status"])
        (found,) = (one for one in status["conditions"] if one["type"] == "PoolsPlanned")
        return found["status"], found["message"]


@pytest.fixture
def world(desired: Rendered) -> World:
    return World(desired)


def versions(world: World) -> dict[Any, str]:
    return {key: one["metadata"]["resourceVersion"] for key, one in world.server.objects.items()}


def test_decided_replicas_keep_their_nodes_and_nothing_else_is_touched(world: World) -> None:
    before, uid = versions(world), world.cluster["metadata"]["uid"]
    live = deepcopy(world.cluster["spec"])
    world.says = chat(5)
    world.settle(LOOK_S)
    assert world.floors == {"cpu": 1, "l4": 5}
    assert world.cluster["metadata"]["uid"] == uid
    after = versions(world)
    changed = {key[0] for key in after if after[key] != before[key]}
    assert changed == {"rayclusters", "configmaps"}  # the other one is the operator's status
    live["workerGroupSpecs"][1]["minReplicas"] = 5
    assert world.cluster["spec"] == live
    assert world.said == ("True", "cpu: 1 node, 4 at most; l4: 5 nodes (chat 5), 8 at most")


def test_sizes_that_the_autoscaler_has_set_are_sent_back_as_they_are(world: World) -> None:
    def grow(live: dict[str, Any]) -> None:
        live["spec"]["workerGroupSpecs"][1] |= {"replicas": 7, "scaleStrategy": {"workersToDelete": ["a"]}}

    world.server.act("RayCluster", "team", grow, "ray-autoscaler")
    world.says = chat(3)
    world.settle(LOOK_S)
    group = world.cluster["spec"]["workerGroupSpecs"][1]
    sizes = (group["minReplicas"], group["replicas"], group["scaleStrategy"], group["maxReplicas"])
    assert sizes == (3, 7, {"workersToDelete": ["a"]}, 8)


def test_a_floor_that_somebody_edits_is_set_back(world: World) -> None:
    world.says = chat(5)
    world.settle(LOOK_S)
    for edited in (0, 8):
        world.server.act("RayCluster", "team", partial(_set_floor, edited), "kubectl-edit")
        world.settle(is_woken=True)
        assert world.floors["l4"] == 5


def _set_floor(to: int, live: dict[str, Any]) -> None:
    live["spec"]["workerGroupSpecs"][1]["minReplicas"] = to


def test_a_floor_falls_once_it_was_lower_for_the_idle_timeout(world: World) -> None:
    world.says = chat(5)
    world.settle(LOOK_S)
    world.says = chat(2)
    for _ in range(3):
        world.settle(LOOK_S)
        assert world.floors["l4"] == 5
    assert world.said[1].endswith("l4: 5 nodes (chat 2), 3 of them from before, 8 at most")
    world.settle(LOOK_S)
    assert world.floors["l4"] == 2


def test_while_the_gateway_is_away_floors_stay_and_then_are_the_declared_ones(world: World) -> None:
    world.says = chat(5)
    world.settle(LOOK_S)
    world.says = AWAY
    world.settle(LOOK_S)
    assert world.floors["l4"] == 5
    assert world.said == ("False", f"{AWAY.reason}: the floors of before are kept")
    world.settle(STALE_S)
    assert world.floors == {"cpu": 1, "l4": 0}
    assert world.said == ("False", f"{AWAY.reason}: no pool keeps more than is declared")


def test_nodes_that_a_job_has_filled_are_no_part_of_what_replicas_keep(world: World) -> None:
    world.says = chat(3, l4=2)
    world.settle(LOOK_S)
    assert world.floors["l4"] == 5
    assert world.said[1].endswith("l4: 5 nodes (chat 3), beside 2 that others fill, 8 at most")
    world.says = chat(3)
    world.settle(LOOK_S)
    assert world.floors["l4"] == 3


def test_a_new_operator_keeps_the_floors_that_are_live_until_it_knows_better(world: World) -> None:
    world.says = chat(5)
    world.settle(LOOK_S)
    world.says = AWAY
    world.restart()
    world.settle()
    assert world.floors["l4"] == 5
    world.says = chat(4)
    world.settle(LOOK_S)
    assert world.floors["l4"] == 5
    world.settle(60.0)
    assert world.floors["l4"] == 4


def test_who_leads_again_goes_on_from_what_the_other_one_kept(world: World) -> None:
    world.says = chat(2)
    world.settle(LOOK_S)
    world.leads = False
    world.settle(LOOK_S)
    world.server.act("RayCluster", "team", partial(_set_floor, 7), "raytide")
    world.leads, world.says = True, AWAY
    world.settle(2 * STALE_S, is_woken=True)
    assert world.floors["l4"] == 7


def test_what_is_said_of_the_pools_is_written_without_a_turn(world: World) -> None:
    world.says = AWAY
    world.now_s += LOOK_S
    assert world.loop.step(world.now_s, is_woken=False) is None
    assert world.said[0] == "False"
    assert any(line.startswith("PoolsPlanned") for line in world.told)


def test_a_pool_that_is_made_smaller_has_a_floor_within_it(world: World) -> None:
    world.edit = "a larger pool"
    world.says = chat(12)
    world.settle(LOOK_S)
    assert world.floors["l4"] == 12
    world.edit = FIRST
    world.settle()
    assert world.floors["l4"] == 8


def test_without_a_plan_the_declared_floors_hold_and_an_unknown_one_leaves_the_live(desired: Rendered) -> None:
    server = ApiServer()
    for step in plan(desired(FIRST), [], "team"):
        server.send(step)
    (cluster,) = server.of_kind("RayCluster")
    _set_floor(3, cluster)
    assert [step.identity[1] for step in plan(desired(FIRST), server.live, "team") if step.is_sent] == ["RayCluster"]
    assert not any(step.is_sent for step in plan(desired(FIRST), server.live, "team", floors=None))


def test_the_gateway_is_asked_over_http() -> None:
    with answering(200, json.dumps(plain(chat(2, l4=3))).encode()) as url:
        assert Gateway(url + "/").pool_use() == chat(2, l4=3)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, b"{}", "answers with 503"),
        (200, b"<html>", "is no gateway of raytide"),
        (200, b"{}", "is no gateway of raytide"),
        (200, b"[]", "is no gateway of raytide"),
        (200, b'{"variants": [{"service": 3}]}', "is no gateway of raytide"),
        (200, json.dumps(plain(chat(2))).replace("4.0", "NaN").encode(), "is no gateway of raytide"),
        (200, json.dumps(plain(chat(2))).replace('"num": 1', '"num": 0').encode(), "is no gateway of raytide"),
    ],
)
def test_whatever_else_answers_there_is_no_plan(status: int, body: bytes, says: str) -> None:
    with answering(status, body) as url:
        found = Gateway(url).pool_use()
    assert isinstance(found, Missing)
    assert says in found.reason


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no-url", "http://[", ""])
def test_where_nobody_answers_there_is_no_plan(url: str) -> None:
    assert isinstance(Gateway(url).pool_use(), Missing)

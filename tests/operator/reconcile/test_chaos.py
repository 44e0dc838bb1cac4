"""Users, controllers, a bad network, an API server that restarts, and an operator that is killed anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
from kubernetes import client

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.operator.adapters.kubernetes.api import KubernetesServer
from raytide.operator.reconcile.desired import Desired
from raytide.operator.reconcile.loop import Loop
from raytide.operator.reconcile.ownership import holds, is_ours
from raytide.operator.reconcile.pools import Pools
from raytide.operator.reconcile.stamp import stamped
from raytide.operator.reconcile.step import Object, identity_of
from raytide.operator.reconcile.turn import Turn

from ..kubernetes_api.server import Answer, Key, Request, Server, status
from ..kubernetes_api.transport import InMemory
from .conftest import EDITS, desired_by, pools_of

Rendered = Callable[[str], tuple[Object, ...]]
FIRST = "as it was"
THEIRS: tuple[dict[str, Any], ...] = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "ml"}, "data": {"a": "1"}},
    {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "other-head",
            "namespace": "ml",
            "labels": {"app.kubernetes.io/managed-by": "raytide", "app.kubernetes.io/instance": "other"},
        },
    },
)
EVENTS = (
    *("edit", "edit", "turn", "turn", "turn", "die", "drift", "lose", "scale", "end", "forget", "storm", "take"),
    *("decide", "decide"),
)
_FAULTS = ("conflict", "busy", "broken", "unavailable", "dropped", "lost")


class Killed(BaseException):
    """The process is gone, in the middle of a request or between two."""


@dataclass
class World:
    """One sequence, from an empty cluster on."""

    desired_of: Rendered
    random: Random
    server: Server = field(default_factory=Server)
    edit: str = FIRST
    now_s: float = 0.0
    fault_rate: float = 0.0
    others_rate: float = 0.0
    """Of requests of the operator before which somebody else is faster."""
    kill_after: int | None = None
    """Requests until the operator is killed."""
    taken: set[Key] = field(default_factory=set)
    """Names of ours that somebody else has taken."""
    decided: int | None = 0
    """Replicas that the autoscaler wants on accelerators; None while its gateway is away."""
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        namespace = next(one for one in self.desired_of(FIRST) if one["kind"] == "Namespace")
        for one in (namespace, *THEIRS):
            self._post(one, one["metadata"].get("namespace", ""))
        self.theirs = {key: self.server.objects[key] for key in map(_key, THEIRS)}
        self.restart()

    def _post(self, one: Mapping[str, Any], namespace: str) -> None:
        plural = f"{one['kind'].lower()}s"
        within = f"/namespaces/{namespace}" if namespace else ""
        answer = self.server.answer(
            Request(method="POST", path=f"/api/v1{within}/{plural}", query={"fieldManager": "them"}, body=one)
        )
        assert answer.status == 201, answer.body

    def restart(self) -> None:
        """A new process, that knows nothing of the one before."""
        settings = client.Configuration(host="http://in-memory")
        connection = client.ApiClient(settings)
        connection.rest_client.pool_manager = InMemory(self.answer)
        self.loop = Loop(
            api=KubernetesServer(connection, "ml", "team"),
            source=self,
            desired=self.read(),
            may_send=lambda: True,
            say=lambda _: None,
            random=self.random,
            pools=Pools(self),
        )

    def pool_use(self) -> PoolUse | Missing:
        """What the gateway says."""
        if self.decided is None:
            return Missing(reason="the gateway is away")
        bundles = (Bundle(gpus=1, cpus=4.0),)
        wanted = Wanted(service="chat", variant="vllm-l4", replicas=self.decided, bundles=bundles)
        return PoolUse(variants=(wanted,), taken={"l4": self.decided % 3})

    def read(self) -> Desired:
        return desired_by(self.desired_of, self.edit)

    def version(self) -> str:
        return self.edit

    def answer(self, request: Request) -> Answer | None:
        """What the operator gets: the server's answer, a fault instead of it, or none although it was done."""
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                raise Killed
        if self.random.random() < self.others_rate:
            self.random.choice((self.drift, self.lose, self.take, self.grow))()
        fault = self.random.choice(_FAULTS) if self.random.random() < self.fault_rate else None
        match fault:
            case "conflict" if request.method != "GET":
                return status(409, "Conflict", "the object has been modified")
            case "busy":
                return Answer(429, {"message": "too many requests"}, {"Retry-After": "1"})
            case "broken":
                return status(500, "InternalError", "etcdserver: leader changed")
            case "unavailable":
                return status(503, "ServiceUnavailable", "apiserver is shutting down")
            case "dropped":
                return None
        before = dict(self.server.objects)
        answer = self.server.answer(request)
        if request.method != "GET":
            self.check(before)
        return None if fault == "lost" else answer

    def check(self, before: Mapping[Key, dict[str, Any]]) -> None:
        """What no request of the operator may do, whatever came before it."""
        after = self.server.objects
        for key, one in self.theirs.items():
            assert after[key] == one
        for key, one in before.items():
            if one["kind"] in ("Namespace", "PersistentVolumeClaim", "RayCluster"):
                assert after[key]["metadata"]["uid"] == one["metadata"]["uid"]
            if one["kind"] == "RayJob" and one["status"].get("jobDeploymentStatus") == "Running":
                assert after[key] == one
            if one["kind"] == "RayCluster":
                assert sizes(after[key]).items() >= {name: size for name, size in sizes(one).items() if size}.items()

    def turn(self) -> Turn | None:
        """Time passes until the next one is due, or the operator is killed in it and started again."""
        self.now_s += self.loop.wait_s(self.now_s)
        try:
            done = self.loop.step(self.now_s, is_woken=True)
        except Killed:
            self.kill_after = None
            self.restart()
            return None
        self.kill_after = None
        return done

    def happens(self) -> None:
        """One event, of whoever."""
        self.work("Running", only_new=True)
        match self.random.choice(EVENTS):
            case "edit":
                self.edit = self.random.choice(sorted(EDITS))
            case "turn":
                self.turn()
            case "die":
                self.kill_after = self.random.randrange(60)
                self.turn()
            case "drift":
                self.drift()
            case "lose":
                self.lose()
            case "scale":
                self.scale(self.random.randrange(9))
            case "end":
                self.work("Complete")
            case "forget":
                self.server.forget()
            case "take":
                self.take()
            case "decide":
                self.decided = self.random.choice([None, *range(12)])
                self.now_s += self.random.choice([0.0, 20.0, 700.0])
            case "storm":
                self.fault_rate = self.random.choice([0.0, 0.02, 0.1])
                self.others_rate = self.random.choice([0.0, 0.02, 0.1])

    def drift(self) -> None:
        """Somebody edits an object of ours by hand."""
        ours = [one for one in self.server.objects.values() if is_ours(one, "team")]
        if not ours:
            return
        one = self.random.choice(ours)
        kind, name = one["kind"], one["metadata"]["name"]

        def edit(live: dict[str, Any]) -> None:
            live["metadata"].setdefault("annotations", {})["somebody"] = str(self.random.random())
            if kind == "RayCluster":
                live["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = "7"
                live["spec"]["workerGroupSpecs"][0]["minReplicas"] = self.random.randrange(4)
            if kind == "NetworkPolicy":
                live["spec"]["ingress"] = []

        self.server.act(kind, name, edit, "kubectl-edit")

    def lose(self) -> None:
        """Somebody deletes objects that can be made anew."""
        kind = self.random.choice(["Service", "Role", "ServiceAccount", "ConfigMap", "Job", "NetworkPolicy"])
        for key, one in list(self.server.objects.items()):
            if one["kind"] == kind and is_ours(one, "team"):
                del self.server.objects[key]

    def take(self) -> None:
        """Somebody makes an object of their own by a name that is free, and that the plan needs."""
        for one in self.desired_of(self.edit):
            if one["kind"] not in ("Service", "ServiceAccount") or _key(one) in self.server.objects:
                continue
            theirs = {**one, "metadata": {key: one["metadata"][key] for key in ("name", "namespace")}}
            self._post(theirs, "ml")
            self.theirs[_key(one)] = self.server.objects[_key(one)]
            self.taken.add(_key(one))
            return

    def grow(self) -> None:
        self.scale(self.random.randrange(9))

    def scale(self, replicas: int) -> None:
        """The autoscaler writes sizes, within bounds."""

        def resize(live: dict[str, Any]) -> None:
            for group in live["spec"]["workerGroupSpecs"]:
                group["replicas"] = min(max(replicas, group["minReplicas"]), group["maxReplicas"])

        self.server.act("RayCluster", "team", resize, "ray-autoscaler")

    def work(self, state: str, *, only_new: bool = False) -> None:
        """Work begins or ends."""
        ended = {"conditions": [{"type": "Complete", "status": "True"}]} if state == "Complete" else {}
        for one in list(self.server.objects.values()):
            if one["kind"] in ("RayJob", "Job") and not (only_new and one["status"]):
                now = {"jobDeploymentStatus": state} if one["kind"] == "RayJob" else ended
                self.server.act(one["kind"], one["metadata"]["name"], partial(_set_status, now), "kuberay")

    def come_to_rest(self) -> None:
        """The network is well again, work ends, and pools run empty: turns until nothing is due."""
        self.fault_rate = self.others_rate = 0.0
        for key in self.taken:  # somebody decides
            assert self.server.objects.pop(key) == self.theirs.pop(key)
        for _ in range(3):  # what waits for an end goes only after it
            self.work("Complete")
            self.scale(0)
            for _ in range(40):
                done = self.turn()
                if done is not None and done.is_settled:
                    break


def sizes(cluster: Mapping[str, Any]) -> dict[str, int]:
    return {group["groupName"]: group["replicas"] for group in cluster["spec"]["workerGroupSpecs"]}


def floors(cluster: Mapping[str, Any]) -> dict[str, int]:
    return {group["groupName"]: group["minReplicas"] for group in cluster["spec"]["workerGroupSpecs"]}


def _set_status(now: dict[str, Any], live: dict[str, Any]) -> None:
    live["status"] = now


def _key(one: Mapping[str, Any]) -> Key:
    return f"{one['kind'].lower()}s", one["metadata"]["namespace"], one["metadata"]["name"]


def _without_sizes(one: Object) -> Object:
    if one["kind"] != "RayCluster":
        return one
    groups = [
        {key: value for key, value in group.items() if key not in ("replicas", "minReplicas")}
        for group in one["spec"]["workerGroupSpecs"]
    ]
    return {**one, "spec": {**one["spec"], "workerGroupSpecs": groups}}


def play(desired: Rendered, seed: int) -> World:
    """One sequence of up to 16 events, and its end."""
    world = World(desired, Random(seed))
    for _ in range(world.random.randrange(4, 17)):
        world.happens()
    world.come_to_rest()
    wanted = {identity_of(one): one for one in stamped(desired(world.edit))}
    found = {identity_of(one): one for one in world.server.objects.values()}
    for identity, one in wanted.items():
        assert holds(found[identity], _without_sizes(one)), (seed, identity)
    (cluster,) = (one for one in found.values() if one["kind"] == "RayCluster")
    assert world.loop.pools
    kept = world.loop.pools.floors or {}
    assert floors(cluster) == {
        pool.name: max(pool.min_nodes, min(kept.get(pool.name, 0), pool.max_nodes)) for pool in pools_of(world.edit)
    }, seed
    ours = {identity for identity, one in found.items() if is_ours(one, "team")}
    assert ours == set(wanted), (seed, ours ^ set(wanted))
    status_ = json.loads(found["", "ConfigMap", "ml", "team-operator"]["data"]["status"])
    assert {one["type"]: one["status"] for one in status_["conditions"]}["Ready"] == "True", (seed, status_)
    return world


SEQUENCES = int(os.environ.get("RAYTIDE_CHAOS_SEQUENCES", "50"))
"""A thousand take two minutes of one core."""


@pytest.mark.parametrize("seeds", [range(first, first + 10) for first in range(0, SEQUENCES, 10)], ids=str)
def test_whatever_happens_the_cluster_ends_as_declared_and_nothing_foreign_is_touched(
    desired: Rendered, seeds: range
) -> None:
    for seed in seeds:
        play(desired, seed)

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted

from ..operator.a_gateway import answering
from ..operator.kubernetes_api.server import Answer, Server
from ..operator.kubernetes_api.transport import served
from .conftest import Ran

Here = Callable[..., Ran]
CLUSTER = """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: team}
spec:
  kubernetes: {namespace: ml}
  pools:
    - {name: cpu, accelerator: CPU, cpus_per_node: 8, memory_per_node: 32GiB, price: $0.4/h, min_nodes: 1, max_nodes: 4}
"""
TOKEN = "a-token-that-is-never-printed"


class Place:
    """A server with what `raytide operator run` needs to find it."""

    def __init__(self, address: str, server: Server, folder: Path) -> None:
        self.server, self.file, self.kubeconfig = server, folder / "cluster.yaml", folder / "kubeconfig"
        self.file.write_text(CLUSTER)
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                    "clusters": [{"name": "here", "cluster": {"server": address}}],
                    "users": [{"name": "me", "user": {"token": TOKEN}}],
                }
            )
        )

    @property
    def args(self) -> tuple[str, ...]:
        return ("operator", "run", "-f", str(self.file), "--kubeconfig", str(self.kubeconfig), "--timeout", "20")

    def one(self, kind: str) -> Any:
        (found,) = (one for one in self.server.objects.values() if one["kind"] == kind)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    server = Server()
    with served(server) as address:
        yield Place(address, server, tmp_path)


def test_a_dry_run_says_everything_and_sends_nothing(here: Here, place: Place) -> None:
    ran = here(*place.args, "--dry-run")
    assert (ran.exit_code, ran.err) == (0, "")
    assert "create  RayCluster ml/team" in ran.out
    assert {one.method for one in place.server.requests} == {"GET"}


def test_once_makes_the_cluster_hold_it_and_a_second_time_sends_nothing_of_it(here: Here, place: Place) -> None:
    ran = here(*place.args, "--once")
    assert (ran.exit_code, ran.err) == (0, "")
    assert "create  RayCluster ml/team" in ran.out
    assert place.one("RayCluster")["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 4
    assert here(*place.args, "--dry-run").out == "the cluster holds all of it: nothing to send\n"
    before = place.one("RayCluster")["metadata"]["resourceVersion"]
    assert here(*place.args, "--once").exit_code == 0
    assert place.one("RayCluster")["metadata"]["resourceVersion"] == before


def test_pools_keep_what_the_gateway_says_is_wanted(here: Here, place: Place) -> None:
    chat = Wanted(service="chat", variant="vllm-cpu", replicas=5, bundles=(Bundle(cpus=4.0),))
    here(*place.args, "--once")
    with answering(200, json.dumps(plain(PoolUse(variants=(chat,)))).encode()) as gateway:
        ran = here(*place.args, "--gateway", gateway, "--dry-run")
        assert "spec.workerGroupSpecs.0.minReplicas: 1 → 3" in ran.out
        assert ran.err == "PoolsPlanned True: cpu: 3 nodes (chat 5), 4 at most\n"
        assert here(*place.args, "--gateway", gateway, "--once").exit_code == 0
    assert place.one("RayCluster")["spec"]["workerGroupSpecs"][0]["minReplicas"] == 3
    ran = here(*place.args, "--gateway", "http://127.0.0.1:1", "--dry-run")
    assert ran.out == "the cluster holds all of it: nothing to send\n"
    assert "gives no answer (ConnectError): the floors of before are kept" in ran.err


def test_the_difference_is_said_before_it_is_sent_and_hides_what_may_be_a_token(here: Here, place: Place) -> None:
    here(*place.args, "--once")

    def edit(one: Any) -> None:
        one["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = "7"
        one["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = TOKEN

    place.server.act("RayCluster", "team", edit, "kubectl-edit")
    place.server.requests.clear()
    said = here(*place.args, "--dry-run").out
    # What was read for the plan is what is compared: a server that goes away in between is no traceback.
    assert not [one for one in place.server.requests if one.path.endswith("/rayclusters/team")]
    assert "spec.headGroupSpec.rayStartParams.num-cpus: 7 → 0" in said
    assert "env.0.value: another value → " in said
    assert TOKEN not in said


def test_a_status_says_what_was_applied_and_that_it_is(here: Here, place: Place) -> None:
    here(*place.args, "--once")
    (found,) = (one for key, one in place.server.objects.items() if key == ("configmaps", "ml", "team-operator"))
    status = json.loads(found["data"]["status"])
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "Degraded": "False",
    }
    assert status["observedGeneration"]


def test_what_somebody_else_has_is_exit_code_5_and_stays_as_it_is(here: Here, place: Place) -> None:
    here(*place.args, "--once")
    place.server.act("Service", "team-gateway", lambda one: one["metadata"].pop("labels"), "kubectl-edit")
    before = place.one("Service")
    ran = here(*place.args, "--once")
    assert ran.exit_code == 5
    assert "Service ml/team-gateway: it is somebody else's" in ran.err
    assert place.one("Service") == before


def test_what_the_server_refuses_is_exit_code_5_in_its_words(here: Here, place: Place) -> None:
    place.server.kinds = tuple(kind for kind in place.server.kinds if kind.kind != "RayCluster")
    ran = here(*place.args, "--once")
    assert ran.exit_code == 5
    assert "RayCluster ml/team was refused" in ran.err
    assert "CRD" in ran.err


def test_a_server_that_gives_no_answer_is_exit_code_3(here: Here, place: Place) -> None:
    text = place.kubeconfig.read_text()
    place.kubeconfig.write_text(text.replace("http://127.0.0.1:", "http://127.0.0.1:1#"))
    for mode in ("--dry-run", "--once"):
        ran = here(*place.args, mode)
        assert ran.exit_code == 3
        assert "no answer" in ran.err
        assert TOKEN not in ran.err + ran.out


@pytest.mark.parametrize("text", ["", "[]", "contexts: none"])
def test_what_is_no_kubeconfig_is_exit_code_3(here: Here, place: Place, text: str) -> None:
    place.kubeconfig.write_text(text)
    ran = here(*place.args, "--once")
    assert ran.exit_code == 3
    assert "--kubeconfig" in ran.err


def test_a_mistake_in_the_files_is_exit_code_2_before_anything_is_asked(here: Here, place: Place) -> None:
    place.file.write_text(CLUSTER.replace("max_nodes: 4", "max_nods: 4"))
    ran = here(*place.args, "--once")
    assert ran.exit_code == 2
    assert "max_nodes" in ran.err
    assert place.server.requests == []


def test_while_another_operator_leads_once_is_exit_code_5_and_sends_nothing(here: Here, place: Place) -> None:
    here(*place.args, "--once")

    def lead(one: Any) -> None:
        one["spec"]["holderIdentity"] = "another"

    place.server.act("Lease", "team-operator", lead, "another")
    place.file.write_text(CLUSTER.replace("max_nodes: 4", "max_nodes: 8"))
    ran = here(*place.args, "--once")
    assert (ran.exit_code, "another leads" in ran.err) == (5, True)
    assert place.one("RayCluster")["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 4


def test_asked_for_a_right_that_is_missing_it_says_which(here: Here, tmp_path: Path) -> None:
    server = Server()
    with served(server, lambda _: Answer(403, {"message": "cannot list resource namespaces"})) as address:
        ran = here(*Place(address, server, tmp_path).args, "--dry-run")
    assert (ran.exit_code, "cannot list resource namespaces" in ran.err) == (1, True)

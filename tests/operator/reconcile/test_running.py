from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import pytest
from kubernetes import client

from raytide.core.errors import RunFailed, SpecError
from raytide.manifests.kinds import LEASE, NAMESPACED
from raytide.operator.adapters.kubernetes.api import KubernetesServer
from raytide.operator.reconcile import follow, leadership, run
from raytide.operator.reconcile.api import Change
from raytide.operator.reconcile.desired import Checkout
from raytide.operator.reconcile.follow import relevant
from raytide.operator.reconcile.leadership import Leadership
from raytide.operator.reconcile.lease import DEADLINE_S, DURATION_S
from raytide.operator.reconcile.pace import LONGEST_S, Pace, after, wait_s
from raytide.operator.reconcile.stamp import stamped
from raytide.operator.reconcile.step import Object, Step, Verb
from raytide.operator.reconcile.turn import Cut, Turn, turn

from ..kubernetes_api.server import Answer, Request, Server, status
from ..kubernetes_api.transport import InMemory, served
from .conftest import TEXTS

Rendered = Callable[[str], tuple[Object, ...]]
FIRST = "as it was"
RANDOM = Random(0)
ENDED = {"conditions": [{"type": "Complete", "status": "True"}]}


def connected(answering: Callable[[Request], Answer | None]) -> KubernetesServer:
    connection = client.ApiClient(client.Configuration(host="http://in-memory"))
    connection.rest_client.pool_manager = InMemory(answering)
    return KubernetesServer(connection, "ml", "team")


@pytest.fixture
def server(desired: Rendered) -> Server:
    """A cluster that has the namespace."""
    found = Server()
    (namespace,) = (one for one in desired(FIRST) if one["kind"] == "Namespace")
    found.answer(Request(method="POST", path="/api/v1/namespaces", query={"fieldManager": "raytide"}, body=namespace))
    return found


def settle(server: Server, objects: tuple[Object, ...], may_send: Callable[[], bool] = lambda: True) -> Turn:
    api = connected(server.answer)
    for _ in range(5):
        done = turn(objects, api, "team", may_send)
        if done.is_settled or done.cut or done.refusals:
            break
    return done


def one(server: Server, kind: str) -> Any:
    (found,) = (object_ for object_ in server.objects.values() if object_["kind"] == kind)
    return found


def test_what_is_declared_no_more_is_removed_although_the_live_object_holds_the_rest(
    server: Server, desired: Rendered
) -> None:
    policy = next(object_ for object_ in desired(FIRST) if object_["kind"] == "NetworkPolicy")
    before = {**policy, "spec": {**policy["spec"], "egress": []}}
    settle(server, stamped([before]))
    assert "egress" in one(server, "NetworkPolicy")["spec"]
    settle(server, stamped([policy]))
    assert "egress" not in one(server, "NetworkPolicy")["spec"]


def test_a_services_edit_never_replaces_the_cluster_nor_touches_a_running_job(
    server: Server, desired: Rendered
) -> None:
    settle(server, stamped(desired(FIRST)))
    for job in [object_ for object_ in server.objects.values() if object_["kind"] == "RayJob"]:
        name = job["metadata"]["name"]
        server.act("RayJob", name, lambda live: live.update(status={"jobDeploymentStatus": "Running"}), "kuberay")
    before = {kind: one(server, kind) for kind in ("RayCluster", "RayJob")}
    for edit in ("a service with another objective", "a service on other hardware", "no service"):
        assert settle(server, stamped(desired(edit))).is_settled
        assert {kind: one(server, kind) for kind in before} == before


def test_a_lost_lease_stops_the_turn_before_the_next_request(server: Server, desired: Rendered) -> None:
    leads = iter([True, True, True])
    done = settle(server, stamped(desired(FIRST)), lambda: next(leads, False))
    assert (done.cut, len(done.sent)) == (Cut.NOT_LEADING, 3)
    writes = [(request.method, request.path.rpartition("/")[2]) for request in server.requests if request.body]
    assert writes[1:] == [("PATCH", "ml"), ("PATCH", "ml"), ("POST", "serviceaccounts"), ("POST", "serviceaccounts")]


def test_where_an_account_is_refused_nothing_after_it_is_sent(server: Server, desired: Rendered) -> None:
    def answering(request: Request) -> Answer | None:
        is_role = request.method == "POST" and request.path.endswith("/roles")
        return status(403, "Forbidden", "roles is forbidden") if is_role else server.answer(request)

    done = turn(stamped(desired(FIRST)), connected(answering), "team", lambda: True)
    assert done.cut is Cut.REFUSED
    assert "RayCluster" not in {object_["kind"] for object_ in server.objects.values()}


def test_what_is_to_go_stays_while_something_was_refused(server: Server, desired: Rendered) -> None:
    settle(server, stamped(desired(FIRST)))
    for job in [object_ for object_ in server.objects.values() if object_["kind"] == "Job"]:
        server.act("Job", job["metadata"]["name"], lambda live: live.update(status=ENDED), "kube")

    def answering(request: Request) -> Answer | None:
        is_job = request.method == "POST" and request.path.endswith("/jobs")
        return status(403, "Forbidden", "exceeded quota") if is_job else server.answer(request)

    done = turn(stamped(desired("a service with another objective")), connected(answering), "team", lambda: True)
    assert [refusal.step.identity[1] for refusal in done.refusals] == ["Job"]
    assert "delete" in {str(step.verb) for step in done.steps}
    assert "delete" not in {str(step.verb) for step in done.sent}


def test_waits_double_and_keep_to_what_the_server_asks() -> None:
    busy = Turn(cut=Cut.UNAVAILABLE, retry_after_s=7.0)
    pace, waits = Pace(), []
    for _ in range(12):
        pace = after(busy, pace)
        waits.append(wait_s(busy, pace, RANDOM))
    assert all(wait is not None and 7.0 <= wait <= LONGEST_S for wait in waits)
    assert waits[0] == 7.0
    assert waits[-1] is not None
    assert waits[-1] >= LONGEST_S / 2


def test_the_first_conflict_is_planned_anew_at_once_and_the_next_ones_wait() -> None:
    conflict = Turn(cut=Cut.CONFLICT)
    first = after(conflict, Pace())
    assert wait_s(conflict, first, RANDOM) == 0.0
    assert (wait_s(conflict, after(conflict, first), RANDOM) or 0.0) > 0.0


def test_sending_the_same_in_vain_waits_as_a_failure_does() -> None:
    step = Step(verb=Verb.APPLY, identity=("", "Service", "ml", "x"), body={"spec": {}})
    sent = Turn(steps=(step,), sent=(step,))
    first = after(sent, Pace())
    assert wait_s(sent, first, RANDOM) == 0.0
    assert (wait_s(sent, after(sent, first), RANDOM) or 0.0) > 0.0
    assert after(Turn(), after(sent, first)).num_vain == 0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_one_leads_and_another_takes_over_once_the_lease_has_run_out(server: Server) -> None:
    clock = Clock()
    first, second = (Leadership(connected(server.answer), name, "team", "ml", clock) for name in ("a", "b"))
    first.tick()
    second.tick()
    assert (first.holds(), second.holds()) == (True, False)
    for _ in range(DURATION_S):
        clock.now_s += 1.0
        second.tick()
        assert not second.holds()
        if clock.now_s - 1000.0 >= DEADLINE_S:
            assert not first.holds()  # well before anybody else may
    clock.now_s += 1.0
    second.tick()
    assert second.holds()
    first.tick()
    assert (first.holds(), first.problem) == (False, "b leads")
    assert one(server, "Lease")["spec"]["leaseTransitions"] == 1


def test_a_lease_that_is_given_back_is_taken_at_once(server: Server) -> None:
    clock = Clock()
    first, second = (Leadership(connected(server.answer), name, "team", "ml", clock) for name in ("a", "b"))
    first.tick()
    second.tick()
    first.give_back()
    assert not first.holds()
    second.tick()
    assert second.holds()


def test_no_two_ever_lead_whatever_the_network_does(server: Server) -> None:
    clock, random = Clock(), Random(3)

    def answering(request: Request) -> Answer | None:
        fault = random.choice(["none", "none", "dropped", "lost"])
        answer = server.answer(request) if fault != "dropped" else None
        return None if fault == "lost" else answer

    operators = [Leadership(connected(answering), name, "team", "ml", clock) for name in "abc"]
    led: set[int] = set()
    for _ in range(2000):
        clock.now_s += random.choice([0.5, 2.0, 2.0, 11.0])
        random.choice(operators).tick()
        leading = [number for number, operator in enumerate(operators) if operator.holds()]
        assert len(leading) <= 1
        led |= set(leading)
    assert led == {0, 1, 2}


def test_the_status_of_a_cluster_wakes_nobody_and_its_sizes_do(desired: Rendered) -> None:
    (cluster,) = (deepcopy(dict(object_)) for object_ in desired(FIRST) if object_["kind"] == "RayCluster")
    before = relevant(Change("MODIFIED", cluster))
    assert relevant(Change("MODIFIED", {**cluster, "status": {"availableWorkerReplicas": 3}})) == before
    resized = deepcopy(cluster)
    resized["spec"]["workerGroupSpecs"][0]["replicas"] = 3
    assert relevant(Change("MODIFIED", resized)) != before


def reaching(address: str) -> KubernetesServer:
    settings = client.Configuration(host=address)
    settings.retries = False
    settings.connection_pool_maxsize = 32
    return KubernetesServer(client.ApiClient(settings), "ml", "team")


def declared(folder: Path) -> Checkout:
    for name, text in TEXTS.items():
        (folder / f"{name}.yaml").write_text(text)
    return Checkout(cluster=folder / "cluster.yaml", others=(folder / "service.yaml", folder / "job.yaml"))


class Running:
    """`raytide operator run` on a thread, with a real client over HTTP."""

    def __init__(self, address: str, folder: Path) -> None:
        source = declared(folder)
        self.file = source.cluster
        self.said: list[str] = []
        self.stop = Event()
        self.thread = Thread(
            target=run.forever, args=(source, source.read(), reaching(address), self.said.append, self.stop)
        )
        self.thread.start()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Running]]:
    monkeypatch.setattr(run, "POLL_S", 0.05)
    monkeypatch.setattr(run, "RETRY_S", 0.2)
    monkeypatch.setattr(follow, "_PAUSE_S", 0.05)
    server = Server()
    with served(server) as address:
        operator = Running(address, tmp_path)
        try:
            yield server, operator
        finally:
            operator.stop.set()
            operator.thread.join(30)
    assert not operator.thread.is_alive()
    assert one(server, "Lease")["spec"]["holderIdentity"] == ""  # given back


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def is_ready(server: Server) -> bool:
    found = server.objects.get(("configmaps", "ml", "team-operator"))
    conditions = json.loads(found["data"]["status"])["conditions"] if found else []
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)


def test_it_keeps_the_cluster_as_declared_through_drift_edits_and_mistakes(running: tuple[Server, Running]) -> None:
    server, operator = running
    until(lambda: is_ready(server))
    spec = ["spec", "workerGroupSpecs"]
    assert one(server, "RayCluster")[spec[0]][spec[1]][1]["maxReplicas"] == 8

    server.act("NetworkPolicy", "team", lambda live: live["spec"].update(ingress=[]), "kubectl-edit")  # drift
    until(lambda: bool(one(server, "NetworkPolicy")["spec"]["ingress"]))

    operator.file.write_text(TEXTS["cluster"].replace("max_nodes: 8", "max_nods: 8"))  # a mistake
    until(lambda: any("SpecInvalid" in line and "max_nodes" in line for line in operator.said))
    assert one(server, "RayCluster")["spec"]["workerGroupSpecs"][1]["maxReplicas"] == 8

    server.forget()  # every watch is gone
    operator.file.write_text(TEXTS["cluster"].replace("max_nodes: 8", "max_nodes: 16"))  # mended
    until(lambda: one(server, "RayCluster")["spec"]["workerGroupSpecs"][1]["maxReplicas"] == 16)
    until(lambda: is_ready(server))

    server.act("NetworkPolicy", "team", lambda live: live["spec"].update(ingress=[]), "kubectl-edit")
    until(lambda: bool(one(server, "NetworkPolicy")["spec"]["ingress"]))
    (lease,) = (found for found in server.objects.values() if found["kind"] == LEASE.kind)
    assert lease["spec"]["holderIdentity"]


def test_the_files_are_read_once_while_nothing_changes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = declared(tmp_path)
    desired = source.read()
    monkeypatch.setattr(Checkout, "read", lambda _: pytest.fail("read again"))
    run.once(source, desired, connected(server.answer), lambda _: None, 60.0)
    assert one(server, "RayCluster")


def test_a_job_that_a_pipeline_names_is_watched_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    job = tmp_path / "elsewhere/prepare.yaml"
    job.write_text(TEXTS["job"])
    (tmp_path / "nightly.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: nightly}\n"
        "spec: {steps: [{name: prepare, job: elsewhere/prepare.yaml}]}\n"
    )
    source = replace(declared(tmp_path), others=(tmp_path / "nightly.yaml",))
    before = source.read().generation
    version = source.version()
    job.write_text(TEXTS["job"].replace("data/stdlib", "data/another"))
    assert source.version() != version
    assert source.read().generation != before


def test_a_job_that_a_pipeline_names_is_awaited_where_it_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "nightly.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: nightly}\n"
        "spec: {steps: [{name: prepare, job: elsewhere/prepare.yaml}]}\n"
    )
    source = replace(declared(tmp_path), others=(tmp_path / "nightly.yaml",))
    with pytest.raises(SpecError, match="no such file"):
        source.read()
    version = source.version()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/prepare.yaml").write_text(TEXTS["job"])
    assert source.version() != version
    assert source.read()


def test_what_wakes_while_another_turn_begins_is_not_forgotten() -> None:
    class Late(Event):
        def is_set(self) -> bool:
            was = super().is_set()
            self.set()
            return was

    wake = Late()
    assert not run._taken(wake)
    assert run._taken(wake)


def test_without_time_it_makes_one_turn_and_says_what_came_of_it(server: Server, tmp_path: Path) -> None:
    source = declared(tmp_path)
    with pytest.raises(RunFailed, match="not in time"):
        run.once(source, source.read(), connected(server.answer), lambda _: None, 0.0)
    assert one(server, "RayCluster")


def test_a_folder_that_a_checkout_replaces_just_now_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(tmp_path)
    source = Checkout(cluster=tmp_path / "cluster.yaml", others=(tmp_path,))
    before = source.version()

    def gone(_: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "iterdir", gone)
    assert source.version() != before
    with pytest.raises(SpecError, match="cannot be read"):
        source.read()


def test_a_turn_that_lasts_longer_than_the_lease_is_sent_all_the_same(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "DEADLINE_S", 0.5)
    monkeypatch.setattr(run, "RETRY_S", 0.05)

    def from_afar(request: Request) -> Answer | None:
        time.sleep(0.0 if request.path.endswith("leases/team-operator") else 0.02)
        return server.answer(request)

    source = declared(tmp_path)
    run.once(source, source.read(), connected(from_afar), lambda _: None, 60.0)
    assert one(server, "RayCluster")
    assert one(server, "Lease")["spec"]["holderIdentity"] == ""


def test_watches_that_end_at_once_are_not_begun_again_at_once(server: Server) -> None:
    begun: list[str] = []

    def ending(request: Request) -> Answer | None:
        if "watch" not in request.query:
            return server.answer(request)
        begun.append(request.path)
        return Answer(200, None, lines=iter([]))

    stop = Event()
    with served(server, ending) as address:
        threads = follow.follow(reaching(address), Event(), stop, RANDOM)
        until(lambda: len(begun) >= len(NAMESPACED))
        stop.wait(0.1)
        stop.set()
        for thread in threads:
            thread.join(30)
    assert sorted(begun) == sorted(kind.path("ml") for kind in NAMESPACED)

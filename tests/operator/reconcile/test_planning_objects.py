from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.operator.reconcile.ownership import holds, is_ours
from raytide.operator.reconcile.plan import plan
from raytide.operator.reconcile.step import Step, Verb, identity_of

from .conftest import EDITS, ApiServer, Conflict, Objects

Rendered = Callable[[str], Objects]
FIRST = "as it was"


def _apply(server: ApiServer, desired: Objects) -> tuple[Step, ...]:
    steps = plan(desired, server.live, "team")
    for step in steps:
        if step.is_sent:
            server.send(step)
    return steps


def _running(desired: Objects) -> ApiServer:
    """A cluster that was applied, has grown since, and runs a job."""
    server = ApiServer()
    _apply(server, desired)
    (cluster,) = server.of_kind("RayCluster")
    cluster["spec"]["workerGroupSpecs"][1] |= {"replicas": 5, "scaleStrategy": {"workersToDelete": ["a"]}}
    server.touch(cluster)
    for job in server.of_kind("RayJob"):
        job["status"] = {"jobDeploymentStatus": "Running"}
    return server


def _sent(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(str(step.verb), step.identity[1]) for step in steps if step.is_sent]


def test_an_empty_namespace_gets_everything_in_the_order_of_its_rendering(desired: Rendered) -> None:
    steps = plan(desired(FIRST), [], "team")
    assert [step.identity for step in steps] == [identity_of(one) for one in desired(FIRST)]
    assert {step.verb for step in steps} == {Verb.CREATE}


def test_applying_twice_sends_nothing_the_second_time(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    assert _sent(_apply(server, desired(FIRST))) == []


@pytest.mark.parametrize("edit", [name for name in EDITS if "service" in name])
def test_a_services_edit_sends_nothing_to_the_cluster_and_nothing_to_a_running_job(
    desired: Rendered, edit: str
) -> None:
    server = _running(desired(FIRST))
    before = {kind: deepcopy(server.of_kind(kind)) for kind in ("RayCluster", "RayJob")}
    steps = _apply(server, desired(edit))
    assert {kind for _, kind in _sent(steps)} <= {"ConfigMap", "Job"}
    assert {kind: server.of_kind(kind) for kind in before} == before


def test_a_larger_pool_is_sent_with_the_sizes_that_the_autoscaler_has_set(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    (before,) = server.of_kind("RayCluster")
    uid = before["metadata"]["uid"]
    sent = _sent(_apply(server, desired("a larger pool")))
    assert [kind for verb, kind in sent if verb == "apply"] == ["RayCluster"]
    (cluster,) = server.of_kind("RayCluster")
    group = cluster["spec"]["workerGroupSpecs"][1]
    assert (group["maxReplicas"], group["replicas"]) == (16, 5)
    assert group["scaleStrategy"] == {"workersToDelete": ["a"]}
    assert cluster["metadata"]["uid"] == uid


def test_where_the_autoscaler_was_faster_the_api_server_refuses(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    (step,) = [step for step in plan(desired("a larger pool"), server.live, "team") if step.verb is Verb.APPLY]
    (cluster,) = server.of_kind("RayCluster")
    server.touch(cluster)
    with pytest.raises(Conflict):
        server.send(step)


def test_a_pool_that_is_declared_no_more_goes_once_it_is_empty(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    steps = _apply(server, desired("a pool less"))
    (cluster,) = server.of_kind("RayCluster")
    sizes = [(one["groupName"], one["maxReplicas"]) for one in cluster["spec"]["workerGroupSpecs"]]
    assert sizes == [("cpu", 4), ("l4", 5)]
    assert "worker group l4 goes once nothing runs on it" in {step.reason for step in steps}
    cluster["spec"]["workerGroupSpecs"][1]["replicas"] = 0
    server.touch(cluster)
    _apply(server, desired("a pool less"))
    assert [one["groupName"] for one in cluster["spec"]["workerGroupSpecs"]] == ["cpu"]


def test_a_job_that_runs_is_deleted_only_once_it_has_ended(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    assert ("delete", "RayJob") not in _sent(_apply(server, desired("no job")))
    (job,) = server.of_kind("RayJob")
    job["status"] = {"jobDeploymentStatus": "Complete"}
    server.touch(job)
    assert _sent(_apply(server, desired("no job"))) == [("delete", "RayJob")]


def test_the_clock_of_a_job_goes_without_what_it_submitted(desired: Rendered) -> None:
    server = _running(desired("a scheduled job"))
    (step,) = [step for step in plan(desired("no job"), server.live, "team") if step.is_sent]
    assert step.identity[1] == "RayCronJob"
    assert step.body == {"propagationPolicy": "Orphan"}


def test_what_holds_data_is_kept_with_its_reason(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    kept = {step.identity[1]: step.reason for step in plan((), server.live, "team") if step.verb is Verb.KEEP}
    assert {"Namespace", "PersistentVolumeClaim", "RayCluster"} <= kept.keys()
    assert "models" in str(kept["PersistentVolumeClaim"])


def test_what_is_somebody_elses_is_refused_and_stays_as_it_is(desired: Rendered) -> None:
    server = ApiServer()
    role = deepcopy(dict(next(one for one in desired(FIRST) if one["kind"] == "Role")))
    role["metadata"] = {**role["metadata"], "labels": {"app.kubernetes.io/created-by": "kuberay-operator"}}
    server._create(role)
    before = deepcopy(role)
    (refused,) = [step for step in _apply(server, desired(FIRST)) if step.verb is Verb.REFUSE]
    assert refused.identity[1] == "Role"
    assert server.of_kind("Role") == [before]


def test_a_field_that_nobody_can_change_is_refused(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    (cluster,) = server.of_kind("RayCluster")
    cluster["spec"]["gcsFaultToleranceOptions"] = {"backend": "rocksdb"}
    other = [deepcopy(dict(one)) for one in desired(FIRST)]
    for one in other:
        if one["kind"] == "RayCluster":
            one["spec"]["gcsFaultToleranceOptions"] = {"backend": "redis"}
    (refused,) = [step for step in plan(other, server.live, "team") if step.verb is Verb.REFUSE]
    assert "spec.gcsFaultToleranceOptions.backend" in str(refused.reason)


def test_what_a_controller_made_of_an_object_is_not_the_plans_to_delete(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    (job,) = server.of_kind("Job")
    metadata = {"name": "chat-x7k2p", "namespace": "ml", "labels": job["metadata"]["labels"]}
    owned = {**metadata, "ownerReferences": [{"kind": "RayCronJob", "name": "prepare", "controller": True}]}
    for one in (
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata},
        {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": owned},
    ):
        server._create(deepcopy(one))
    assert _sent(plan(desired(FIRST), server.live, "team")) == []


def test_an_object_is_the_same_one_in_another_version_of_its_group(desired: Rendered) -> None:
    server = _running(desired(FIRST))
    live = server.live
    for one in live:
        if one["kind"] == "RayCluster":
            one["apiVersion"] = "ray.io/v1alpha1"
    steps = plan(desired(FIRST), live, "team")
    assert ("create", "RayCluster") not in _sent(steps)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("PersistentVolumeClaim", ("spec", "accessModes"), ["ReadWriteOnce"]),
        ("RoleBinding", ("roleRef",), {"kind": "ClusterRole", "name": "admin"}),
    ],
)
def test_what_kubernetes_lets_nobody_change_is_refused_before_it_is_sent(
    desired: Rendered, kind: str, field: tuple[str, ...], value: Any
) -> None:
    server = _running(desired(FIRST))
    (live,) = server.of_kind(kind)
    *above, last = field
    for key in above:
        live = live[key]
    live[last] = value
    (refused,) = [step for step in plan(desired(FIRST), server.live, "team") if step.verb is not Verb.KEEP]
    assert (refused.verb, refused.identity[1]) == (Verb.REFUSE, kind)
    assert ".".join(field) in str(refused.reason)


def test_a_config_that_is_not_named_for_its_content_is_sent_anew(desired: Rendered) -> None:
    panels = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**desired(FIRST)[0]["metadata"], "name": "team-dashboard", "namespace": "ml"},
        "data": {"panels": "old"},
    }
    server = _running((*desired(FIRST), panels))
    assert _sent(_apply(server, (*desired(FIRST), {**panels, "data": {"panels": "new"}}))) == [("apply", "ConfigMap")]


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(sorted(EDITS))),
        st.tuples(st.just("reconcile"), st.integers(0, 20)),
        st.tuples(st.just("plan"), st.none()),
        st.tuples(st.just("send"), st.integers(0, 20)),
        st.tuples(st.just("scale"), st.integers(0, 8)),
        st.tuples(st.just("end"), st.none()),
        st.tuples(st.just("lose"), st.sampled_from(["Service", "Role", "ConfigMap", "Job", "NetworkPolicy"])),
    ),
    max_size=25,
)


class World:
    """Users, the autoscaler, jobs and a reconciler that is killed and restarted, in any order."""

    def __init__(self, desired: Rendered) -> None:
        self.desired, self.edit, self.server = desired, FIRST, ApiServer()
        self.planned: tuple[Step, ...] = ()
        self.theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "ml"}}
        self.server._create(deepcopy(self.theirs))
        self.theirs = deepcopy(self.server.objects[identity_of(self.theirs)])

    def happens(self, event: str, value: Any) -> None:
        match event:
            case "edit":
                self.edit = value
            case "reconcile":
                self.plan()
                self.send(value)
            case "plan":
                self.plan()
            case "send":
                self.send(value)
            case "scale":
                self.scale(value)
            case "end":
                self.end()
            case "lose":
                self.server.objects = {
                    key: one for key, one in self.server.objects.items() if self.survives(key, value)
                }

    def survives(self, identity: Any, kind: str) -> bool:
        return bool(identity[1] != kind or identity == identity_of(self.theirs))

    def plan(self) -> None:
        self.planned = plan(self.desired(self.edit), self.server.live, "team")

    def send(self, num_steps: int) -> None:
        """Up to so many of what was planned, maybe long ago; a conflict ends it, as it ends the real one."""
        for step in self.planned[:num_steps]:
            before = deepcopy(self.server.objects)
            if not step.is_sent:
                continue
            try:
                self.server.send(step)
            except Conflict:
                return
            self.check(before)

    def check(self, before: dict[Any, dict[str, Any]]) -> None:
        """What no step may do, whatever came before it."""
        after = self.server.objects
        for identity, one in before.items():
            if identity[1] == "RayCluster":
                assert after[identity]["metadata"]["uid"] == one["metadata"]["uid"]
                assert _sizes(after[identity]).items() >= {k: v for k, v in _sizes(one).items() if v}.items()
            if one["kind"] == "RayJob" and one["status"].get("jobDeploymentStatus") != "Complete":
                assert after[identity] == one
            if one["kind"] in ("Namespace", "PersistentVolumeClaim"):
                assert after[identity]["metadata"]["uid"] == one["metadata"]["uid"]
        assert after[identity_of(self.theirs)] == self.theirs

    def scale(self, replicas: int) -> None:
        for cluster in self.server.of_kind("RayCluster"):
            for group in cluster["spec"]["workerGroupSpecs"]:
                group["replicas"] = min(max(replicas, group["minReplicas"]), group["maxReplicas"])
            self.server.touch(cluster)

    def end(self) -> None:
        for job in self.server.of_kind("RayJob"):
            job["status"] = {"jobDeploymentStatus": "Complete"}
            self.server.touch(job)
        for job in self.server.of_kind("Job"):
            job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
            self.server.touch(job)


def _sizes(cluster: dict[str, Any]) -> dict[str, int]:
    return {group["groupName"]: group["replicas"] for group in cluster["spec"]["workerGroupSpecs"]}


@settings(max_examples=150)
@given(events=EVENTS)
def test_whatever_happens_on_the_way_it_ends_where_the_files_say(
    desired: Rendered, events: list[tuple[str, Any]]
) -> None:
    world = World(desired)
    for event, value in events:
        world.happens(event, value)
    for _ in range(3):  # once to converge, once more for what waited for an end, and once for a pool that is empty now
        world.end()
        world.scale(0)
        world.happens("reconcile", 1000)
    wanted = desired(world.edit)
    assert [step for step in plan(wanted, world.server.live, "team") if step.is_sent] == []
    for one in wanted:
        assert holds(world.server.objects[identity_of(one)], _without_sizes(one))
    ours = {identity for identity, one in world.server.objects.items() if is_ours(one, "team")}
    assert ours == {identity_of(one) for one in wanted}


def _without_sizes(one: Any) -> Any:
    """Sizes are the autoscaler's."""
    if one["kind"] != "RayCluster":
        return one
    groups = [{k: v for k, v in group.items() if k != "replicas"} for group in one["spec"]["workerGroupSpecs"]]
    return {**one, "spec": {**one["spec"], "workerGroupSpecs": groups}}

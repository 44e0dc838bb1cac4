from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from sqlalchemy import String

from raytide.autoscaling.live.succession import TakesOver
from raytide.autoscaling.rollout.rollout import Canary
from raytide.services.accounting.sight import snapshot
from raytide.services.accounting.span import PLATFORM, UNITS, Kind, Owner
from raytide.services.accounting.tables import CLAIMS
from raytide.services.rollout.revisions import Application, as_canary

from .conftest import POOLS, Cluster, application

TEAM_JOB = Owner(kind=Kind.JOB, name="train", team="speech", job="raysubmit_1")


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add_node("gpu", "h100", "H100", 8)
    cluster.add_node("cpu", "cpu", "CPU", 0)
    cluster.add_job("1", "train", "speech")
    return cluster


def _held(cluster: Cluster) -> dict[Owner, float]:
    return {claim.owner: claim.units / UNITS for claim in snapshot(cluster.sight(), POOLS).claims}


def test_a_node_is_accounted_by_its_accelerators_and_one_without_by_its_cpus(cluster: Cluster) -> None:
    nodes = snapshot(cluster.sight(), POOLS).nodes
    assert (nodes["gpu"].units, nodes["cpu"].units) == (8 * UNITS, 4 * UNITS)
    assert nodes["gpu"].nano_usd_per_hour == 7 * 10**9


def test_cpus_of_a_node_with_accelerators_cost_nothing_by_themselves(cluster: Cluster) -> None:
    cluster.add_actor("a", "gpu", "1", {"CPU": 6.0})
    assert _held(cluster) == {}


def test_an_actor_outside_of_placement_groups_is_its_jobs(cluster: Cluster) -> None:
    cluster.add_actor("a", "gpu", "1", {"CPU": 1.0, "GPU": 2.0})
    assert _held(cluster) == {TEAM_JOB: 2.0}


def test_a_placement_group_holds_its_bundles_and_what_runs_in_it_nothing_more(cluster: Cluster) -> None:
    bundles = [{"bundle_id": {"bundle_index": n}, "node_id": "gpu", "unit_resources": {"GPU": 1.0}} for n in range(3)]
    cluster.groups["g"] = {
        "placement_group_id": "g", "name": "", "creator_job_id": "1", "state": "CREATED", "bundles": bundles,
    }  # fmt: skip
    cluster.add_actor("a", "gpu", "1", {"GPU_group_g": 1.0, "GPU": 1.0})
    cluster.actors["a"]["placement_group_id"] = "g"
    assert [claim.units for claim in snapshot(cluster.sight(), POOLS).claims] == [UNITS, UNITS, UNITS]


def test_a_task_is_its_jobs(cluster: Cluster) -> None:
    cluster.tasks["t"] = {
        "task_id": "t", "node_id": "cpu", "job_id": "1", "placement_group_id": None, "required_resources": {"CPU": 1.0},
    }  # fmt: skip
    assert _held(cluster) == {TEAM_JOB: 1.0}


def test_tasks_of_a_job_on_a_node_are_one_claim_however_they_come_and_go(cluster: Cluster) -> None:
    """A row for each would be a hundred thousand a day on one node."""

    def run(*names: str) -> None:
        cluster.tasks = {
            name: {
                "task_id": name, "node_id": "cpu", "job_id": "1", "placement_group_id": None,
                "required_resources": {"CPU": 1.0},
            }
            for name in names
        }  # fmt: skip

    run("a", "b", "c")
    (before,) = snapshot(cluster.sight(), POOLS).claims
    run("d", "e", "f")
    assert snapshot(cluster.sight(), POOLS).claims == (before,)
    assert before.units == 3 * UNITS


def test_a_job_without_a_name_is_called_by_its_program_and_no_argument_is_kept(cluster: Cluster) -> None:
    job = cluster.jobs["1"]
    job["metadata"], job["entrypoint"] = {}, "HF_TOKEN=hf_a python -m raytide.jobs.train jobs/t.yaml --set token=hf_b"
    cluster.add_actor("a", "gpu", "1", {"GPU": 1.0})
    (claim,) = snapshot(cluster.sight(), POOLS).claims
    assert claim.owner.name == "… python -m raytide.jobs.train jobs/t.yaml …"


def test_whatever_others_call_their_things_there_is_room_for_it(cluster: Cluster) -> None:
    job = cluster.jobs["1"]
    job["submission_id"], job["entrypoint"] = "x" * 3000, "python a.py\n\x1b[2Jsearch  0.00\0"
    job["metadata"] = {"team": "t" * 3000}
    cluster.serve = {
        "applications": {"n": {"name": "n" * 3000, "deployments": {"d" * 3000: {"replicas": [{"actor_name": "r"}]}}}}
    }
    cluster.add_actor("a", "gpu", "1", {"GPU": 1.0})
    cluster.add_actor("b", "gpu", "serve", {"GPU": 1.0}, name="r")
    seen = snapshot(cluster.sight(), POOLS)
    room = {column.name: column.type.length for column in CLAIMS.c if isinstance(column.type, String)}
    for claim in seen.claims:
        said = asdict(claim.owner)
        assert all(len(said[name]) <= (room[name] or 0) for name in said.keys() & room)
    assert seen.claims[0].owner.name == "python a.py …"
    assert seen.claims[0].owner.job in seen.jobs


def test_what_the_program_says_of_itself_counts_where_it_was_submitted_without_a_team(cluster: Cluster) -> None:
    cluster.jobs["1"]["metadata"] = {}
    cluster.add_actor("a", "gpu", "1", {"GPU": 2.0})
    said = {"1": {"raytide-job": "train", "team": "speech"}}
    (claim,) = snapshot(replace(cluster.sight(), job_metadata=said), POOLS).claims
    assert claim.owner == TEAM_JOB


@pytest.mark.parametrize("is_canary", [False, True])
def test_a_replica_is_its_services_with_team_variant_and_revision(cluster: Cluster, is_canary: bool) -> None:
    declared: Application = application("chat", "search")
    declared = as_canary(declared, TakesOver(rules=Canary(), applied_s=1.0)) if is_canary else declared
    replicas = [{"actor_name": "SERVE_REPLICA::chat#vllm-h100#x"}]
    deployments = {"vllm-h100": {"replicas": replicas}}
    app = {"name": declared["name"], "deployed_app_config": declared, "deployments": deployments}
    cluster.serve = {"applications": {"chat": app}}
    cluster.add_actor("a", "gpu", "serve", {"GPU": 4.0}, name="SERVE_REPLICA::chat#vllm-h100#x")
    assert _held(cluster) == {
        Owner(
            kind=Kind.SERVICE, name="chat", team="search", variant="vllm-h100", revision="abc", canary=is_canary
        ): 4.0
    }  # fmt: skip


def test_a_service_that_another_version_applied_makes_no_time_unknown(cluster: Cluster) -> None:
    declared = application("chat", "search")
    (brain,) = declared["deployments"]
    settings = {"team": brain["user_config"]["team"], "of_another_version": True}
    declared = {**declared, "deployments": [{**brain, "user_config": settings}]}
    deployments = {"vllm-h100": {"replicas": [{"actor_name": "r"}]}}
    app = {"name": "chat", "deployed_app_config": declared, "deployments": deployments}
    cluster.serve = {"applications": {"chat": app}}
    cluster.add_actor("a", "gpu", "serve", {"GPU": 4.0}, name="r")
    owner = Owner(kind=Kind.SERVICE, name="chat", team="search", variant="vllm-h100", revision="abc")
    assert _held(cluster) == {owner: 4.0}


def test_somebody_elses_application_is_named_as_serve_names_it(cluster: Cluster) -> None:
    app = {"name": "other", "deployments": {"d": {"replicas": [{"actor_name": "r"}]}}}
    cluster.serve = {"applications": {"other": app}}
    cluster.add_actor("a", "gpu", "serve", {"GPU": 1.0}, name="r")
    assert _held(cluster) == {Owner(kind=Kind.SERVICE, name="other", variant="d"): 1.0}


def test_a_head_that_takes_no_work_is_the_platforms_and_not_idle(cluster: Cluster) -> None:
    cluster.add_node("head", "cpu", "CPU", 0)
    cluster.nodes["head"]["resources_total"] = {"memory": 1.0}
    assert _held(cluster) == {PLATFORM: 1.0}


def test_a_node_without_the_label_of_a_pool_is_of_the_only_pool_like_it(cluster: Cluster) -> None:
    cluster.nodes["cpu"]["labels"] = {}
    assert snapshot(cluster.sight(), POOLS).nodes["cpu"].pool == "cpu"
    twice = (*POOLS, POOLS[2].model_copy(update={"name": "other"}))
    assert snapshot(cluster.sight(), twice).nodes["cpu"].nano_usd_per_hour is None


def test_a_dead_node_is_not_there_though_its_actors_are_still_listed(cluster: Cluster) -> None:
    cluster.add_actor("a", "gpu", "1", {"GPU": 2.0})
    cluster.nodes["gpu"]["state"] = "DEAD"
    seen = snapshot(cluster.sight(), POOLS)
    assert (list(seen.nodes), seen.claims) == (["cpu"], ())


def test_how_a_job_stands_is_known_by_the_id_that_its_claims_have(cluster: Cluster) -> None:
    cluster.jobs["1"]["status"] = "FAILED"
    assert snapshot(cluster.sight(), POOLS).jobs == {"raysubmit_1": "FAILED"}

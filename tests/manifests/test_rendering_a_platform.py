from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml  # what Kubernetes' tools read with: YAML 1.1
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.errors import SpecError
from raytide.core.spec.kubernetes import Images
from raytide.core.spec.mark import Mark
from raytide.manifests.overlays.provider import PROVIDERS
from raytide.manifests.platform import Platform, read_platform
from raytide.manifests.render.files import base_files, overlay_files, write
from raytide.manifests.render.objects import cluster_objects, objects, workload_objects
from raytide.manifests.render.operator import operator_objects
from raytide.manifests.render.raycluster import RAY_VERSION
from raytide.manifests.render.text import yaml_text
from raytide.manifests.traced import Rendered
from raytide.manifests.validate.check import check_platform
from raytide.manifests.validate.schemas import carried

from .conftest import CLUSTER, JOB, SERVICE, Declare


def _one(platform: Platform, kind: str) -> Rendered:
    (found,) = (one for one in objects(platform) if one.kind == kind)
    return found


def _group(platform: Platform, index: int) -> Any:
    return _one(platform, "RayCluster").value["spec"]["workerGroupSpecs"][index]


def fixed(cluster: str) -> str:
    """With pools that neither grow nor shrink."""
    return cluster.replace("min_nodes: 1, max_nodes: 2", "min_nodes: 2, max_nodes: 2").replace(
        "      max_nodes: 1", "      min_nodes: 1\n      max_nodes: 1"
    )


def test_rendering_twice_gives_the_same_bytes(declare: Declare) -> None:
    assert base_files(declare()) == base_files(declare())


def test_the_files_say_the_objects_to_readers_of_yaml_1_1(declare: Declare) -> None:
    platform = declare()
    files = base_files(platform)
    for one in objects(platform):
        (text,) = (text for path, text in files.items() if path.endswith(f"/{one.kind.lower()}-{one.name}.yaml"))
        assert yaml.safe_load(text) == one.value


def test_the_kustomizations_list_every_file_beside_them(declare: Declare) -> None:
    files = base_files(declare()) | overlay_files(declare(), PROVIDERS["gke"])
    for path in [path for path in files if path.endswith("kustomization.yaml")]:
        content, folder = yaml.safe_load(files[path]), path.removesuffix("kustomization.yaml")
        listed = {f"{folder}{name}" for name in content["resources"] if name.endswith(".yaml")}
        listed |= {f"{folder}{patch['path']}" for patch in content.get("patches", [])}
        assert listed == {other for other in files if other.startswith(folder) and other != path}


def test_each_pool_is_a_worker_group_of_its_size_with_the_labels_that_services_select(declare: Declare) -> None:
    group = _group(declare(), 1)
    assert (group["groupName"], group["minReplicas"], group["maxReplicas"]) == ("l4", 0, 1)
    assert group["labels"] == {"ray.io/accelerator-type": "L4", "ray.io/market-type": "on-demand"}
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "8", "memory": "30Gi", "nvidia.com/gpu": "1"}


def test_of_two_pools_the_cheaper_one_for_an_accelerator_starts_first(declare: Declare) -> None:
    spot = """\
    - {name: l4-spot, accelerator: L4, gpus_per_node: 4, cpus_per_node: 8, memory_per_node: 30GiB, price: $1.2/h,
       market: spot, max_nodes: 2}
"""
    platform = declare(CLUSTER + spot)
    assert [_group(platform, index)["priority"] for index in range(3)] == [0, 0, 1]


def test_a_spot_pod_drains_within_the_notice_of_its_provider(declare: Declare) -> None:
    platform = declare(CLUSTER.replace("accelerator: L4\n", "accelerator: L4\n      market: spot\n"))
    pod = _group(platform, 1)["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 25
    assert "--deadline-remaining-seconds 25" in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]


def test_a_users_part_of_a_pod_is_merged_by_name_and_remembers_its_place(declare: Declare) -> None:
    own = (
        "      pods:\n        pod: {hostNetwork: true, containers: [{name: ray-worker, env: [{name: A, value: b}]}]}\n"
    )
    cluster = CLUSTER + own
    rendered = _one(declare(cluster), "RayCluster")
    spec = ("spec", "workerGroupSpecs", 1, "template", "spec")
    pod = rendered.value["spec"]["workerGroupSpecs"][1]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["hostNetwork"] is True
    assert {"name": "A", "value": "b"} in container["env"]
    assert len(container["env"]) > 1
    finding = rendered.finding((*spec, "hostNetwork"), "not allowed")
    line = cluster.splitlines().index(own.splitlines()[1]) + 1
    assert (finding.line, finding.path) == (line, "spec.pools.1.pods.pod.hostNetwork")


@pytest.mark.parametrize(
    ("path", "came_from"),
    [
        (("spec", "workerGroupSpecs", 1, "maxReplicas"), "spec.pools.1.max_nodes"),
        (("spec", "workerGroupSpecs", 1, "template", "spec", "hostPID"), "spec.pools.1"),
        (("spec", "headGroupSpec", "template", "spec", "containers", 0, "image"), "spec.kubernetes.images.cpu"),
        (("metadata", "name"), "metadata.name"),
        (("spec", "authOptions", "mode"), "spec.kubernetes.auth"),
    ],
)
def test_a_finding_on_an_object_is_said_at_the_users_key(
    declare: Declare, path: tuple[str | int, ...], came_from: str
) -> None:
    assert _one(declare(), "RayCluster").finding(path, "wrong").path == came_from


def test_secrets_are_only_named(declare: Declare) -> None:
    for one in objects(declare()):
        assert one.kind != "Secret"
    (env,) = (
        variable
        for variable in _one(declare(), "Job").value["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "RAY_AUTH_TOKEN"
    )
    assert env == {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "team", "key": "auth_token"}}}


def test_every_pod_keeps_the_restricted_standard(declare: Declare) -> None:
    pods = list(_pods([one.value for one in objects(declare())]))
    assert len(pods) == 4  # the head, two pools and the apply Job
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


def test_only_the_head_of_an_autoscaled_cluster_gets_a_token_of_kubernetes(declare: Declare) -> None:
    given = [pod["automountServiceAccountToken"] for pod in _pods([one.value for one in objects(declare())])]
    assert given == [True, False, False, False]
    sized = declare(fixed(CLUSTER))
    assert not any(pod["automountServiceAccountToken"] for pod in _pods([one.value for one in objects(sized)]))
    assert "Role" not in {one.kind for one in objects(sized)}


def test_a_cluster_of_fixed_size_is_what_kueue_admits_and_kuberay_takes(declare: Declare) -> None:
    queued = fixed(CLUSTER).replace("    namespace: ml\n", "    namespace: ml\n    queue: gpus\n")
    platform = declare(queued)
    assert _one(platform, "RayCluster").value["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert check_platform(platform, carried()).findings == ()


def test_the_autoscaler_may_patch_its_own_cluster_and_no_other(declare: Declare) -> None:
    rules = {rule["resources"][0]: rule for rule in _one(declare(), "Role").value["rules"]}
    assert rules["rayclusters"]["resourceNames"] == ["team"]
    assert "patch" not in rules["pods"]["verbs"]


def test_a_services_edit_changes_only_its_own_config_and_job(declare: Declare) -> None:
    before = {one.identity: one.value for one in objects(declare())}
    after = {one.identity: one.value for one in objects(declare(service=SERVICE.replace("500ms", "900ms")))}
    changed = {identity for identity in before.keys() | after.keys() if before.get(identity) != after.get(identity)}
    assert {kind for _, kind, _, _ in changed} == {"ConfigMap", "Job"}
    assert not before.keys() & changed & after.keys()  # new objects, and none that is changed


def test_an_apply_job_stays_so_that_nobody_makes_it_anew_over_a_rollback(declare: Declare) -> None:
    assert "ttlSecondsAfterFinished" not in _one(declare(), "Job").value["spec"]


def test_a_service_leaves_every_object_of_the_cluster_as_it_is(declare: Declare) -> None:
    with_service, without = (cluster_objects(declare(service=service)) for service in (SERVICE, None))
    assert [one.value for one in with_service] == [one.value for one in without]


def test_what_is_not_said_of_a_service_or_job_is_no_workload(declare: Declare) -> None:
    assert workload_objects(declare(service=None, job=None)) == ()


def test_a_job_is_named_for_its_content_and_runs_on_the_cluster_that_is_there(declare: Declare) -> None:
    first, again, edited = (_one(declare(job=job), "RayJob") for job in (JOB, JOB, JOB + "# said\n"))
    assert first.name == again.name == edited.name
    other = _one(declare(job=JOB.replace("data/stdlib", "data/other")), "RayJob")
    assert other.name != first.name
    assert first.value["spec"]["clusterSelector"] == {"ray.io/cluster": "team"}


def test_the_entrypoint_of_a_job_hands_its_file_to_the_reader_of_files(declare: Declare) -> None:
    spec = _one(declare(), "RayJob").value["spec"]
    variables = yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]
    read = "from raytide.core.spec import Job, read_as; from pathlib import Path; "
    reader = f"{sys.executable} -c '{read}print(read_as(Job, Path(\"/dev/stdin\")).spec.output)'"
    shell = spec["entrypoint"].replace("python -m raytide.jobs.preprocess /dev/stdin", reader)
    assert reader in shell
    ran = subprocess.run(
        ["/bin/sh", "-c", shell], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "data/stdlib\n"


def test_a_scheduled_job_is_a_ray_cron_job_of_its_own_name(declare: Declare) -> None:
    scheduled = CLUSTER.replace(
        "    namespace: ml\n", '    namespace: ml\n    schedules: {prepare: {cron: "0 3 * * *"}}\n'
    )
    cron = _one(declare(scheduled), "RayCronJob")
    assert (cron.name, cron.value["spec"]["schedule"]) == ("prepare", "0 3 * * *")


def test_a_pipeline_is_a_job_that_carries_the_jobs_of_its_steps(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "prepare.yaml").write_text(JOB)
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "nightly.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: nightly}\nspec:\n  steps:\n"
        "    - {name: prepare, job: jobs/prepare.yaml, set: [spec.seed=3]}\n"
    )
    spec = _one(read_platform(tmp_path / "cluster.yaml", [tmp_path / "nightly.yaml"]), "RayJob").value["spec"]
    assert spec["entrypoint"].endswith("python -m raytide.jobs.pipeline /dev/stdin")
    told = yaml.safe_load(yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]["RAYTIDE_JOB"])
    assert told["spec"]["steps"] == [
        {"name": "prepare", "spec": {"task": "preprocess", "output": "data/stdlib", "seed": 3}}
    ]


def test_a_promotion_through_a_file_that_no_pod_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "nightly.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: nightly}\nspec:\n  steps:\n"
        "    - name: judge\n      spec: {task: evaluate, data: d, model: m, registry: {name: chat}, report: r.json}\n"
        "    - {name: go, promote: {step: judge, through: chat.yaml}}\n"
    )
    platform = read_platform(tmp_path / "cluster.yaml", [tmp_path / "nightly.yaml"])
    (finding,) = check_platform(platform, carried()).findings
    assert (finding.line, finding.problem) == (8, "a file that no pod has")


def test_a_mistake_in_a_job_that_a_pipeline_names_is_said_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "prepare.yaml").write_text(JOB.replace("output", "outptu"))
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "nightly.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: nightly}\n"
        "spec: {steps: [{name: prepare, job: prepare.yaml}]}\n"
    )
    with pytest.raises(SpecError, match=r"prepare.yaml:4:26: spec.outptu: unknown key"):
        read_platform(tmp_path / "cluster.yaml", [tmp_path / "nightly.yaml"])


def test_pods_hear_of_no_loopback_address(declare: Declare) -> None:
    config = yaml.safe_load(_one(declare(), "ConfigMap").value["data"]["cluster.yaml"])
    assert config["spec"]["gateway"]["host"] == config["spec"]["http"]["host"] == "0.0.0.0"
    assert "kubernetes" not in config["spec"]


def test_clients_reach_the_gateway_on_the_pod_that_it_is_kept_on(declare: Declare) -> None:
    platform = declare(CLUSTER.replace("  pools:\n", "  gateway: {port: 8443}\n  pools:\n"))
    service = _one(platform, "Service").value["spec"]
    assert (service["selector"]["ray.io/node-type"], service["ports"][0]["targetPort"]) == ("head", 8443)
    config = yaml.safe_load(_one(platform, "ConfigMap").value["data"]["cluster.yaml"])
    assert config["spec"]["gateway"] == {"port": 8443, "host": "0.0.0.0", "on_head": True}
    ports = [rule.get("ports") for rule in _one(platform, "NetworkPolicy").value["spec"]["ingress"]]
    assert [{"protocol": "TCP", "port": 8443}] in ports


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_overlay_places_every_pool(declare: Declare, name: str) -> None:
    platform = declare(CLUSTER.replace("accelerator: L4\n", "accelerator: H100\n"))
    places = {operation["path"] for operation in _patch(platform, name)}
    assert "/spec/workerGroupSpecs/1/template/spec/nodeSelector" in places


def test_a_pools_own_node_selector_wins_over_the_overlays(declare: Declare) -> None:
    own = "      pods: {node_selector: {cloud.google.com/gke-accelerator: nvidia-l4-vws}}\n"
    (value,) = (one["value"] for one in _patch(declare(CLUSTER + own), "gke") if one["path"].endswith("nodeSelector"))
    assert value == {"cloud.google.com/gke-accelerator": "nvidia-l4-vws"}


def test_what_a_pools_own_pod_says_of_its_place_stays_under_an_overlay(declare: Declare) -> None:
    own = "      pods: {pod: {nodeSelector: {rack: b}, tolerations: [{key: rack, operator: Exists}]}}\n"
    found = {one["path"].rpartition("/")[2]: one["value"] for one in _patch(declare(CLUSTER + own), "gke")}
    assert found["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4", "rack": "b"}
    assert [taint["key"] for taint in found["tolerations"]] == ["rack", "nvidia.com/gpu"]


@pytest.mark.parametrize("wrong", ["nodeSelector: 5", "tolerations: 5"])
def test_what_a_pools_own_pod_says_in_another_shape_is_found_under_an_overlay(declare: Declare, wrong: str) -> None:
    platform = declare(CLUSTER + f"      pods: {{pod: {{{wrong}}}}}\n")
    (finding,) = check_platform(platform, carried(), PROVIDERS["gke"]).findings
    assert finding.path == f"spec.pools.1.pods.pod.{wrong.partition(':')[0]}"


def test_keys_and_values_that_yaml_1_1_would_take_for_others_are_quoted() -> None:
    value = {"on": "0b11", "190:20:30": ["=", "1_0", ".5", "y"], "lines": "a\n\tb\n", "break": "a\x85b", "null": "~"}
    assert yaml.safe_load(yaml_text(value)) == value


@given(st.recursive(st.text(), lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=4))
def test_whatever_a_user_wrote_is_the_same_to_readers_of_yaml_1_1(value: Any) -> None:
    assert yaml.safe_load(yaml_text({"data": value})) == {"data": value}


def _patch(platform: Platform, name: str) -> Any:
    """What an overlay changes of the RayCluster."""
    files = overlay_files(platform, PROVIDERS[name])
    (text,) = (text for path, text in files.items() if "patch-raycluster" in path)
    return yaml.safe_load(text)


def test_writing_removes_what_an_earlier_rendering_left_and_nothing_of_a_users(
    declare: Declare, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write(out, base_files(declare()))
    (out / "base/workloads/mine.yaml").write_text("kind: ConfigMap\n")
    before = set((out / "base/workloads").iterdir())
    write(out, base_files(declare(service=SERVICE.replace("500ms", "900ms"))))
    after = set((out / "base/workloads").iterdir())
    assert {file.name.split("-")[0] for file in before - after} == {"configmap", "job"}
    assert out / "base/workloads/mine.yaml" in after


def test_an_operator_that_is_declared_no_more_is_not_there_to_be_sent(declare: Declare, tmp_path: Path) -> None:
    operated = CLUSTER.replace("  kubernetes:\n", "  kubernetes:\n    operator: {files: declared}\n")
    write(tmp_path, base_files(declare(operated)))
    assert (tmp_path / "base/operator/kustomization.yaml").exists()
    write(tmp_path, base_files(declare()))
    assert list((tmp_path / "base/operator").iterdir()) == []


def test_a_second_cluster_file_and_a_name_twice_are_findings_at_their_places(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SERVICE)
        (tmp_path / f"cluster-{name}").write_text(CLUSTER)
    with pytest.raises(SpecError) as error:
        read_platform(tmp_path / "cluster-a.yaml", [tmp_path])
    kinds = sorted((Path(finding.file).name, finding.path) for finding in error.value.findings)
    assert kinds == [("b.yaml", "metadata.name"), ("cluster-b.yaml", "kind")]


def test_a_cluster_file_that_lies_among_the_others_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER.replace("pools", "pool"))
    with pytest.raises(SpecError) as error:
        read_platform(tmp_path / "cluster.yaml", [tmp_path])
    assert len(error.value.findings) == len(set(error.value.findings))


def test_mistakes_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER.replace("pools:", "pool:"))
    (tmp_path / "chat.yaml").write_text(SERVICE.replace("objectives", "objective"))
    with pytest.raises(SpecError) as error:
        read_platform(tmp_path / "cluster.yaml", [tmp_path / "chat.yaml"])
    assert {Path(finding.file).name for finding in error.value.findings} == {"cluster.yaml", "chat.yaml"}


def test_the_versions_that_manifests_name_are_those_of_the_package() -> None:
    version = metadata.version("raytide")
    assert Images() == Images(cpu=f"raytide:{version}-cpu", gpu=f"raytide:{version}-gpu")
    assert any(f"=={RAY_VERSION}" in need for need in metadata.requires("raytide") or () if need.startswith("ray["))


def test_the_committed_example_is_what_is_rendered(
    repository: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    platform = read_platform(
        Path("manifests/examples/fleet/cluster.yaml"), [Path("manifests/examples/fleet/workloads")]
    )
    files = base_files(platform)
    for where in PROVIDERS.values():
        files |= overlay_files(platform, where)
    for path, text in files.items():
        golden(Path("manifests") / path, text)
    committed = {
        file.relative_to("manifests").as_posix()
        for folder in ("base", "overlays")
        for file in Path("manifests", folder).rglob("*.yaml")
    }
    assert committed == set(files)


def _pods(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "containers" in tree:
            yield tree
        for below in tree.values():
            yield from _pods(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from _pods(below)


def test_a_folder_without_yaml_is_said(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError) as error:
        read_platform(tmp_path / "cluster.yaml", [tmp_path / "empty"])
    assert error.value.findings == (Mark(str(tmp_path / "empty")).finding("a folder without YAML files"),)


OPERATED = CLUSTER.replace(
    "namespace: ml\n", "namespace: ml\n    operator: {files: declared, overlay: gke, replicas: 2}\n"
)


def test_the_operator_is_rendered_with_the_rights_of_its_plan(
    declare: Declare, golden: Callable[[Path, str], None]
) -> None:
    files = base_files(declare(OPERATED))
    rendered = "".join(f"--- # {path}\n{text}" for path, text in files.items() if path.startswith("base/operator/"))
    golden(Path(__file__).parent / "golden/operator.yaml", rendered)
    assert not any(path.startswith("base/operator/") for path in base_files(declare()))


def test_the_operator_may_delete_nothing_that_holds_data_or_work_and_give_nothing_that_it_has_not(
    declare: Declare,
) -> None:
    found = {(one.kind, one.name): one.value for one in operator_objects(declare(OPERATED))}
    rules = found["Role", "team-operator"]["rules"]
    deleted = {plural for rule in rules if "delete" in rule["verbs"] for plural in rule["resources"]}
    assert not deleted & {"rayclusters", "persistentvolumeclaims", "namespaces", "secrets", "pods"}
    has = {
        (group, plural, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
        if "resourceNames" not in rule
    }
    given = _one(declare(OPERATED), "Role").value["rules"]
    assert {
        (group, plural, verb)
        for rule in given
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    } <= has
    everything = {resource for one in found.values() for rule in one.get("rules", ()) for resource in rule["resources"]}
    assert "secrets" not in everything
    assert "*" not in everything


def test_the_operator_may_ask_the_gateway_that_it_is_told_of(declare: Declare) -> None:
    platform = declare(OPERATED)
    (deployment,) = (one.value for one in operator_objects(platform) if one.kind == "Deployment")
    command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    name, namespace = command[command.index("--gateway") + 1].removeprefix("http://").split(".")
    (service,) = (one.value for one in objects(platform) if (one.kind, one.name) == ("Service", name))
    assert namespace == deployment["metadata"]["namespace"] == service["metadata"]["namespace"]
    (port,) = service["spec"]["ports"]
    assert port["port"] == 80
    rules = _one(platform, "NetworkPolicy").value["spec"]["ingress"]
    (rule,) = (one for one in rules if {"protocol": "TCP", "port": port["targetPort"]} in one.get("ports", ()))
    assert {"podSelector": {}} in rule["from"]  # every pod of the namespace


def test_where_no_pool_can_grow_the_operator_has_nobody_to_ask(declare: Declare) -> None:
    (deployment,) = (one.value for one in operator_objects(declare(fixed(OPERATED))) if one.kind == "Deployment")
    assert "--gateway" not in deployment["spec"]["template"]["spec"]["containers"][0]["command"]


def test_the_operator_does_not_know_itself_for_one_of_its_objects(declare: Declare) -> None:
    for one in operator_objects(declare(OPERATED)):
        assert "app.kubernetes.io/managed-by" not in one.value["metadata"]["labels"]


def test_the_rendered_operator_is_valid(declare: Declare) -> None:
    assert check_platform(declare(OPERATED), carried()).findings == ()


def test_what_is_rendered_holds_no_secret_of_whoever_renders_it(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "RAYTIDE_LEDGER"):
        monkeypatch.setenv(name, "postgresql://me:hunter2@h/x")
    texts = base_files(declare()).values()
    assert len(texts) > 10
    assert not any("hunter2" in text for text in texts)

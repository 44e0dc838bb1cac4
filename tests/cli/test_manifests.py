from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_files_of_the_repository_render_and_are_valid_as_they_are(
    raytide: Raytide, repository: Path, tmp_path: Path
) -> None:
    files = ("-f", str(repository / "platform/cluster.yaml"), str(repository / "services"), str(repository / "jobs"))
    rendered = raytide("manifests", "render", "-o", str(tmp_path), "--overlay", "gke", *files)
    assert rendered.returncode == 0, rendered.stderr
    assert (tmp_path / "base/cluster/raycluster-laptop.yaml").is_file()
    assert str(tmp_path / "overlays/gke") in rendered.stdout
    assert raytide("manifests", "validate", *files).stdout.startswith("ok  ")


def test_what_is_rendered_is_valid_on_its_own(raytide: Raytide, repository: Path) -> None:
    gates = ("--feature-gate", "RayClusterMTLS", "--feature-gate", "RayCronJob")
    ran = raytide("manifests", "validate", "--objects", str(repository / "manifests/base"), *gates)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_mistake_is_exit_code_2_and_data_for_machines(raytide: Raytide, repository: Path, tmp_path: Path) -> None:
    text = (repository / "manifests/examples/team/cluster.yaml").read_text()
    file = tmp_path / "cluster.yaml"
    file.write_text(text.replace("price: $0.80/h", "price: $0.80/h\n      pods: {pod: {hostNetwork: true}}"))
    ran = raytide("manifests", "validate", "-f", str(file), "--json")
    assert ran.returncode == 2
    (finding,) = json.loads(ran.stdout)["findings"]
    assert (finding["file"], finding["path"]) == (str(file), "spec.pools.1.pods.pod.hostNetwork")
    said = raytide("manifests", "validate", "-f", str(file)).stderr
    assert said.startswith(f"{file}:{finding['line']}:{finding['column']}: ")


@pytest.mark.parametrize("args", [("render", "-o", "x", "--overlay", "gcp"), ("validate", "--overlay", "gcp")])
def test_an_unknown_provider_is_a_usage_error(raytide: Raytide, args: tuple[str, ...]) -> None:
    ran = raytide("manifests", *args)
    assert ran.returncode == 2
    assert "gke, eks, aks, onprem" in ran.stderr


def test_an_unknown_gate_is_a_usage_error(raytide: Raytide) -> None:
    ran = raytide("manifests", "validate", "--feature-gate", "RayCronJobs")
    assert (ran.returncode, "none of RayCronJob, " in ran.stderr) == (2, True)


@pytest.mark.parametrize("target", ["a-file", "a-folder"])
def test_where_it_cannot_write_or_would_write_over_somebodys_file_it_says_so_and_changes_nothing(
    raytide: Raytide, repository: Path, tmp_path: Path, target: str
) -> None:
    theirs = tmp_path / ("a-file" if target == "a-file" else "a-folder/base/cluster/kustomization.yaml")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("resources: [mine.yaml]\n")
    ran = raytide("manifests", "render", "-o", target, "-f", str(repository / "manifests/examples/team/cluster.yaml"))
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert target in ran.stderr
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [theirs]
    assert theirs.read_text() == "resources: [mine.yaml]\n"


def test_nothing_is_written_for_hardware_that_a_provider_lacks(
    raytide: Raytide, repository: Path, tmp_path: Path
) -> None:
    file = repository / "manifests/examples/team/cluster.yaml"
    ran = raytide("manifests", "render", "-f", str(file), "-o", "x", "--overlay", "aks")
    assert ran.returncode == 2
    assert "spec.pools.1.accelerator: no node label of Azure" in ran.stderr
    assert not (tmp_path / "x").exists()


def test_what_would_be_sent_is_said_for_what_kubectl_printed(
    raytide: Raytide, repository: Path, tmp_path: Path
) -> None:
    live = tmp_path / "live.json"
    live.write_text(json.dumps({"kind": "List", "items": []}))
    files = ("-f", str(repository / "platform/cluster.yaml"), str(repository / "services"))
    ran = raytide("manifests", "plan", "--live", str(live), *files, "--json")
    steps = json.loads(ran.stdout)
    assert {step["verb"] for step in steps} == {"create"}
    live.write_text(json.dumps({"kind": "List", "items": [step["body"] for step in steps]}))
    assert "nothing to send" in raytide("manifests", "plan", "--live", str(live), *files).stdout


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "List", "items": [1]}',
        '{"apiVersion": "v1", "kind": "Role", "metadata": {"name": "a", "labels": ["a"]}}',
        '{"apiVersion": "v1", "kind": "Role", "metadata": {"name": "a"}, "spec": null}',
        '{"apiVersion": "v1", "kind": "Role", "metadata": {"name": "a"}, "spec": {"workerGroupSpecs": [{}]}}',
    ],
)
def test_a_file_that_holds_no_objects_is_one_sentence(raytide: Raytide, tmp_path: Path, text: str) -> None:
    (tmp_path / "live.json").write_text(text)
    (tmp_path / "cluster.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  pools:\n"
        "    - {name: cpu, accelerator: CPU, cpus_per_node: 2, memory_per_node: 16GiB, price: $1/h, max_nodes: 1}\n"
    )
    ran = raytide("manifests", "plan", "--live", "live.json", "-f", "cluster.yaml")
    assert (ran.returncode, "kubectl get" in ran.stderr) == (1, True)
    assert "Traceback" not in ran.stderr


def test_what_would_be_sent_has_what_the_overlay_adds(raytide: Raytide, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "live.json").write_text('{"kind": "List", "items": []}')
    fleet = repository / "manifests/examples/fleet"
    files = ("-f", str(fleet / "cluster.yaml"), str(fleet / "workloads"))
    ran = raytide("manifests", "plan", "--live", "live.json", *files, "--overlay", "gke", "--json")
    (cluster,) = (step["body"] for step in json.loads(ran.stdout) if step["identity"][1] == "RayCluster")
    pod = cluster["spec"]["workerGroupSpecs"][2]["template"]["spec"]
    assert pod["nodeSelector"]["cloud.google.com/gke-accelerator"] == "nvidia-h100-80gb"

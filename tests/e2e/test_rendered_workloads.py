"""What manifests would run in pods, run on a real Ray: the command of an apply Job, and the entrypoint of a RayJob."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from raytide.manifests.platform import read_platform
from raytide.manifests.render.objects import objects

from .conftest import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
FILES = {
    "cluster.yaml": """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: laptop}
spec:
  pools: [{name: cpu, accelerator: CPU, cpus_per_node: 2, memory_per_node: 8GiB, price: $0.1/h, max_nodes: 1}]
""",
    "service.yaml": """\
apiVersion: raytide/v1
kind: Service
metadata: {name: rendered, team: search}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 4}}
  route: /rendered
  hardware:
    - accelerator: CPU
      cpus: 0.1
      performance: {iteration: {base: 10ms, per_prefill_token: 10us}, kv_capacity_tokens: 4000}
  objectives: {ttft: {p95: 1s}, tpot: {p95: 50ms}}
""",
    "job.yaml": """\
apiVersion: raytide/v1
kind: Job
metadata: {name: prepare}
spec:
  task: preprocess
  corpus: {source: rendered-corpus, include: ["*.py"]}
  output: data/rendered
  tokenizer: {vocab_size: 600}
  sequence_length: 64
  held_out: 20%
  shards: 1
""",
}


@pytest.fixture
def rendered(tmp_path: Path) -> dict[str, Any]:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    platform = read_platform(tmp_path / "cluster.yaml", [tmp_path / "service.yaml", tmp_path / "job.yaml"])
    return {one.kind: one.value for one in objects(platform) if one.kind in ("ConfigMap", "Job", "RayJob")}


def test_the_command_of_an_apply_job_puts_the_service_behind_a_gateway_on_the_head(
    cluster: Cluster, rendered: dict[str, Any], tmp_path: Path
) -> None:
    mounted = tmp_path / "etc"
    mounted.mkdir()
    for name, text in rendered["ConfigMap"]["data"].items():
        (mounted / name).write_text(text)
    (container,) = rendered["Job"]["spec"]["template"]["spec"]["containers"]
    at = {"/etc/raytide": str(mounted), "http://laptop-head-svc:8265": cluster.address}
    command = [next((word.replace(a, b) for a, b in at.items() if a in word), word) for word in container["command"]]
    applied = cluster.run(command)
    assert applied.returncode == 0, applied.stderr
    body = {"model": "rendered", "prompt": [1, 2, 3], "max_tokens": 5}
    answer = httpx.post(f"{cluster.gateway}/v1/completions", json=body, timeout=60, trust_env=False)
    assert (answer.status_code, answer.json()["usage"]["completion_tokens"]) == (200, 5), answer.text
    details = httpx.get(f"{cluster.address}/api/serve/applications/", timeout=30, trust_env=False).json()
    gateway = details["applications"]["raytide-gateway"]["deployments"]["gateway"]["deployment_config"]
    assert gateway["ray_actor_options"]["resources"] == {"node:__internal_head__": 0.001}
    assert _accounted(cluster, "search")["hours"]["CPU"] > 0
    assert cluster.run(["raytide", "delete", "rendered"]).returncode == 0


def _accounted(cluster: Cluster, team: str) -> dict[str, Any]:
    """The team's line of the cost, once the accountant has looked twice."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        done = cluster.run(["raytide", "cost", "--by", "team", "--since", "1h", "--json"])
        lines = json.loads(done.stdout)["lines"] if done.returncode == 0 else []
        if found := [line for line in lines if line["name"] == team]:
            one: dict[str, Any] = found[0]
            return one
        time.sleep(2)
    raise AssertionError(f"nothing of {team} was accounted: {done.stdout}{done.stderr}")


def test_the_entrypoint_of_a_ray_job_runs_the_job_that_it_carries(cluster: Cluster, rendered: dict[str, Any]) -> None:
    corpus = cluster.home / "rendered-corpus"
    corpus.mkdir()
    for number in range(20):
        functions = (f"def f{line}(a):\n    return a + {line}\n" for line in range(number, number + 30))
        (corpus / f"{number}.py").write_text("\n".join(functions))
    spec = rendered["RayJob"]["spec"]
    # What KubeRay's HTTPMode sends to the dashboard.
    submitted = {"entrypoint": spec["entrypoint"], "runtime_env": yaml.safe_load(spec["runtimeEnvYAML"])}
    answer = httpx.post(f"{cluster.address}/api/jobs/", json=submitted, timeout=30, trust_env=False)
    job = answer.json()["submission_id"]
    deadline, status = time.monotonic() + 200, ""
    while time.monotonic() < deadline and status not in ("SUCCEEDED", "FAILED"):
        time.sleep(1)
        status = httpx.get(f"{cluster.address}/api/jobs/{job}", timeout=30, trust_env=False).json()["status"]
    logs = httpx.get(f"{cluster.address}/api/jobs/{job}/logs", timeout=30, trust_env=False).json()["logs"]
    assert status == "SUCCEEDED", logs
    assert (cluster.home / "data/rendered/manifest.json").is_file()

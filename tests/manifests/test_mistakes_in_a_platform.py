"""Mistakes that a user makes in the files of a platform: each is found, and at the key that mends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raytide.core.errors import Finding, SpecError
from raytide.manifests.overlays.provider import PROVIDERS
from raytide.manifests.platform import Platform, read_platform
from raytide.manifests.validate.check import check_platform
from raytide.manifests.validate.schemas import carried

from .conftest import CLUSTER, JOB, SERVICE

EXAMPLES = ("laptop", "team", "fleet")
_KUBERNETES = "    namespace: ml\n"
_L4 = "      max_nodes: 1\n"
_POD = f"{_L4}      pods:\n        pod: "
_HEAD = "    head: {pods: {pod: {containers: [{name: ray-head, env: "
_GATE = "    kuberay: {feature_gates: [RayCronJob]}\n"
_CHAT, _PREPARE = "chat.yaml", "prepare.yaml"

# file, what is replaced, by what, the key of the finding, and a word of what it says. `«` stands where it must point.
MISTAKES = [
    ("cluster.yaml", _L4, _POD + "{«hostNetwork: true}\n", "spec.pools.1.pods.pod.hostNetwork", "restricted"),
    ("cluster.yaml", _L4, _POD + "{«tolerationz: []}\n", "spec.pools.1.pods.pod.tolerationz", "tolerations"),
    ("cluster.yaml", _L4, _POD + "{dnsPolicy: «1}\n", "spec.pools.1.pods.pod.dnsPolicy", "text"),
    (
        "cluster.yaml",
        _L4,
        _POD + "{containers: [{name: ray-worker, securityContext: «5}]}\n",
        "spec.pools.1.pods.pod.containers.0.securityContext",
        "a map",
    ),
    ("cluster.yaml", _L4, _POD + "{restartPolicy: «Always}\n", "spec.pools.1.pods.pod.restartPolicy", "Never"),
    (
        "cluster.yaml",
        _L4,
        _POD + "{containers: [{name: ray-worker, env: [{name: HF_TOKEN, value: «abc}]}]}\n",
        "spec.pools.1.pods.pod.containers.0.env.0.value",
        "secret",
    ),
    (
        "cluster.yaml",
        _L4,
        _POD + "{containers: [{name: ray-worker, securityContext: {privileged: «true}}]}\n",
        "spec.pools.1.pods.pod.containers.0.securityContext.privileged",
        "restricted",
    ),
    (
        "cluster.yaml",
        _L4,
        _POD + "{containers: [{name: ray-worker, resources: {limits: {cpu: «8cores}}}]}\n",
        "spec.pools.1.pods.pod.containers.0.resources.limits.cpu",
        "matches",
    ),
    (
        "cluster.yaml",
        _L4,
        _POD + "{volumes: [{name: disk, «hostPath: {path: /mnt}}]}\n",
        "spec.pools.1.pods.pod.volumes.0.hostPath",
        "restricted",
    ),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + _HEAD + "[«{name: RAY_REDIS_ADDRESS, value: x}]}]}}}\n",
        "spec.kubernetes.head.pods.pod.containers.0.env.0",
        "gcsFaultToleranceOptions",
    ),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES
        + "    tls: true\n    kuberay: {feature_gates: [RayClusterMTLS]}\n"
        + "    head: {pods: {pod: {containers: [{name: ray-head, env: [«{name: RAY_USE_TLS, value: '1'}]}]}}}\n",
        "spec.kubernetes.head.pods.pod.containers.0.env.0",
        "KubeRay's own",
    ),
    ("cluster.yaml", _KUBERNETES, _KUBERNETES + "    tls: «true\n", "spec.kubernetes.tls", "RayClusterMTLS"),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    kuberay: {feature_gates: [«RayClusterTLS]}\n",
        "spec.kubernetes.kuberay.feature_gates.0",
        "RayClusterMTLS",
    ),
    ("cluster.yaml", _KUBERNETES, _KUBERNETES + "    queue: «gpu-queue\n", "spec.kubernetes.queue", "Kueue"),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    schedules: {«prepair: {cron: '0 3 * * *'}}\n" + _GATE,
        "spec.kubernetes.schedules.prepair",
        "'prepare'",
    ),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    schedules: {prepare: {cron: «'61 3 * * *'}}\n" + _GATE,
        "spec.kubernetes.schedules.prepare.cron",
        "minutes",
    ),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    schedules: {prepare: {cron: '@daily', time_zone: «Europe/Bonn}}\n" + _GATE,
        "spec.kubernetes.schedules.prepare.time_zone",
        "time zone",
    ),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    schedules: {«prepare: {cron: '@daily'}}\n",
        "spec.kubernetes.schedules.prepare",
        "RayCronJob",
    ),
    ("cluster.yaml", "raytide:0.1.0-gpu", "raytide:0.0.9-gpu", "spec.kubernetes.images.gpu", "another version"),
    ("cluster.yaml", "raytide:0.1.0-cpu", "raytide", "spec.kubernetes.images.cpu", "another version"),
    ("cluster.yaml", "  pools:\n", "  gateway: {port: «8265}\n  pools:\n", "spec.gateway.port", "dashboard"),
    ("cluster.yaml", "  pools:\n", "  http: {port: «8080}\n  pools:\n", "spec.http.port", "the gateway's"),
    (
        "cluster.yaml",
        "  pools:\n",
        "  gateway: {ledger: «'postgresql://raytide:hunter2@db/raytide'}\n  pools:\n",
        "spec.gateway.ledger",
        "secret",
    ),
    ("cluster.yaml", "  pools:\n", "  gateway: {replicas: «2}\n  pools:\n", "spec.gateway.replicas", "postgresql"),
    ("cluster.yaml", "max_nodes: 2}", "max_nodes: 2, min_node: 1}", "spec.pools.0.min_node", "min_nodes"),
    (
        "cluster.yaml",
        "min_nodes: 1, max_nodes: 2}",
        "min_nodes: «3, max_nodes: 2}",
        "spec.pools.0.min_nodes",
        "above maxReplicas",
    ),
    ("cluster.yaml", _KUBERNETES, "    namespace: «ML\n", "spec.kubernetes.namespace", "lower-case"),
    (
        "cluster.yaml",
        _KUBERNETES,
        _KUBERNETES + "    weights: «{claim: a, bucket: s3://b}\n",
        "spec.kubernetes.weights",
        "not both",
    ),
    (
        "cluster.yaml",
        _L4,
        _L4 + "      pods: {tolerations: [«{key: gpu, operator: Equal}]}\n",
        "spec.pools.1.pods.tolerations.0",
        "value",
    ),
    (
        "cluster.yaml",
        _L4,
        _L4 + "      pods: {node_selector: {zone: «'a b'}}\n",
        "spec.pools.1.pods.node_selector.zone",
        "text",
    ),
    (_CHAT, "accelerator: L4", "accelerator: «H100", "spec.hardware.0.accelerator", "no pool"),
    (_CHAT, "accelerator: L4", "accelerator: L4, market: «spot", "spec.hardware.0.market", "on-demand"),
    (_CHAT, "cpus: 4", "cpus: «16", "spec.hardware.0.cpus", "larger than a node"),
    (_CHAT, "cpus: 4", "memory: «64GiB", "spec.hardware.0.memory", "30GiB"),
    (_CHAT, "cpus: 4", "tensor_parallel: «2", "spec.hardware.0.tensor_parallel", "at most 1"),
    (
        _CHAT,
        "  objectives",
        "  scaling: {min_replicas: «3, max_replicas: 4}\n  objectives",
        "spec.scaling.min_replicas",
        "at most 1",
    ),
    (_CHAT, "hf://Qwen/Qwen3-0.6B", "models/chat", "spec.model.source", "no pod has"),
    (_CHAT, "hf://Qwen/Qwen3-0.6B", "/models/chat", "spec.model.source", "spec.kubernetes.weights"),
    (_CHAT, "ttft", "tftt", "spec.objectives.tftt", "ttft"),
    (
        _PREPARE,
        "spec: {task: preprocess, output: data/stdlib}",
        "spec: {task: train, data: a, output: b, steps: 9, accelerator: «H100}",
        "spec.accelerator",
        "no pool",
    ),
    (
        _PREPARE,
        "spec: {task: preprocess, output: data/stdlib}",
        "spec: {task: train, data: a, output: b, steps: 9, workers: «2, accelerator: L4}",
        "spec.workers",
        "at most 1",
    ),
    (_PREPARE, "name: prepare", f"name: «{'p' * 45}", "metadata.name", "47"),
]  # fmt: skip


def _findings(platform: Callable[[], Platform]) -> tuple[Finding, ...]:
    try:
        return check_platform(platform(), carried()).findings
    except SpecError as error:
        return error.findings


@pytest.mark.parametrize(("file", "old", "new", "path", "says"), MISTAKES, ids=[case[3] for case in MISTAKES])
def test_a_mistake_is_found_at_its_key(tmp_path: Path, file: str, old: str, new: str, path: str, says: str) -> None:
    texts = {"cluster.yaml": CLUSTER, _CHAT: SERVICE, _PREPARE: JOB}
    assert old in texts[file]
    marked = new if "«" in new else f"«{new}"
    texts[file] = texts[file].replace(old, marked)
    before = texts[file].split("«")[0].split("\n")
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace("«", ""))
    found = _findings(lambda: read_platform(tmp_path / "cluster.yaml", [tmp_path / _CHAT, tmp_path / _PREPARE]))
    assert [(Path(finding.file).name, finding.path) for finding in found] == [(file, path)]
    assert says in str(found[0])
    if "«" in new:
        assert found[0].line == len(before)


def test_there_are_at_least_thirty_of_them_and_without_them_nothing_is_found(tmp_path: Path) -> None:
    assert len(MISTAKES) >= 30
    for name, text in {"cluster.yaml": CLUSTER, _CHAT: SERVICE, _PREPARE: JOB}.items():
        (tmp_path / name).write_text(text)
    verdict = check_platform(
        read_platform(tmp_path / "cluster.yaml", [tmp_path / _CHAT, tmp_path / _PREPARE]), carried()
    )
    assert verdict.findings == ()


@pytest.mark.parametrize("where", [None, "gke", "eks", "aks", "onprem"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_have_no_findings_anywhere_that_has_their_hardware(
    repository: Path, example: str, where: str | None
) -> None:
    folder = repository / "manifests/examples" / example
    platform = read_platform(folder / "cluster.yaml", [folder / "workloads"])
    verdict = check_platform(platform, carried(), PROVIDERS[where] if where else None)
    if (example, where) == ("team", "aks"):
        assert [finding.path for finding in verdict.findings] == ["spec.pools.1.accelerator"]  # Azure has no L4
    else:
        assert verdict.findings == ()
    assert verdict.num_objects > 10


def test_a_platform_of_two_hundred_gpus_is_one_of_the_examples(repository: Path) -> None:
    platform = read_platform(repository / "manifests/examples/fleet/cluster.yaml")
    by_market = {
        market: sum(pool.gpus_per_node * pool.max_nodes for pool in platform.pools if pool.market == market)
        for market in ("on-demand", "spot")
    }
    assert by_market == {"on-demand": 80, "spot": 120}


def test_of_a_replica_that_fits_no_node_as_a_whole_the_entry_is_said(tmp_path: Path) -> None:
    size = "gpus_per_node: 2, cpus_per_node: 2, memory_per_node: 8GiB"
    wide = f"    - {{name: wide, accelerator: L4, {size}, price: $1/h, max_nodes: 1}}\n"
    (tmp_path / "cluster.yaml").write_text(CLUSTER + wide)
    (tmp_path / _CHAT).write_text(SERVICE.replace("cpus: 4", "cpus: 4, tensor_parallel: 2"))
    found = _findings(lambda: read_platform(tmp_path / "cluster.yaml", [tmp_path / _CHAT]))
    assert [finding.path for finding in found] == ["spec.hardware.0"]

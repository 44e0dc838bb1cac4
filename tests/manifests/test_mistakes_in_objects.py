"""Mistakes in Kubernetes objects that somebody wrote by hand: each is found, at its key."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from raytide.core.errors import SpecError
from raytide.core.spec.mark import KeyPath
from raytide.core.spec.source import Source
from raytide.manifests.validate.check import Verdict, check_objects
from raytide.manifests.validate.kuberay.rules import kuberay
from raytide.manifests.validate.manifest_file import read_manifests
from raytide.manifests.validate.platform_rules.objects import any_object
from raytide.manifests.validate.platform_rules.secrets import secrets
from raytide.manifests.validate.platform_rules.security import pod_security
from raytide.manifests.validate.schemas import carried

POD = "{spec: {containers: [{name: ray, image: 'ray:2.60.0'}]}}"
CLUSTER = f"""\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: raw}}
spec:
  rayVersion: 2.60.0
  enableInTreeAutoscaling: true
  autoscalerOptions: {{version: v2}}
  authOptions: {{mode: token}}
  headGroupSpec:
    rayStartParams: {{}}
    template: {POD}
  workerGroupSpecs:
    - groupName: small
      minReplicas: 0
      maxReplicas: 4
      rayStartParams: {{}}
      template: {POD}
"""
SERVICE = f"""\
apiVersion: ray.io/v1
kind: RayService
metadata: {{name: raw}}
spec:
  serveConfigV2: ''
  upgradeStrategy:
    type: NewClusterWithIncrementalUpgrade
    clusterUpgradeOptions: {{maxSurgePercent: 40, stepSizePercent: 5, intervalSeconds: 10, gatewayClassName: istio}}
  rayClusterConfig:
    enableInTreeAutoscaling: true
    headGroupSpec: {{rayStartParams: {{}}, template: {POD}}}
"""
JOB = """\
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: raw}
spec:
  entrypoint: python job.py
  clusterSelector: {ray.io/cluster: raw}
"""
OWN_JOB = f"""\
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: raw}}
spec:
  entrypoint: python job.py
  rayClusterSpec:
    headGroupSpec: {{rayStartParams: {{}}, template: {POD}}}
"""
DELETION = """\
  deletionStrategy:
    deletionRules: [{policy: DeleteSelf, condition: {jobStatus: SUCCEEDED, ttlSeconds: 5}}]
"""
CRON = """\
apiVersion: ray.io/v1
kind: RayCronJob
metadata: {name: raw}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {entrypoint: python job.py, clusterSelector: {ray.io/cluster: raw}}
"""
BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: raw}
spec:
  minAvailable: 1
  selector: {matchLabels: {ray.io/cluster: raw}}
"""
GATES = frozenset({"RayCronJob"})
HEAD = "    template: {spec: {containers: [{name: ray, image: 'ray:2.60.0'}]}}\n  workerGroupSpecs"


def _env(variable: str) -> str:
    return HEAD.replace("'ray:2.60.0'}", f"'ray:2.60.0', env: [{variable}]}}")


# object, what is replaced, by what, the key of the finding, and a word of what it says
MISTAKES = [
    (CLUSTER, "kind: RayCluster", "kind: RayClustre", "kind", "'RayCluster'"),
    (CLUSTER, "maxReplicas: 4", "maxReplica: 4", "spec.workerGroupSpecs.0.maxReplica", "'maxReplicas'"),
    (CLUSTER, "{version: v2}", "{version: v3}", "spec.autoscalerOptions.version", "v1 or v2"),
    (CLUSTER, "maxReplicas: 4", "maxReplicas: four", "spec.workerGroupSpecs.0.maxReplicas", "a whole number"),
    (CLUSTER, "minReplicas: 0", "minReplicas: 5", "spec.workerGroupSpecs.0.minReplicas", "above maxReplicas"),
    (CLUSTER, "minReplicas: 0", "minReplicas: -1", "spec.workerGroupSpecs.0.minReplicas", "below zero"),
    (CLUSTER, "    - groupName: small\n", "    - suspend: false\n", "spec.workerGroupSpecs.0.groupName", "missing"),
    (CLUSTER, "name: raw}", f"name: {'r' * 54}}}", "metadata.name", "53"),
    (CLUSTER, "name: raw}", "name: Raw}", "metadata.name", "lower-case"),
    (
        CLUSTER,
        "      rayStartParams: {}",
        "      rayStartParams: {num-cpus: '4'}\n      resources: {CPU: '4'}",
        "spec.workerGroupSpecs.0.rayStartParams.num-cpus",
        "one of the two",
    ),
    (
        CLUSTER,
        "      rayStartParams: {}",
        "      rayStartParams: {labels: 'a=b'}",
        "spec.workerGroupSpecs.0.rayStartParams.labels",
        "labels of the group",
    ),
    (
        CLUSTER,
        "      rayStartParams: {}",
        "      labels: {zone: 'a b'}\n      rayStartParams: {}",
        "spec.workerGroupSpecs.0.labels.zone",
        "value of a label",
    ),
    (
        CLUSTER,
        "      rayStartParams: {}",
        "      suspend: true\n      rayStartParams: {}",
        "spec.workerGroupSpecs.0.suspend",
        "cannot be suspended",
    ),
    (
        CLUSTER.replace("  autoscalerOptions: {version: v2}\n", ""),
        "      rayStartParams: {}",
        "      priority: 3\n      rayStartParams: {}",
        "spec.workerGroupSpecs.0.priority",
        "version: v2",
    ),
    (
        CLUSTER.replace("2.60.0\n", "2.55.0\n"),
        "      rayStartParams: {}",
        "      priority: 3\n      rayStartParams: {}",
        "spec.workerGroupSpecs.0.priority",
        "2.56.0",
    ),
    (
        CLUSTER.replace("  autoscalerOptions: {version: v2}\n", ""),
        "      rayStartParams: {}",
        "      idleTimeoutSeconds: 30\n      rayStartParams: {}",
        "spec.workerGroupSpecs.0.idleTimeoutSeconds",
        "version: v2",
    ),
    (
        CLUSTER,
        "{version: v2}",
        "{version: v2, idleTimeoutSeconds: -1}",
        "spec.autoscalerOptions.idleTimeoutSeconds",
        "below",
    ),
    (
        CLUSTER,
        "{version: v2}",
        "{version: v2, env: [{name: KUBERAY_GEN_AUTOSCALER_START_CMD, value: x}]}",
        "spec.autoscalerOptions.env.0",
        "KubeRay's own",
    ),
    (
        CLUSTER,
        HEAD,
        _env("{name: RAY_enable_autoscaler_v2, value: 'true'}"),
        "spec.headGroupSpec.template.spec.containers.0.env.0",
        "twice",
    ),
    (
        CLUSTER,
        HEAD,
        HEAD.replace("{spec: {", "{spec: {restartPolicy: Always, "),
        "spec.headGroupSpec.template.spec.restartPolicy",
        "Never",
    ),
    (CLUSTER, "  rayVersion: 2.60.0\n", "", "spec.authOptions.mode", "rayVersion"),
    (
        CLUSTER,
        "{mode: token}",
        "{mode: token, enableK8sTokenAuth: true, secretName: x}",
        "spec.authOptions.secretName",
        "one of",
    ),
    (CLUSTER, "{mode: token}", "{enableK8sTokenAuth: true}", "spec.authOptions.enableK8sTokenAuth", "mode: token"),
    (
        CLUSTER,
        "  headGroupSpec:",
        "  gcsFaultToleranceOptions: {backend: rocksdb}\n  headGroupSpec:",
        "spec.gcsFaultToleranceOptions.backend",
        "GCSFaultToleranceEmbeddedStorage",
    ),
    (
        CLUSTER.replace(
            "  headGroupSpec:", "  gcsFaultToleranceOptions: {redisAddress: 'redis:6379'}\n  headGroupSpec:"
        ),
        HEAD,
        _env("{name: RAY_REDIS_ADDRESS, value: 'other:6379'}"),
        "spec.headGroupSpec.template.spec.containers.0.env.0",
        "redisAddress there",
    ),
    (
        CLUSTER,
        "  headGroupSpec:",
        "  networkPolicy: {}\n  headGroupSpec:",
        "spec.networkPolicy",
        "RayClusterNetworkPolicy",
    ),
    (CLUSTER, "  headGroupSpec:", "  managedBy: me\n  headGroupSpec:", "spec.managedBy", "ray.io/kuberay-operator"),
    (
        CLUSTER,
        "{name: raw}",
        "{name: raw, labels: {kueue.x-k8s.io/queue-name: gpus}}",
        "metadata.labels.kueue.x-k8s.io/queue-name",
        "fixed size",
    ),
    (
        CLUSTER,
        HEAD,
        _env("{name: HF_TOKEN, value: hf_abcdefghijklmnopqrstuv}"),
        "spec.headGroupSpec.template.spec.containers.0.env.0.value",
        "secretKeyRef",
    ),
    (
        SERVICE,
        "stepSizePercent: 5",
        "stepSizePercent: 50",
        "spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent",
        "at most 40",
    ),
    (
        SERVICE,
        "gatewayClassName: istio",
        "gatewayClassName: ''",
        "spec.upgradeStrategy.clusterUpgradeOptions.gatewayClassName",
        "missing",
    ),
    (SERVICE, "enableInTreeAutoscaling: true", "enableInTreeAutoscaling: false", "spec.upgradeStrategy.type", "grow"),
    (
        SERVICE,
        "{name: raw}",
        "{name: raw, annotations: {ray.io/initializing-timeout: soon}}",
        "metadata.annotations.ray.io/initializing-timeout",
        "5m",
    ),
    (JOB, "clusterSelector: {ray.io/cluster: raw}", "metadata: {a: b}", "spec.rayClusterSpec", "clusterSelector"),
    (JOB, "  entrypoint", "  backoffLimit: 2\n  entrypoint", "spec.backoffLimit", "new cluster"),
    (JOB, "  entrypoint", "  submissionMode: SidecarMode\n  entrypoint", "spec.submissionMode", "sidecar"),
    (
        JOB,
        "  entrypoint",
        "  ttlSecondsAfterFinished: 60\n  entrypoint",
        "spec.ttlSecondsAfterFinished",
        "shutdownAfterJobFinishes",
    ),
    (JOB, "  entrypoint", "  runtimeEnvYAML: 'a: [b'\n  entrypoint", "spec.runtimeEnvYAML", "no map"),
    (JOB, "  entrypoint", "  activeDeadlineSeconds: 0\n  entrypoint", "spec.activeDeadlineSeconds", "at least 1"),
    (
        JOB,
        "  entrypoint",
        "  deletionStrategy: {}\n  entrypoint",
        "spec.deletionStrategy",
        "BOTH onSuccess and onFailure",
    ),
    (
        JOB,
        "  entrypoint",
        "  deletionStrategy: {deletionRules: [{policy: DeleteCluster, condition: {jobStatus: FAILED}}]}\n  entrypoint",
        "spec.deletionStrategy.deletionRules.0.policy",
        "not the job's own",
    ),
    (
        JOB,
        "  entrypoint",
        "  deletionStrategy: {deletionRules: [{policy: DeleteSelf, condition: {}}]}\n  entrypoint",
        "spec.deletionStrategy.deletionRules.0.condition",
        "JobStatus",
    ),
    (
        OWN_JOB,
        "  entrypoint",
        "  deletionStrategy:\n    deletionRules:\n"
        "      - {policy: DeleteWorkers, condition: {jobStatus: FAILED, ttlSeconds: 60}}\n"
        "      - {policy: DeleteSelf, condition: {jobStatus: FAILED, ttlSeconds: 10}}\n  entrypoint",
        "spec.deletionStrategy.deletionRules.1.condition.ttlSeconds",
        "at least 60",
    ),
    (CRON, '"0 3 * * *"', '"0 3 * *"', "spec.schedule", "4 fields"),
    (CRON, '"0 3 * * *"', '"TZ=UTC 0 3 * * *"', "spec.schedule", "timeZone"),
    (CRON, "name: raw", f"name: {'r' * 40}", "metadata.name", "36"),
    (BUDGET, "  minAvailable: 1", "  maxUnavailable: 1", "spec.maxUnavailable", "minAvailable"),
    (BUDGET, "  minAvailable: 1", "  minAvailable: 50%", "spec.minAvailable", "whole number"),
]


def _verdict(tmp_path: Path, text: str, gates: frozenset[str] = GATES) -> Verdict:
    (tmp_path / "object.yaml").write_text(text)
    return check_objects(read_manifests([tmp_path]), carried(), gates)


@pytest.mark.parametrize(("text", "old", "new", "path", "says"), MISTAKES, ids=[f"{m[3]}-{m[4]}" for m in MISTAKES])
def test_a_mistake_is_found_at_its_key(tmp_path: Path, text: str, old: str, new: str, path: str, says: str) -> None:
    assert old in text
    findings = _verdict(tmp_path, text.replace(old, new)).findings
    assert [finding.path for finding in findings] == [path]
    assert says in str(findings[0])
    assert "rendered as" not in str(findings[0])


@pytest.mark.parametrize("text", [CLUSTER, SERVICE, JOB, OWN_JOB, CRON, BUDGET])
def test_without_a_mistake_nothing_is_found(tmp_path: Path, text: str) -> None:
    assert _verdict(tmp_path, text).findings == ()


def test_documents_of_one_file_are_found_where_they_stand(tmp_path: Path) -> None:
    text = f"---\n{JOB}---\n# nothing here\n---\n{JOB.replace('entrypoint', 'entrypint')}"
    (finding,) = _verdict(tmp_path, text).findings
    assert (finding.line, finding.column) == (text.split("entrypint")[0].count("\n") + 1, 14)
    assert finding.did_you_mean == "entrypoint"


def test_what_is_no_object_is_said_and_kustomizations_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    (tmp_path / "other.yaml").write_text("hello: world\n")
    with pytest.raises(SpecError) as error:
        read_manifests([tmp_path])
    assert [finding.problem for finding in error.value.findings] == ["not an object"]


def test_a_kind_without_a_schema_is_named_and_its_rules_are_checked(tmp_path: Path) -> None:
    text = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: Raw}\nspec: {}\n"
    verdict = _verdict(tmp_path, text)
    assert verdict.unknown == ("PodMonitor",)
    assert [finding.path for finding in verdict.findings] == ["metadata.name"]


def test_a_gate_that_is_on_lets_through_what_needs_it(tmp_path: Path) -> None:
    text = CLUSTER.replace("  headGroupSpec:", "  tlsOptions: {enabled: true}\n  headGroupSpec:")
    assert [finding.path for finding in _verdict(tmp_path, text).findings] == ["spec.tlsOptions"]
    assert _verdict(tmp_path, text, GATES | {"RayClusterMTLS"}).findings == ()


JUNK: tuple[Any, ...] = (None, 5, "x", "²", True, [1], [{}], {"a": 1}, [], {})


def _paths(tree: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in below:
        yield (*path, step)
        yield from _paths(value, (*path, step))


def _with(tree: Any, path: KeyPath, value: Any) -> Any:
    changed = deepcopy(tree)
    *above, last = path
    within = changed
    for step in above:
        within = within[step]
    within[last] = value
    return changed


@pytest.mark.parametrize("text", [CLUSTER, SERVICE, JOB, OWN_JOB + DELETION, CRON, BUDGET])
def test_whatever_stands_anywhere_a_rule_says_something_or_nothing(text: str) -> None:
    document = Source.of_text(text, "o.yaml").value
    for path, value in product(_paths(document), JUNK):
        changed = _with(document, path, value)
        found = [*kuberay(changed, GATES), *any_object(changed), *pod_security(changed)]
        assert all(problem.problem for problem in [*found, *secrets(changed)])


def test_what_only_looks_like_an_object_is_none(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("apiVersion: [1]\nkind: {a: b}\nmetadata: {name: a}\n")
    with pytest.raises(SpecError, match="not an object"):
        read_manifests([tmp_path / "o.yaml"])

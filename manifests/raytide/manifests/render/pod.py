"""What the pods of the head and of the workers have in common: who they run as, their volumes, their environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from raytide.core.spec.kubernetes import Pods
from raytide.core.units import Seconds
from raytide.manifests.platform import Platform
from raytide.manifests.render.merge import laid_over
from raytide.manifests.render.names import CACHE, HOME, MODELS, quantity
from raytide.manifests.render.storage import claim_name, weights_claim
from raytide.manifests.traced import Origin, came, said

USER_ID: Final = 1000
"""The user `ray` of the images in `manifests/docker`."""
SHM_SHARE: Final = 0.35
"""Of a pod's memory: Ray's object store takes 30 %, and engines exchange tensors beside it."""
OBJECT_STORE_SHARE: Final = 0.3

RESTRICTED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the Pod Security Standard `restricted` asks of a container beside what the pod says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayPod:
    """What differs between the pods of a cluster."""

    role: Literal["head", "worker"]
    token: Any
    """Whether it is given the token of its service account."""
    pods: Pods
    """As the user declares them, below the key `at`."""
    at: Origin
    drain_s: Seconds
    image: Any
    resources: dict[str, Any]
    memory_bytes: int
    ports: list[dict[str, Any]]
    health_path: str
    health_port: int
    variables: dict[str, Any] = field(default_factory=dict)
    """Beside those of every Ray container."""
    spread: list[dict[str, Any]] | None = None
    lifecycle: Any = None


def pod_spec(platform: Platform, pod: RayPod) -> Any:
    """The `spec` of a pod's template, with what the user lays over it."""
    at = pod.at.below("pods")
    spec = {
        "serviceAccountName": f"{platform.name}-{pod.role}",
        "automountServiceAccountToken": pod.token,
        "securityContext": pod_security(),
        "imagePullSecrets": pull_secrets(platform),
        **placement(pod.pods, at),
        "terminationGracePeriodSeconds": came(whole_seconds(pod.drain_s), at.below("drain")),
        "topologySpreadConstraints": pod.spread,
        "containers": [_container(platform, pod)],
        "volumes": volumes(platform, pod.memory_bytes),
    }
    return came(laid_over(spec, pod.pods.pod, at.below("pod")), pod.at)


def _container(platform: Platform, pod: RayPod) -> dict[str, Any]:
    return {
        "name": f"ray-{pod.role}",
        "image": pod.image,
        "securityContext": RESTRICTED,
        "resources": pod.resources,
        "ports": pod.ports,
        "env": _environment(pod.variables),
        "envFrom": environment_from(platform),
        "volumeMounts": mounts(platform),
        # Plain HTTP instead of the commands that KubeRay injects: no process every five seconds, and no wget in the
        # image. Ray answers these paths without a token (ray 2.60, `dashboard/http_server_head.py`).
        "readinessProbe": _probe(pod, period_s=5, failures=3),
        "livenessProbe": _probe(pod, period_s=10, failures=12),
        "lifecycle": pod.lifecycle,
    }


def _probe(pod: RayPod, *, period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": pod.health_path, "port": pod.health_port},
        "initialDelaySeconds": 10,
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def pod_security() -> dict[str, Any]:
    """What the Pod Security Standard `restricted` asks of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        # On a volume with a million checkpoint shards the default walks all of them before every start.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def resources(cpus: Any, memory: Any, gpus: Any = None, gpu_resource: str = "nvidia.com/gpu") -> dict[str, Any]:
    """Requests that equal their limits: pods of the class Guaranteed are the last that a node evicts."""
    each = {"cpu": cpus, "memory": memory, gpu_resource: gpus}
    return {"requests": {key: value for key, value in each.items() if key != gpu_resource}, "limits": each}


def shm_bytes(memory_bytes: int) -> int:
    """Size of /dev/shm, in whole MiB."""
    return int(memory_bytes * SHM_SHARE) // 2**20 * 2**20


def object_store_bytes(memory_bytes: int) -> int:
    """Size of Ray's object store, in whole MiB."""
    return int(memory_bytes * OBJECT_STORE_SHARE) // 2**20 * 2**20


def _environment(beside: dict[str, Any]) -> list[dict[str, Any]]:
    values = {
        "RAYTIDE_HOME": HOME,
        "XDG_CACHE_HOME": said(CACHE, "where Hugging Face and vLLM keep what they download and compile"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "RAY_TRAIN_ENABLE_STATE_TRACKING": said("1", "the dashboard's Train page is empty without it"),
        **beside,
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def environment_from(platform: Platform) -> list[dict[str, Any]] | None:
    """The user's Secret of variables."""
    name = platform.kubernetes.env
    return [{"secretRef": {"name": came(name, platform.at("env"))}}] if name else None


def volumes(platform: Platform, memory_bytes: int) -> list[dict[str, Any]]:
    """Shared memory, the cache of the node, the storage of the platform and the weights."""
    cache = platform.kubernetes.cache
    shm = {"medium": "Memory", "sizeLimit": quantity(shm_bytes(memory_bytes))}
    found: list[dict[str, Any]] = [
        {"name": "shm", "emptyDir": said(shm, "counts as memory of the pod; the runtime's default is 64 MB")},
        {
            "name": "cache",
            "emptyDir": said(
                {"sizeLimit": came(quantity(cache), platform.at("cache")) if cache else None},
                "a disk of the node: all replicas on it load weights that were fetched once",
            ),
        },
        {"name": "home", "persistentVolumeClaim": {"claimName": claim_name(platform)}},
    ]
    if platform.kubernetes.weights:
        found.append(
            {"name": "models", "persistentVolumeClaim": {"claimName": weights_claim(platform), "readOnly": True}}
        )
    return found


def mounts(platform: Platform) -> list[dict[str, Any]]:
    """Where the volumes are found."""
    found: list[dict[str, Any]] = [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 (a mount of its own)
        {"name": "cache", "mountPath": CACHE},
        {"name": "home", "mountPath": HOME},
    ]
    if platform.kubernetes.weights:
        found.append({"name": "models", "mountPath": MODELS, "readOnly": True})
    return found


def placement(pods: Pods, origin: Origin) -> dict[str, Any]:
    """Where a pod may run, as the user says; `origin` is the key of `pods`."""
    tolerations = [
        came(toleration.model_dump(exclude_none=True), origin.below("tolerations", index))
        for index, toleration in enumerate(pods.tolerations)
    ]
    return {
        "priorityClassName": came(pods.priority_class, origin.below("priority_class")),
        "nodeSelector": came(pods.node_selector or None, origin.below("node_selector")),
        "tolerations": came(tolerations or None, origin.below("tolerations")),
    }


def pull_secrets(platform: Platform) -> list[dict[str, Any]] | None:
    """The user's Secret for the registry of the images."""
    name = platform.kubernetes.images.pull_secret
    return [{"name": came(name, platform.at("images", "pull_secret"))}] if name else None


def whole_seconds(seconds: Seconds) -> int:
    """Seconds as Kubernetes counts them, never less than asked for."""
    return -int(-seconds // 1)

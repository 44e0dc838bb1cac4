"""How services come onto the cluster: a Job for each that runs `raytide apply`, named for what it applies.

A Job's pod cannot be changed, so another content has another name. Editing a service therefore makes a new Job and a
new ConfigMap, and leaves the RayCluster and every other object as it is, to the byte.

A Job that has ended stays for as long as it is declared, without a time to live: whoever keeps what is declared would
make it anew, and so apply a service over what somebody has rolled back since.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from raytide.core.spec import Service
from raytide.manifests.platform import Declared, Platform
from raytide.manifests.render.names import HOME, content_hash, dashboard_address, metadata
from raytide.manifests.render.pod import RESTRICTED, environment_from, pod_security, pull_secrets, resources
from raytide.manifests.render.storage import claim_name
from raytide.manifests.render.text import yaml_text
from raytide.manifests.traced import Rendered, came, plain, said

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
APPLY: Final = "apply"
_CONFIG: Final = "/etc/raytide"
_TIMEOUT_S: Final = 1800
"""For `raytide apply`: nodes that must be bought first, and weights that must be fetched."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", None)


def appliers(platform: Platform) -> Iterator[Rendered]:
    """A ConfigMap and a Job for each service."""
    for service in platform.services:
        yield from _applier(platform, service)


def _applier(platform: Platform, service: Declared[Service]) -> Iterator[Rendered]:
    files = {"cluster.yaml": yaml_text(_within_pods(platform)), "service.yaml": yaml_text(service.source.value)}
    # The pod belongs to the content: a Job whose image, Secrets or volumes are others is another Job.
    name = f"{service.name}-{content_hash(files | {'pod': plain(_pod(platform, service.name))})}"
    labels = {COMPONENT_LABEL: APPLY, "raytide.io/service": service.name}
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(platform, name, labels=labels),
        "immutable": True,
        "data": files,
    }
    at = service.at("metadata", "name")
    yield Rendered.of(config, at, f"The service {service.name} as declared, and the pools with their prices.")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": came(metadata(platform, name, labels=labels), at),
        "spec": {
            "backoffLimit": said(6, "the cluster may still be coming up; applying twice does nothing the second time"),
            "template": {
                "metadata": {"labels": metadata(platform, name, labels=labels)["labels"]},
                "spec": _pod(platform, name),
            },
        },
    }
    yield Rendered.of(
        job, at, f"Makes the cluster run {service.name} as declared: in place, by a canary or anew, as it says."
    )


def _pod(platform: Platform, config: str) -> dict[str, Any]:
    return {
        "serviceAccountName": f"{platform.name}-apply",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": pod_security(),
        "imagePullSecrets": pull_secrets(platform),
        "containers": [
            {
                "name": "apply",
                "image": came(platform.kubernetes.images.cpu, platform.at("images", "cpu")),
                "command": _command(platform),
                "securityContext": RESTRICTED,
                "resources": resources("1", "2Gi"),
                "env": [{"name": "RAYTIDE_HOME", "value": HOME}, *_token(platform)],
                "envFrom": environment_from(platform),
                "volumeMounts": [
                    {"name": "config", "mountPath": _CONFIG, "readOnly": True},
                    # The model registry, and the record of changes that `raytide history` and `rollback` read.
                    {"name": "home", "mountPath": HOME},
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": config}},
            {"name": "home", "persistentVolumeClaim": {"claimName": claim_name(platform)}},
        ],
    }


def _command(platform: Platform) -> list[str]:
    options = {
        "--address": dashboard_address(platform),
        "--cluster": f"{_CONFIG}/cluster.yaml",
        "--timeout": str(_TIMEOUT_S),
    }
    return ["raytide", "apply", f"{_CONFIG}/service.yaml", *(word for option in options.items() for word in option)]


def _token(platform: Platform) -> list[dict[str, Any]]:
    kubernetes = platform.kubernetes
    if kubernetes.auth == "off":
        return []
    # KubeRay 1.7.0 keeps the token that it makes up in a Secret of the cluster's name.
    secret = came(kubernetes.token, platform.at("token")) if kubernetes.token else platform.name
    reference = {"secretKeyRef": {"name": secret, "key": "auth_token"}}
    return [{"name": "RAY_AUTH_MODE", "value": "token"}, {"name": "RAY_AUTH_TOKEN", "valueFrom": reference}]


def _within_pods(platform: Platform) -> dict[str, Any]:
    """The cluster file as pods need it: a loopback address, right on a laptop, is one that nobody reaches in a pod."""
    value: dict[str, Any] = platform.cluster.source.value
    spec = {key: one for key, one in value["spec"].items() if key != "kubernetes"}
    for section in ("http", "gateway"):
        declared = spec.get(section) or {}
        host = "0.0.0.0" if declared.get("host") in _LOOPBACK else declared["host"]  # noqa: S104 (see network.py)
        spec[section] = {**declared, "host": host}
    spec["gateway"]["on_head"] = True  # the pod that the Service of the gateway selects
    spec["pools"] = [{key: one for key, one in pool.items() if key != "pods"} for pool in spec["pools"]]
    return {**value, "spec": spec}

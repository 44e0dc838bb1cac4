"""Where the head keeps its state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from raytide.manifests.validate.kuberay.access import gated
from raytide.manifests.validate.kuberay.group import Group, head_of
from raytide.manifests.validate.problem import Object, Problem, at, maps

_ENABLED: Final = "ray.io/ft-enabled"
_NAMESPACE: Final = "ray.io/external-storage-namespace"
_OPTIONS: Final = ("gcsFaultToleranceOptions",)
_STORE: Final = "gcs-storage"
_STORE_FOLDER: Final = "/data/gcs"


def fault_tolerance(spec: Object, annotations: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with how the head's state outlives it."""
    options, head = at(spec, *_OPTIONS), head_of(spec)
    for path in _usernames(head):
        expected = "gcsFaultToleranceOptions.redisUsername"
        yield Problem(path=path, problem="Redis' user stands in the wrong place", expected=expected)
    if options is None:
        if annotations.get(_ENABLED) != "true" and "RAY_REDIS_ADDRESS" in head.variables:
            problem = "RAY_REDIS_ADDRESS without gcsFaultToleranceOptions"
            yield Problem(path=head.variables["RAY_REDIS_ADDRESS"][0], problem=problem, expected="redisAddress there")
        return
    if annotations.get(_ENABLED):
        yield Problem(path=_OPTIONS, problem=f"beside the annotation {_ENABLED}", expected="one of the two")
    if annotations.get(_NAMESPACE):
        problem = f"beside the annotation {_NAMESPACE}"
        yield Problem(path=_OPTIONS, problem=problem, expected="externalStorageNamespace here")
    yield from _said_elsewhere(head)
    yield from _rocksdb(options, head, gates) if at(options, "backend") == "rocksdb" else _redis(options)


def _usernames(head: Group) -> Iterator[Any]:
    if head.start_parameter("redis-username"):
        yield (*head.path, "rayStartParams", "redis-username")
    if "REDIS_USERNAME" in head.variables:
        yield head.variables["REDIS_USERNAME"][0]


def _said_elsewhere(head: Group) -> Iterator[Problem]:
    if head.start_parameter("redis-password"):
        path = (*head.path, "rayStartParams", "redis-password")
        yield Problem(
            path=path, problem="Redis' password stands in the wrong place", expected="redisPassword of the options"
        )
    for name, key in (("REDIS_PASSWORD", "redisPassword"), ("RAY_REDIS_ADDRESS", "redisAddress")):
        if name in head.variables:
            problem = f"{name} beside gcsFaultToleranceOptions"
            yield Problem(path=head.variables[name][0], problem=problem, expected=f"{key} there")


def _redis(options: Object) -> Iterator[Problem]:
    if at(options, "storage") is not None:
        yield Problem(path=(*_OPTIONS, "storage"), problem="a volume, which only the backend rocksdb uses")


def _rocksdb(options: Object, head: Group, gates: frozenset[str]) -> Iterator[Problem]:
    yield from gated((*_OPTIONS, "backend"), "GCSFaultToleranceEmbeddedStorage", gates)
    for key in ("redisAddress", "redisUsername", "redisPassword", "externalStorageNamespace"):
        if at(options, key):
            yield Problem(path=(*_OPTIONS, key), problem="of Redis, and the backend is rocksdb")
    if at(options, "storage", "claimName"):
        for key in ("size", "storageClassName", "accessModes"):
            if at(options, "storage", key):
                problem = "a claim that exists has its own"
                yield Problem(path=(*_OPTIONS, "storage", key), problem=problem, expected="claimName alone")
    for index, mount in maps(head.container, "volumeMounts"):
        if mount.get("name") == _STORE or mount.get("mountPath") == _STORE_FOLDER:
            path = (*head.path, "template", "spec", "containers", 0, "volumeMounts", index)
            yield Problem(path=path, problem=f"{_STORE} and {_STORE_FOLDER} are KubeRay's own with the backend rocksdb")

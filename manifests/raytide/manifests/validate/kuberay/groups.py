"""Sizes, resources and labels of the groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from raytide.manifests.validate.kuberay.group import Group, head_of, workers_of
from raytide.manifests.validate.problem import Object, Problem, at, map_at

_RESOURCES: Final = ("num-cpus", "num-gpus", "memory", "resources")
_NAME: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_KEY: Final = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_LABEL_VALUE: Final = re.compile(rf"({_NAME})?")


def groups(spec: Object) -> Iterator[Problem]:
    """What is wrong with any group."""
    for group in (head_of(spec), *workers_of(spec)):
        yield from _containers(group)
        yield from _resources(group)
        yield from _labels(group)
    for group in workers_of(spec):
        yield from _sizes(group)


def is_label_key(key: str) -> bool:
    """Whether Kubernetes takes it."""
    return _LABEL_KEY.fullmatch(key) is not None


def is_label_value(value: object) -> bool:
    """Whether Kubernetes takes it."""
    return isinstance(value, str) and _LABEL_VALUE.fullmatch(value) is not None


def _containers(group: Group) -> Iterator[Problem]:
    if not group.container:
        path = (*group.path, "template", "spec", "containers")
        yield Problem(path=path, problem=f"{group.title} has no container", expected="the container that Ray runs in")


def _resources(group: Group) -> Iterator[Problem]:
    twice = [name for name in _RESOURCES if group.start_parameter(name)]
    if twice and at(group.value, "resources"):
        yield Problem(
            path=(*group.path, "rayStartParams", twice[0]),
            problem=f"resources of {group.title} stand in both rayStartParams and resources",
            expected="one of the two",
        )


def _labels(group: Group) -> Iterator[Problem]:
    if group.start_parameter("labels") is not None:
        yield Problem(
            path=(*group.path, "rayStartParams", "labels"),
            problem="labels are no start parameter here",
            expected="labels of the group itself",
        )
    for key, value in map_at(group.value, "labels").items():
        path = (*group.path, "labels", key)
        if not is_label_key(key):
            yield Problem(path=path, problem="no key of a label", got=repr(key), expected="name or domain/name")
        if not is_label_value(value):
            expected = "at most 63 letters, digits, dashes, dots and underscores"
            yield Problem(path=path, problem="no value of a label", got=repr(value), expected=expected)


def _sizes(group: Group) -> Iterator[Problem]:
    for key in ("minReplicas", "maxReplicas"):
        size = group.value.get(key)
        if isinstance(size, int) and size < 0:
            yield Problem(path=(*group.path, key), problem="below zero", got=str(size), expected="at least 0")
    least, most = (group.value.get(key) for key in ("minReplicas", "maxReplicas"))
    if isinstance(least, int) and isinstance(most, int) and least > most:
        path = (*group.path, "minReplicas")
        yield Problem(path=path, problem="above maxReplicas", got=str(least), expected=f"at most {most}")

"""The groups of pods in the spec of a RayCluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raytide.core.spec.mark import KeyPath
from raytide.manifests.validate.problem import Object, at, map_at, maps, number


@dataclass(frozen=True, slots=True)
class Group:
    """The head, or one worker group."""

    path: KeyPath
    """Below the cluster's spec."""
    value: Object

    @property
    def title(self) -> str:
        """As a sentence calls it."""
        return "the head" if self.path[0] == "headGroupSpec" else f"worker group {self.value.get('groupName')}"

    @property
    def container(self) -> Mapping[str, Any]:
        """The container that Ray runs in: the first one."""
        return next((one for _, one in maps(self.value, "template", "spec", "containers")), {})

    @property
    def variables(self) -> dict[str, tuple[KeyPath, Any]]:
        """Place and value of each variable of that container."""
        return {
            str(one.get("name")): ((*self.path, *_CONTAINER, "env", index), one.get("value"))
            for index, one in maps(self.container, "env")
        }

    def start_parameter(self, name: str) -> Any:
        """An argument of `ray start`."""
        return at(self.value, "rayStartParams", name)


_CONTAINER: KeyPath = ("template", "spec", "containers", 0)


def head_of(spec: Object) -> Group:
    """The head."""
    return Group(("headGroupSpec",), map_at(spec, "headGroupSpec"))


def workers_of(spec: Object) -> list[Group]:
    """The worker groups in order."""
    return [Group(("workerGroupSpecs", index), value) for index, value in maps(spec, "workerGroupSpecs")]


def is_autoscaled(spec: Object) -> bool:
    """Whether Ray's autoscaler runs beside the head."""
    return at(spec, "enableInTreeAutoscaling") is True


def uses_autoscaler_v2(spec: Object) -> bool:
    """Whether it is the one that knows priorities and idle times of groups."""
    set_by = head_of(spec).variables.get("RAY_enable_autoscaler_v2", ((), None))[1]
    return is_autoscaled(spec) and (at(spec, "autoscalerOptions", "version") == "v2" or set_by in ("1", "true"))


def version_of(spec: Object) -> tuple[int, ...] | None:
    """`rayVersion` as numbers; None where it is missing or no version."""
    text = at(spec, "rayVersion")
    parts = [number(part) for part in str(text).removeprefix("v").split(".")[:3]] if text else []
    known = tuple(part for part in parts if part is not None)
    return known if known and len(known) == len(parts) else None

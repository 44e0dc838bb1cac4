"""The autoscaler beside the head, and what only its second version knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raytide.manifests.validate.kuberay.group import (
    Group,
    head_of,
    is_autoscaled,
    uses_autoscaler_v2,
    version_of,
    workers_of,
)
from raytide.manifests.validate.problem import Object, Problem, at, maps

_SWITCH: Final = "RAY_enable_autoscaler_v2"
_START: Final = "KUBERAY_GEN_AUTOSCALER_START_CMD"
_PRIORITIES_SINCE: Final = (2, 56, 0)


def autoscaling(spec: Object) -> Iterator[Problem]:
    """What is wrong with how the cluster is autoscaled."""
    yield from _switch(spec)
    yield from _options(spec)
    if uses_autoscaler_v2(spec):
        for group in (head_of(spec), *workers_of(spec)):
            yield from _restarts(group)
    for group in workers_of(spec):
        yield from _suspended(group, is_autoscaled=is_autoscaled(spec))
        yield from _idle_time(group, spec)
        yield from _priority(group, spec)


def _switch(spec: Object) -> Iterator[Problem]:
    path, value = head_of(spec).variables.get(_SWITCH, (None, None))
    if path is None:
        return
    if not is_autoscaled(spec) and value in ("1", "true"):
        yield Problem(path=path, problem=f"{_SWITCH} without an autoscaler", expected="enableInTreeAutoscaling: true")
    if is_autoscaled(spec) and at(spec, "autoscalerOptions", "version") is not None:
        problem = f"{_SWITCH} and autoscalerOptions.version say the same thing twice"
        yield Problem(path=path, problem=problem, expected="autoscalerOptions.version alone")


def _options(spec: Object) -> Iterator[Problem]:
    idle = at(spec, "autoscalerOptions", "idleTimeoutSeconds")
    if isinstance(idle, int) and idle < 0:
        path = ("autoscalerOptions", "idleTimeoutSeconds")
        yield Problem(path=path, problem="below zero", got=str(idle), expected="at least 0")
    for index, variable in maps(spec, "autoscalerOptions", "env"):
        if variable.get("name") == _START:
            yield Problem(path=("autoscalerOptions", "env", index), problem=f"{_START} is KubeRay's own: remove it")


def _restarts(group: Group) -> Iterator[Problem]:
    policy = at(group.value, "template", "spec", "restartPolicy")
    if policy not in (None, "", "Never"):
        path = (*group.path, "template", "spec", "restartPolicy")
        problem = f"the autoscaler v2 replaces pods of {group.title}, and Kubernetes would restart them"
        yield Problem(path=path, problem=problem, got=repr(policy), expected="Never, or nothing")


def _suspended(group: Group, *, is_autoscaled: bool) -> Iterator[Problem]:
    if is_autoscaled and group.value.get("suspend") is True:
        yield Problem(path=(*group.path, "suspend"), problem=f"{group.title} is autoscaled, and cannot be suspended")


def _idle_time(group: Group, spec: Object) -> Iterator[Problem]:
    idle, path = group.value.get("idleTimeoutSeconds"), (*group.path, "idleTimeoutSeconds")
    if not isinstance(idle, int):
        return
    if idle < 0:
        yield Problem(path=path, problem="below zero", got=str(idle), expected="at least 0")
    elif not uses_autoscaler_v2(spec):
        yield Problem(path=path, problem="an idle time of one group", expected="autoscalerOptions.version: v2")


def _priority(group: Group, spec: Object) -> Iterator[Problem]:
    if not group.value.get("priority"):
        return
    path = (*group.path, "priority")
    if not uses_autoscaler_v2(spec):
        yield Problem(path=path, problem="a priority of one group", expected="autoscalerOptions.version: v2")
    elif (version_of(spec) or (0,)) < _PRIORITIES_SINCE:
        yield Problem(path=path, problem="a priority of one group", expected="rayVersion of at least 2.56.0")

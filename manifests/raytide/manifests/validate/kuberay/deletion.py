"""What a RayJob deletes once it has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from raytide.manifests.validate.kuberay.group import is_autoscaled
from raytide.manifests.validate.problem import Object, Problem, at, map_at, maps

_ORDER: Final = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")
"""What goes first is part of what goes later."""
_OF_A_CLUSTER: Final = ("DeleteWorkers", "DeleteCluster")
_RULES: Final = ("deletionStrategy", "deletionRules")


def deletion(spec: Object) -> Iterator[Problem]:
    """What is wrong with it."""
    if at(spec, "deletionStrategy") is None:
        return
    if at(spec, *_RULES):
        if spec.get("shutdownAfterJobFinishes") is True:
            problem = "beside shutdownAfterJobFinishes, which deletes the cluster itself"
            yield Problem(path=_RULES, problem=problem, expected="one of the two")
        yield from _rules(spec)
    for outcome in ("onSuccess", "onFailure"):
        policy = at(spec, "deletionStrategy", outcome, "policy")
        path = ("deletionStrategy", outcome, "policy")
        if policy is not None:
            yield from (Problem(path=path, problem=problem) for problem in _refused(policy, spec))
        if policy == "DeleteNone" and spec.get("shutdownAfterJobFinishes") is True:
            yield Problem(path=path, problem="DeleteNone beside shutdownAfterJobFinishes")


def _refused(policy: object, spec: Object) -> Iterator[str]:
    if at(spec, "clusterSelector") and policy in _OF_A_CLUSTER:
        yield f"{policy} of a cluster that is there, and not the job's own"
    elif policy == "DeleteWorkers" and is_autoscaled(map_at(spec, "rayClusterSpec")):
        yield "DeleteWorkers of a cluster whose workers the autoscaler keeps"


def _rules(spec: Object) -> Iterator[Problem]:
    seen: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for index, rule in maps(spec, *_RULES):
        policy, ttl_s = str(rule.get("policy")), _ttl_s(rule)
        when = str(at(rule, "condition", "jobStatus") or at(rule, "condition", "jobDeploymentStatus"))
        for problem in _refused(policy, spec):
            yield Problem(path=(*_RULES, index, "policy"), problem=problem)
        if policy in seen[when]:
            yield Problem(path=(*_RULES, index), problem=f"a second rule of {policy} where the job is {when}")
        seen[when].setdefault(policy, (index, ttl_s))
    for when, by_policy in seen.items():
        yield from _in_order(when, by_policy)


def _ttl_s(rule: Object) -> int:
    found = at(rule, "condition", "ttlSeconds")
    return found if isinstance(found, int) else 0


def _in_order(when: str, by_policy: dict[str, tuple[int, int]]) -> Iterator[Problem]:
    declared = [policy for policy in _ORDER if policy in by_policy]
    for first, then in pairwise(declared):
        (_, before_s), (index, after_s) = by_policy[first], by_policy[then]
        if after_s < before_s:
            yield Problem(
                path=(*_RULES, index, "condition", "ttlSeconds"),
                problem=f"{then} comes before {first} where the job is {when}",
                got=str(after_s),
                expected=f"at least {before_s}",
            )

"""Rules for any object: names and labels, budgets that Kubernetes cannot keep, queues that cannot admit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from raytide.manifests.render.names import CLUSTER_LABEL
from raytide.manifests.render.raycluster import QUEUE_LABEL
from raytide.manifests.validate.kuberay.groups import is_label_key, is_label_value
from raytide.manifests.validate.problem import Object, Problem, at, map_at

_DNS_1123: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def any_object(document: Object) -> Iterator[Problem]:
    """What is wrong with an object, of whatever kind."""
    yield from _metadata(document)
    yield from _budget(document)
    yield from _queue(document)


def _metadata(document: Object) -> Iterator[Problem]:
    name = at(document, "metadata", "name")
    if isinstance(name, str) and not _DNS_1123.fullmatch(name):
        expected = "lower-case letters, digits, dashes and dots"
        yield Problem(path=("metadata", "name"), problem="not a name", got=repr(name), expected=expected)
    for key, value in map_at(document, "metadata", "labels").items():
        if not is_label_key(key) or not is_label_value(value):
            problem = "not a label"
            yield Problem(path=("metadata", "labels", key), problem=problem, got=f"{key}: {value!r}")


def _budget(document: Object) -> Iterator[Problem]:
    """A RayCluster has no scale subresource, so of its pods only a whole number can be kept.

    Source: Kubernetes, "Specifying a Disruption Budget", arbitrary controllers and selectors.
    """
    if document.get("kind") != "PodDisruptionBudget":
        return
    if CLUSTER_LABEL not in map_at(document, "spec", "selector", "matchLabels"):
        return
    expected = "minAvailable as a whole number: a RayCluster does not tell Kubernetes how many pods it wants"
    if at(document, "spec", "maxUnavailable") is not None:
        yield Problem(path=("spec", "maxUnavailable"), problem="never takes effect for Ray's pods", expected=expected)
    elif isinstance(least := at(document, "spec", "minAvailable"), str):
        path = ("spec", "minAvailable")
        yield Problem(path=path, problem="never takes effect for Ray's pods", got=repr(least), expected=expected)


def _queue(document: Object) -> Iterator[Problem]:
    """Kueue's webhook refuses a RayCluster that it is to admit and that would then change its size."""
    path = ("metadata", "labels", QUEUE_LABEL)
    is_queued = document.get("kind") == "RayCluster" and at(document, *path)
    if is_queued and at(document, "spec", "enableInTreeAutoscaling") is True:
        yield Problem(
            path=path,
            problem="Kueue admits a cluster of fixed size, and this one is autoscaled",
            expected="pools whose min_nodes is their max_nodes, or no queue",
        )

"""A RayCluster, or the spec of one within a RayJob or RayService."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from raytide.manifests.validate.kuberay.access import access
from raytide.manifests.validate.kuberay.autoscaling import autoscaling
from raytide.manifests.validate.kuberay.fault_tolerance import fault_tolerance
from raytide.manifests.validate.kuberay.groups import groups
from raytide.manifests.validate.problem import Object, Problem, at, map_at

_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def ray_cluster(document: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of a RayCluster."""
    yield from name_of_at_most(53, document)
    creator = at(document, "metadata", "labels", "ray.io/originated-from-crd")
    if at(document, "spec", "upgradeStrategy", "type") and creator in ("RayJob", "RayService"):
        path = ("spec", "upgradeStrategy", "type")
        yield Problem(path=path, problem=f"how a cluster is upgraded is up to the {creator} that made it")
    annotations = map_at(document, "metadata", "annotations")
    for problem in cluster_spec(map_at(document, "spec"), annotations, gates):
        yield problem.below(("spec",))


def cluster_spec(spec: Object, annotations: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of the spec of a cluster, wherever it stands."""
    yield from groups(spec)
    yield from autoscaling(spec)
    yield from fault_tolerance(spec, annotations, gates)
    yield from access(spec, gates)


def name_of_at_most(length: int, document: Object) -> Iterator[Problem]:
    """That a name is a DNS-1035 label, and short enough for the names that the operator makes of it."""
    name = at(document, "metadata", "name")
    if isinstance(name, str) and (len(name) > length or not _DNS_1035.fullmatch(name)):
        expected = f"at most {length} lower-case letters, digits and dashes that start with a letter"
        yield Problem(path=("metadata", "name"), problem="not a name for this", got=repr(name), expected=expected)

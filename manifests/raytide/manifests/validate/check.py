"""Everything that is wrong with a platform, or with manifests that somebody else wrote, each at its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from raytide.core.errors import Finding
from raytide.manifests.overlays.overlay import placed, unavailable
from raytide.manifests.overlays.provider import Provider
from raytide.manifests.platform import Platform
from raytide.manifests.render.objects import objects
from raytide.manifests.render.operator import operator_objects
from raytide.manifests.traced import Rendered
from raytide.manifests.validate.kuberay.rules import kuberay
from raytide.manifests.validate.platform_rules.declared import declared
from raytide.manifests.validate.platform_rules.fit import fit
from raytide.manifests.validate.platform_rules.objects import any_object
from raytide.manifests.validate.platform_rules.secrets import secrets
from raytide.manifests.validate.platform_rules.security import pod_security
from raytide.manifests.validate.problem import Problem
from raytide.manifests.validate.schemas import Schemas
from raytide.manifests.validate.structure import has_schema, structure


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found, and how much was looked at."""

    findings: tuple[Finding, ...]
    """In order of file and line."""
    num_objects: int
    unknown: tuple[str, ...]
    """Kinds whose schema is not known, so that only rules were checked."""


def check_platform(platform: Platform, schemas: Schemas, where: Provider | None = None) -> Verdict:
    """The verdict on a platform, as it is rendered for a provider."""
    rendered = (*placed(platform, objects(platform), where), *operator_objects(platform))
    missing = tuple(unavailable(platform, where)) if where else ()
    found = [*declared(platform), *fit(platform), *missing]
    gates = frozenset(platform.kubernetes.kuberay.feature_gates)
    found += _located(rendered, schemas, gates)
    found += [_finding(one, problem) for one in rendered for problem in pod_security(one.value)]
    return _verdict(found, rendered, schemas)


def check_objects(given: Iterable[Rendered], schemas: Schemas, gates: frozenset[str]) -> Verdict:
    """The verdict on objects as they are, with these feature gates of KubeRay on."""
    rendered = tuple(given)
    found = [*_located(rendered, schemas, gates)]
    found += [_finding(one, problem) for one in rendered for problem in secrets(one.value)]
    return _verdict(found, rendered, schemas)


def _located(rendered: Iterable[Rendered], schemas: Schemas, gates: frozenset[str]) -> Iterator[Finding]:
    for one in rendered:
        shape = tuple(structure(one.value, schemas))
        yield from (_finding(one, problem) for problem in shape)
        # What is shaped otherwise than a rule expects breaks the rule as well, and is said once.
        said = {problem.path for problem in shape}
        for rules in (kuberay(one.value, gates), any_object(one.value)):
            found = [problem for problem in rules if problem.path not in said]
            said |= {problem.path for problem in found}
            yield from (_finding(one, problem) for problem in found)


def _finding(one: Rendered, problem: Problem) -> Finding:
    facts = {"got": problem.got, "expected": problem.expected, "did_you_mean": problem.did_you_mean}
    return one.finding(problem.path, problem.problem, **facts)


def _verdict(findings: list[Finding], rendered: tuple[Rendered, ...], schemas: Schemas) -> Verdict:
    unknown = {one.kind for one in rendered if not has_schema(one.value, schemas)}
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: (finding.file, finding.line, finding.column))
    return Verdict(findings=tuple(ordered), num_objects=len(rendered), unknown=tuple(sorted(unknown)))

"""What the files of a platform must agree on: images, ports, gates, schedules, and where models and ledgers lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

from raytide.core.errors import Finding
from raytide.core.spec import Pipeline, Service
from raytide.core.spec.expect import one_of
from raytide.core.spec.suggest import nearest
from raytide.manifests.platform import Declared, Platform
from raytide.manifests.render.names import HOME, MODELS, RAY_PORTS
from raytide.manifests.validate.platform_rules.secrets import secrets


def declared(platform: Platform) -> Iterator[Finding]:
    """What does not fit together."""
    yield from _images(platform)
    yield from _ports(platform)
    yield from _ledger(platform)
    yield from _schedules(platform)
    beside = (*(one.at() for one in platform.services), *(one.at() for one in platform.submitted))
    for origin in (platform.cluster.at(), *beside):
        for problem in secrets(origin.source.value):
            yield origin.below(*problem.path).finding(problem.problem, expected=problem.expected)
    for service in platform.services:
        yield from _model(service, platform)
    for pipeline in platform.pipelines:
        yield from _promotions(pipeline)


def _images(platform: Platform) -> Iterator[Finding]:
    """An image is of this version, or pinned to a digest that only its registry can explain."""
    images, ours = platform.kubernetes.images, version("raytide")
    for key, image in (("cpu", images.cpu), ("gpu", images.gpu)):
        name, _, digest = image.partition("@")
        tag = name.rsplit("/", 1)[-1].partition(":")[2]
        if not digest and ours not in re.split(r"[-+_]", tag):
            problem = "an image of another version than the raytide that renders"
            expected = f"a tag with {ours}, such as {ours}-{key}, or a digest"
            yield platform.at("images", key).finding(problem, got=repr(image), expected=expected)


def _ports(platform: Platform) -> Iterator[Finding]:
    spec = platform.cluster.document.spec
    for section, port in (("http", spec.http.port), ("gateway", spec.gateway.port)):
        if port in RAY_PORTS:
            origin = platform.cluster.at("spec", section, "port")
            yield origin.finding(f"this port is {RAY_PORTS[port]}'s", got=str(port), expected="another port")
    if spec.http.port == spec.gateway.port:
        origin = platform.cluster.at("spec", "http", "port")
        yield origin.finding("this port is the gateway's", got=str(spec.http.port), expected="another port")


def _ledger(platform: Platform) -> Iterator[Finding]:
    gateway, at = platform.cluster.document.spec.gateway, platform.cluster.at("spec", "gateway")
    if gateway.replicas > 1 and not (gateway.ledger or "").startswith("postgresql"):
        problem = "gateways on several nodes, and a ledger of one"
        expected = "spec.gateway.ledger: postgresql://…: SQLite keeps no locks on a network volume"
        yield at.below("replicas").finding(problem, got=str(gateway.replicas), expected=expected)


def _schedules(platform: Platform) -> Iterator[Finding]:
    names = {job.name: job for job in platform.submitted}
    for name in platform.kubernetes.schedules:
        if name not in names:
            meant = nearest(name, names)
            expected = None if meant else (one_of(sorted(names)) if names else "a job beside the cluster")
            yield platform.at("schedules", name).finding(
                "no job or pipeline of this name", expected=expected, did_you_mean=meant
            )


def _promotions(pipeline: Declared[Pipeline]) -> Iterator[Finding]:
    """A pod has no other file than the pipeline itself."""
    for index, step in enumerate(pipeline.document.spec.steps):
        if step.promote and step.promote.through:
            at = pipeline.at("spec", "steps", index, "promote", "through")
            expected = "a promotion without it; the Job of the service applies what the alias names"
            yield at.finding("a file that no pod has", got=repr(step.promote.through), expected=expected)


def _model(service: Declared[Service], platform: Platform) -> Iterator[Finding]:
    """Folders that no pod has."""
    source, at = service.document.spec.model.source, service.at("spec", "model", "source")
    if source.startswith(("registry:", "hf://")):
        return
    if source.startswith(f"{MODELS}/"):
        if platform.kubernetes.weights is None:
            yield at.finding(f"{MODELS} is empty in every pod", expected="spec.kubernetes.weights in the cluster file")
    elif not source.startswith(f"{HOME}/"):
        expected = f"a folder below {MODELS} (weights) or {HOME} (storage), registry:NAME@ALIAS or hf://org/name"
        yield at.finding("a folder that no pod has", got=repr(source), expected=expected)

"""Declared jobs and pipelines as RayJobs on the platform's cluster: submitted once, or by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Any

from raytide.core.spec import Job, Pipeline
from raytide.manifests.platform import Declared, Platform
from raytide.manifests.render.names import CLUSTER_LABEL, content_hash, metadata
from raytide.manifests.render.text import yaml_text
from raytide.manifests.traced import Rendered, came, said

VARIABLE = "RAYTIDE_JOB"
"""The environment variable that carries a job's file."""


def jobs(platform: Platform) -> Iterator[Rendered]:
    """A RayCronJob for each job or pipeline with a schedule, and a RayJob for each other one."""
    for job in platform.submitted:
        yield _by_the_clock(platform, job) if job.name in platform.kubernetes.schedules else _once(platform, job)


def _once(platform: Platform, job: Declared[Job] | Declared[Pipeline]) -> Rendered:
    """Named for its content: what has run is not run again, and an edited job is a new one beside it."""
    at = job.at("metadata", "name")
    tree = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": metadata(platform, came(f"{job.name}-{content_hash(job.source.value)}", at)),
        "spec": _spec(platform, job),
    }
    return Rendered.of(
        tree,
        job.at("spec"),
        f"The {_kind(job)} {job.name}: it runs once, and again where its file changes.",
    )


def _by_the_clock(platform: Platform, job: Declared[Job] | Declared[Pipeline]) -> Rendered:
    schedule, at = platform.kubernetes.schedules[job.name], platform.at("schedules", job.name)
    tree = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCronJob",
        "metadata": metadata(platform, came(job.name, job.at("metadata", "name"))),
        "spec": {
            "schedule": came(schedule.cron, at.below("cron")),
            "timeZone": came(schedule.time_zone, at.below("time_zone")),
            "jobTemplate": _spec(platform, job),
        },
    }
    return Rendered.of(came(tree, at), job.at("spec"), f"The {_kind(job)} {job.name}, submitted again and again.")


def _spec(platform: Platform, job: Declared[Job] | Declared[Pipeline]) -> dict[str, Any]:
    document = job.document
    module = f"raytide.jobs.{'pipeline' if isinstance(document, Pipeline) else document.spec.task}"
    carried = indent(yaml_text(job.source.value), " " * 4)
    return {
        "clusterSelector": said(
            {CLUSTER_LABEL: platform.name}, "the cluster that is there: a job never makes one, and never ends one"
        ),
        "submissionMode": said("HTTPMode", "KubeRay submits it itself: no pod that only waits, and could be evicted"),
        "entrypoint": f'printf %s "${VARIABLE}" | python -m {module} /dev/stdin',
        "runtimeEnvYAML": f"env_vars:\n  {VARIABLE}: |\n{carried}",
        "metadata": document.metadata.for_ray,
    }


def _kind(job: Declared[Job] | Declared[Pipeline]) -> str:
    return job.document.kind.lower()

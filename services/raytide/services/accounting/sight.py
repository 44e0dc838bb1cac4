"""What Ray says of its nodes, actors, placement groups, tasks and jobs at a moment, as claims on nodes.

A placement group holds its bundles, whatever runs in them; an actor or a task outside of one holds what it requires.
What Serve runs is a service's or an application's, and everything else the job's that started it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from raytide.core.command import program_of
from raytide.core.spec.base import NAME_KEY, TEAM_KEY
from raytide.services.accounting.pool import PricedPool, rate_of
from raytide.services.accounting.span import PLATFORM, UNITS, Kind, Owner, Rate
from raytide.services.rollout.revisions import is_canary, is_ours, revision_of, service_of, team_of

_HOLDING: Final = ("ALIVE", "PENDING_CREATION", "RESTARTING")
_LONGEST_NAME: Final = 100
_LONGEST_JOB: Final = 200
"""A pipeline's names hold its own, the step's and a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Ray's own accounts, as its state API and Serve's controller give them."""

    nodes: Sequence[Mapping[str, Any]] = ()
    actors: Sequence[Mapping[str, Any]] = ()
    placement_groups: Sequence[Mapping[str, Any]] = ()
    tasks: Sequence[Mapping[str, Any]] = ()
    """Those that run, without those of actors."""
    jobs: Sequence[Mapping[str, Any]] = ()
    job_metadata: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What each job's program says of itself, by Ray's id of the job."""
    serve: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is held of a node."""

    claim: str
    node: str
    owner: Owner
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Nodes, what is held of them, and how jobs stand."""

    nodes: Mapping[str, Rate]
    claims: tuple[Claim, ...]
    jobs: Mapping[str, str] = field(default_factory=dict)
    """The status of each job, by its id, as `RUNNING` or `FAILED`."""


def snapshot(sight: Sight, pools: Sequence[PricedPool]) -> Snapshot:
    """What was seen, priced with the declared pools."""
    alive = [node for node in sight.nodes if node["state"] == "ALIVE"]
    nodes = {node["node_id"]: rate_of(node, pools) for node in alive}
    claims = (claim for claim in _claims(sight, nodes) if claim.node in nodes and claim.units)
    unusable = (Claim(claim=f"platform:{node}", node=node, owner=PLATFORM, units=UNITS) for node in _unusable(alive))
    jobs = {_id_of(job): str(getattr(job["status"], "value", job["status"])) for job in sight.jobs}
    return Snapshot(nodes=nodes, claims=(*claims, *unusable), jobs=jobs)


def _unusable(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if not any(node["resources_total"].get(name) for name in ("GPU", "CPU")):
            yield node["node_id"]


def _claims(sight: Sight, nodes: Mapping[str, Rate]) -> Iterator[Claim]:
    owners = _Owners(sight)
    for group in sight.placement_groups:
        if group["state"] == "CREATED":
            yield from _of_group(group, owners.of(group["name"], group["creator_job_id"]), nodes)
    for actor in sight.actors:
        if actor["state"] in _HOLDING and not actor["placement_group_id"]:
            owner = owners.of(actor["name"], actor["job_id"])
            yield _claim(actor["actor_id"], actor["node_id"], owner, actor["required_resources"], nodes)
    yield from _of_tasks(sight.tasks, owners, nodes)


def _of_tasks(tasks: Iterable[Mapping[str, Any]], owners: _Owners, nodes: Mapping[str, Rate]) -> Iterator[Claim]:
    """One claim of each job on each node: tasks come and go, and a row for each would fill the database."""
    held: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        if not task["placement_group_id"]:
            held[task["node_id"] or "", task["job_id"]] += _units(task["node_id"], task["required_resources"], nodes)
    for (node, job), units in held.items():
        yield Claim(claim=f"tasks:{job}", node=node, owner=owners.of(None, job), units=units)


def _of_group(group: Mapping[str, Any], owner: Owner, nodes: Mapping[str, Rate]) -> Iterator[Claim]:
    for bundle in group["bundles"] or ():
        name = f"{group['placement_group_id']}:{bundle['bundle_id']['bundle_index']}"
        yield _claim(name, bundle["node_id"], owner, bundle["unit_resources"], nodes)


def _claim(
    claim: str, node: str | None, owner: Owner, resources: Mapping[str, float] | None, nodes: Mapping[str, Rate]
) -> Claim:
    return Claim(claim=claim, node=node or "", owner=owner, units=_units(node, resources, nodes))


def _units(node: str | None, resources: Mapping[str, float] | None, nodes: Mapping[str, Rate]) -> int:
    """Of the node's accelerators, or of its CPUs where it has none: what else is held there costs nothing by itself."""
    rate = nodes.get(node or "")
    counted = "CPU" if rate is None or rate.accelerator == "CPU" else "GPU"
    return round((resources or {}).get(counted, 0.0) * UNITS)


class _Owners:
    """Whose an actor's or a placement group's name is, or else a job's."""

    def __init__(self, sight: Sight) -> None:
        self._replicas = dict(_replicas(sight.serve))
        self._jobs = {driver["id"]: job for job in sight.jobs if (driver := _driver(job))}
        self._metadata = sight.job_metadata

    def of(self, name: str | None, job: str) -> Owner:
        replica = self._replicas.get(name or "")
        return replica or self._of_job(job)

    def _of_job(self, job_id: str) -> Owner:
        job = self._jobs.get(job_id, {})
        says = {**self._metadata.get(job_id, {}), **(job.get("metadata") or {})}
        name = says.get(NAME_KEY) or program_of(str(job.get("entrypoint") or "")) or job_id
        known = _id_of(job) if job else job_id
        return Owner(kind=Kind.JOB, name=_text(name), team=_text(says.get(TEAM_KEY, "")), job=known)


def _driver(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The program of a job; None until it has connected."""
    driver: Mapping[str, Any] | None = job.get("driver_info")
    return driver


def _id_of(job: Mapping[str, Any]) -> str:
    return _text(str(job["submission_id"] or job["job_id"]), _LONGEST_JOB)


def _text(said: str, longest: int = _LONGEST_NAME) -> str:
    """A line that its column has room for: others name their things as they like, and all of a look is written or
    nothing.
    """
    line = "".join(each if each.isprintable() else " " for each in said)
    return " ".join(line.split())[:longest]


def _replicas(serve: Mapping[str, Any]) -> Iterator[tuple[str, Owner]]:
    """The owner of each replica, by the name of its actor, which is its placement group's as well."""
    for app in serve.get("applications", {}).values():
        for variant, deployment in app.get("deployments", {}).items():
            owner = _of_application(app, variant)
            yield from ((replica["actor_name"], owner) for replica in deployment["replicas"] if replica["actor_name"])


def _of_application(app: Mapping[str, Any], variant: str) -> Owner:
    declared = app.get("deployed_app_config") or {}
    if not is_ours(declared):
        return Owner(kind=Kind.SERVICE, name=_text(app["name"]), variant=_text(variant))
    return Owner(
        kind=Kind.SERVICE,
        name=service_of(declared),
        team=team_of(declared),
        variant=variant,
        revision=revision_of(declared),
        canary=is_canary(declared),
    )

"""What one look at a cluster shows: its services, its jobs and the latest decisions, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from raytide.autoscaling.missing import Missing
from raytide.core.command import program_of

SHOWN_DECISIONS: Final = 8
_ENDED_JOBS: Final = 3
"""Of those that have ended, the last so many."""
_UNDER_WAY: Final = ("PENDING", "RUNNING")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One revision of a service."""

    name: str
    revision: str
    state: str
    is_canary: bool
    ready: int | Missing
    starting: int | Missing
    target: int | Missing
    arrivals_per_s: float | Missing
    running: int | Missing
    waiting: int | Missing
    ttft_s: float | Missing
    tpot_s: float | Missing
    """Both at the quantile of the objective, over the last minute."""
    attained: float | Missing
    wanted: float | Missing
    usd_per_hour: float | Missing
    """Of what is ready and what starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One submitted job."""

    job: str
    does: str
    status: str
    took_s: float | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A change of a service's size."""

    at_s: float
    service: str
    previous: int
    target: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One look."""

    cluster: str
    at_s: float
    services: tuple[ServiceRow, ...]
    jobs: tuple[JobRow, ...]
    decisions: tuple[DecisionRow, ...]
    """The latest first."""

    @property
    def usd_per_hour(self) -> float | Missing:
        """Of all services; missing where one's is."""
        known = [row.usd_per_hour for row in self.services if not isinstance(row.usd_per_hour, Missing)]
        if len(known) < len(self.services):
            return Missing(reason="the price of a service is not known")
        return sum(known)


def screen_of(
    cluster: str, services: Sequence[Mapping[str, Any]], jobs: Iterable[Mapping[str, Any]], at_s: float
) -> Screen:
    """The rows of what `status.services` and the dashboard's jobs say."""
    decisions = sorted(_decisions(services), key=lambda row: -row.at_s)
    return Screen(
        cluster=cluster,
        at_s=at_s,
        services=tuple(_service(service) for service in services),
        jobs=tuple(_jobs(jobs, at_s)),
        decisions=tuple(decisions[:SHOWN_DECISIONS]),
    )


def _service(service: Mapping[str, Any]) -> ServiceRow:
    brain = service["autoscaler"]
    traffic = brain.get("traffic", brain)
    ready, starting, usd = _sizes(brain)
    target = service["target_replicas"]
    return ServiceRow(
        name=service["name"],
        revision=str(service["revision"]),
        state=str(service["state"]).lower(),
        is_canary=service["canary"],
        ready=ready,
        starting=starting,
        target=Missing(reason="nothing says so") if target is None else target,
        arrivals_per_s=_of(traffic, "arrivals_per_s"),
        running=_of(traffic, "running"),
        waiting=_of(traffic, "waiting"),
        ttft_s=_of(traffic, "ttft_p"),
        tpot_s=_of(traffic, "tpot_p"),
        attained=_of(brain.get("attainment", brain), "share"),
        wanted=_of(brain.get("attainment", brain), "wanted"),
        usd_per_hour=usd,
    )


def _sizes(brain: Mapping[str, Any]) -> tuple[int | Missing, int | Missing, float | Missing]:
    """Replicas that are ready and that start, and what they cost an hour."""
    if "missing" in brain or not brain["variants"]:
        nothing = Missing(reason=str(brain.get("missing", "nothing was observed yet")))
        return nothing, nothing, nothing
    each = brain["variants"]
    ready, starting = sum(one["ready"] for one in each), sum(one["starting"] for one in each)
    costs = [(one["ready"] + one["starting"], one["usd_per_hour"]) for one in each]
    unpriced = [price for num, price in costs if num and isinstance(price, Mapping)]
    if unpriced:
        return ready, starting, Missing(reason=str(unpriced[0]["missing"]))
    return ready, starting, sum(num * price for num, price in costs if num)


def _of(found: Mapping[str, Any], name: str) -> Any:
    """The first value whose key begins so; missing with the reason that is given."""
    value = next((value for key, value in found.items() if key.startswith(name)), None)
    if isinstance(value, Mapping):
        return Missing(reason=str(value["missing"]))
    return Missing(reason=str(found.get("missing", "nothing says so"))) if value is None else value


def _decisions(services: Iterable[Mapping[str, Any]]) -> Iterator[DecisionRow]:
    for service in services:
        for entry in service["autoscaler"].get("decisions", ()):
            says = "; ".join(reason["says"] for reason in entry["reasons"])
            yield DecisionRow(
                at_s=entry["at_s"],
                service=service["name"],
                previous=entry["previous"],
                target=entry["target"],
                says=f"{entry['rule']}: {says}",
            )


def _jobs(jobs: Iterable[Mapping[str, Any]], at_s: float) -> Iterator[JobRow]:
    """What is under way, then what ended last."""
    latest = sorted(jobs, key=lambda job: -(job.get("start_time") or 0))
    ended = [job for job in latest if job["status"] not in _UNDER_WAY]
    for job in (*(job for job in latest if job["status"] in _UNDER_WAY), *ended[:_ENDED_JOBS]):
        began_s = (job.get("start_time") or 0) / 1e3
        until_s = (job.get("end_time") or 0) / 1e3 or at_s
        took_s = max(0.0, until_s - began_s) if began_s else Missing(reason="it has not begun")
        does = program_of(str(job.get("entrypoint") or ""))
        yield JobRow(job=_id(job), does=does, status=str(job["status"]).lower(), took_s=took_s)


def _id(job: Mapping[str, Any]) -> str:
    return str(job.get("submission_id") or job.get("job_id") or "")

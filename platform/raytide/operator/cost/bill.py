"""Shares added up by what somebody asks for, as lines whose sum is the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from raytide.services.accounting.attribute import Share
from raytide.services.accounting.span import Kind, Owner

NOBODY: Final = "(none)"
"""In the place of a name that an owner does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one name held."""

    name: str
    hours: Mapping[str, Fraction]
    """Of accelerators by their kind, and of CPUs of nodes that have none."""
    nano_usd: Fraction
    """Of what has a price."""
    unpriced_hours: Fraction
    """Of nodes that no declared pool is like; not in the money."""
    status: str = ""
    """Of a job, as Ray says it."""


Names = Callable[[Share], str | None]
"""The name that a share is added up under; None where it is not asked for."""


def lines(shares: Iterable[Share], name_of: Names, statuses: Mapping[str, str]) -> tuple[Line, ...]:
    """One line for each name, the dearest first, and then those of nobody."""
    by_name: defaultdict[str, list[Share]] = defaultdict(list)
    for share in shares:
        if (name := name_of(share)) is not None:
            by_name[name].append(share)
    found = (_line(name, own, statuses) for name, own in by_name.items())
    return tuple(sorted(found, key=lambda line: (_is_nobody(line.name), -line.nano_usd, line.name)))


def _line(name: str, shares: Sequence[Share], statuses: Mapping[str, str]) -> Line:
    hours: defaultdict[str, Fraction] = defaultdict(Fraction)
    for share in shares:
        hours[share.rate.accelerator] += share.accelerator_hours
    jobs = {share.owner.job for share in shares}
    return Line(
        name=name,
        hours=dict(sorted(hours.items())),
        nano_usd=sum((share.nano_usd or Fraction(0) for share in shares), Fraction(0)),
        unpriced_hours=sum((one.accelerator_hours for one in shares if one.nano_usd is None), Fraction(0)),
        status=statuses.get(jobs.pop(), "") if len(jobs) == 1 else "",
    )


def _is_nobody(name: str) -> bool:
    return name in (Kind.IDLE, Kind.UNKNOWN, Kind.PLATFORM)


def _owned(of: Callable[[Owner], str], *kinds: Kind) -> Names:
    """By a name of owners of these kinds; the others by their kind."""
    return lambda share: (of(share.owner) or NOBODY) if share.owner.kind in kinds else str(share.owner.kind)


def _rollout(share: Share) -> str | None:
    return f"{share.owner.name} {share.owner.revision}" if share.owner.canary else None


def _job(share: Share) -> str | None:
    return f"{share.owner.job} {share.owner.name}".strip() if share.owner.kind is Kind.JOB else None


BY: Final[Mapping[str, Names]] = {
    "team": _owned(lambda owner: owner.team, Kind.SERVICE, Kind.JOB),
    "owner": _owned(lambda owner: owner.name, Kind.SERVICE, Kind.JOB),
    "service": _owned(lambda owner: owner.name, Kind.SERVICE),
    "variant": _owned(lambda owner: f"{owner.name} {owner.variant}", Kind.SERVICE),
    "revision": _owned(lambda owner: f"{owner.name} {owner.revision}", Kind.SERVICE),
    "rollout": _rollout,
    "job": _job,
    "pool": lambda share: share.rate.pool or NOBODY,
}
"""What lines may be by. `rollout` and `job` have lines of these alone: of canaries until they end, and of each job."""

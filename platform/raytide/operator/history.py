"""The history of a service: every application that was put on the cluster, and what became of it.

A record begins before the cluster is asked and ends when the service runs, so a command that was killed in between
leaves a record that says so. The application is kept whole: its model is pinned, so a rollback needs neither the file
nor the registry's aliases of that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from raytide.autoscaling.rollout.rollout import Phase, Rollout
from raytide.core.errors import RaytideError
from raytide.core.spec.suggest import nearest
from raytide.services.rollout.revisions import as_stable, is_canary, takes_over


class Outcome(StrEnum):
    """What became of an application."""

    INTERRUPTED = "interrupted"
    """The command ended before it knew; what runs is whatever the cluster was told."""
    APPLIED = "applied"
    FAILED = "failed"
    """The cluster was told, and the service did not come up."""
    REFUSED = "refused"
    """The cluster was not told."""
    DELETED = "deleted"
    """The service was ended."""
    CANARY = "canary"
    """It runs beside the one that serves, and its rollout has not ended."""
    ROLLED_BACK = "rolled-back"
    """It was a canary, and worse than what served."""
    UNDECIDED = "undecided"
    """It was a canary, and too few requests came for a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One application of a service."""

    number: int
    """Counts from 1."""
    at_s: float
    revision: str
    model: str
    verb: str
    """What it did to the service: create, restart, update, canary or delete."""
    command: str
    """`apply`, `rollback` or `delete`."""
    application: Mapping[str, Any]
    """As it was put; empty where the service was deleted."""
    outcome: Outcome = Outcome.INTERRUPTED
    why: str = ""
    """Of a failure."""


class NoSuchRevision(RaytideError):
    """A revision that the history does not have, or none to go back to."""


def folded(events: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    """The records, oldest first, from the events that were written: beginnings, and what became of them."""
    records: dict[int, Record] = {}
    for event in events:
        number = int(event["number"])
        if "outcome" in event:
            if number in records:
                outcome = Outcome(event["outcome"])
                records[number] = replace(records[number], outcome=outcome, why=event.get("why", ""))
        else:
            records[number] = Record(**event)
    return tuple(records.values())


def resolved(records: Iterable[Record], rollouts: Iterable[Rollout]) -> tuple[Record, ...]:
    """The records, with canaries as their rollouts ended: one that was promoted was applied, as what serves."""
    ends = {(one.canary, one.began_s): one for one in rollouts if one.is_over}
    return tuple(_resolved(record, ends) for record in records)


def _resolved(record: Record, ends: Mapping[tuple[str, float], Rollout]) -> Record:
    if not record.application or not is_canary(record.application):
        return record
    ended = ends.get((record.revision, takes_over(record.application).applied_s))
    if ended is None:
        return record
    if ended.phase is Phase.PROMOTED:
        return replace(record, outcome=Outcome.APPLIED, application=as_stable(record.application))
    return replace(record, outcome=Outcome(ended.phase), why=ended.says)


def latest(records: Sequence[Record]) -> Record | None:
    """What the cluster was last told to serve with; None where it was told nothing, or to end the service."""
    told = [record for record in records if record.outcome is not Outcome.REFUSED and not _is_tried(record)]
    return told[-1] if told and told[-1].application else None


def _is_tried(record: Record) -> bool:
    return bool(record.application) and is_canary(record.application)


def to_roll_back_to(records: Sequence[Record], revision: str | None, live: str | None) -> Record:
    """The last record that ran with this revision (its beginning will do), or with another one than the `live` one.

    Raises:
        NoSuchRevision: there is none; the sentence says which there are.
    """
    ran = [record for record in records if record.outcome is Outcome.APPLIED and record.application]
    if revision is None:
        fitting = [record for record in ran if record.revision != live]
    else:
        fitting = [record for record in ran if record.revision.startswith(revision)]
    if fitting:
        return fitting[-1]
    known = list(dict.fromkeys(record.revision for record in ran))
    if revision is None:
        raise NoSuchRevision("no other revision of it ran before, so there is none to go back to")
    meant = nearest(revision, known)
    hint = f"did you mean {meant}?" if meant else f"these did: {', '.join(known) or 'none'}"
    raise NoSuchRevision(f"no revision {revision!r} of it ran before; {hint}")

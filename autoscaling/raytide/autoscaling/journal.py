"""The journal of decisions: one line of JSON each, with everything that is needed to decide it again.

A header line says under which terms and settings the decisions after it were made; each of them repeats the digest of
the terms. Where a file starts in the middle of a policy's life, a line says what was known. Replay starts there, or
where a policy began, and must come to the same decisions and the same states, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from raytide.autoscaling.codec import Undecodable, plain, typed
from raytide.autoscaling.decision import Decision, Reason, VariantDecision
from raytide.autoscaling.digest import digest
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms
from raytide.core.errors import RaytideError

VERSION: Final = 3
"""Of what is written, and of the arithmetic that decides it again: since 3 other last bits of what is known."""


class JournalUnreadable(RaytideError):
    """A line of a journal that says nothing, with its number and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision, and everything that it came from."""

    policy: Raytide
    """With its settings."""
    terms: Terms
    begins: bool
    """Whether the policy began with this observation, and knew nothing before."""
    known: Knowledge | None = None
    """What it knew before, where the entries above do not lead there: after a restart, and first in a file."""
    observation: Observation
    decision: Decision
    """Without its state."""
    state: str
    """The digest of what was known after the decision."""


def entered(
    policy: Raytide,
    terms: Terms,
    observation: Observation,
    decision: Decision,
    *,
    begins: bool = False,
    known: Knowledge | None = None,
) -> Entry:
    """The entry of a decision as the policy returned it."""
    return Entry(
        policy=policy,
        terms=terms,
        begins=begins,
        known=known,
        observation=observation,
        decision=replace(decision, state=None),
        state=digest(decision.state),
    )


def write(entries: Iterable[Entry]) -> Iterator[str]:
    """The lines of a journal; a header comes first, and again wherever terms or settings change."""
    before: Entry | None = None
    for entry in entries:
        yield from lines_of(entry, before)
        before = entry


def lines_of(entry: Entry, before: Entry | None) -> Iterator[str]:
    """The lines that add an entry to a journal whose last one is `before`; none where it is the first."""
    if before is None or (before.policy, before.terms) != (entry.policy, entry.terms):
        yield _line({"header": _header(entry)})
    if entry.known is not None:
        yield _line({"known": plain(entry.known)})
    yield _line({"decision": _decided(entry)})


def begins_journal(line: str) -> bool:
    """Whether this is the first line of a journal that this program reads."""
    try:
        return bool(json.loads(line)["header"]["version"] == VERSION)
    except (ValueError, KeyError, TypeError):
        return False


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a journal, in order; raises `JournalUnreadable` at the first line that is none."""
    header: dict[str, Any] | None = None
    known: Knowledge | None = None
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
            if "header" in data:
                header = _read_header(data["header"])
            elif "known" in data:
                known = typed(Knowledge, data["known"])
            else:
                yield _entry(data["decision"], header, known)
                known = None
        except (ValueError, KeyError, TypeError) as error:
            why = f"line {number} of the journal cannot be read: {_said(error)}"
            raise JournalUnreadable(f"{why}; replay the lines before it") from error


def replay(lines: Iterable[str]) -> Iterator[tuple[Entry, Entry]]:
    """Every recorded decision beside what the same policy decides now: equal in every bit, or the code has changed.

    Decisions above the first beginning are passed over where no line says what was known then.
    """
    state: Knowledge | None = None
    for recorded in read(lines):
        policy, seen = recorded.policy, recorded.observation
        state = policy.begin(seen, recorded.terms) if recorded.begins else recorded.known or state
        if state is not None:
            decision = policy.decide(seen, recorded.terms, state, recorded.decision.at_s)
            state = decision.state
            again = entered(policy, recorded.terms, seen, decision, begins=recorded.begins, known=recorded.known)
            yield recorded, again


def _header(entry: Entry) -> dict[str, Any]:
    return {
        "version": VERSION,
        "policy": entry.policy.name,
        "interval_s": entry.policy.interval_s,
        "settings": plain(entry.policy.settings),
        "terms": plain(entry.terms),
    }


def _decided(entry: Entry) -> dict[str, Any]:
    return {
        "version": VERSION,
        "policy": entry.policy.name,
        "settings": plain(entry.policy.settings),
        "terms": digest(entry.terms),
        "begins": entry.begins,
        "at_s": entry.decision.at_s,
        "observation": plain(entry.observation, compact=True),
        "variants": plain(entry.decision.variants),
        "served": plain(entry.decision.served),
        "reasons": plain(entry.decision.reasons),
        "state": entry.state,
    }


def _read_header(data: dict[str, Any]) -> dict[str, Any]:
    if data["version"] != VERSION:
        raise Undecodable(f"it is of version {data['version']}, this program reads {VERSION}")
    settings = typed(Settings, data["settings"])
    policy = Raytide(settings=settings, name=data["policy"], interval_s=data["interval_s"])
    terms = typed(Terms, data["terms"])
    return {"policy": policy, "terms": terms, "digest": digest(terms), "settings": data["settings"]}


def _entry(data: dict[str, Any], header: dict[str, Any] | None, known: Knowledge | None) -> Entry:
    if header is None or (data["terms"], data["settings"]) != (header["digest"], header["settings"]):
        raise Undecodable("no header before it has its terms and settings")
    return Entry(
        policy=header["policy"],
        terms=header["terms"],
        begins=data["begins"],
        known=known,
        observation=typed(Observation, data["observation"]),
        decision=Decision(
            at_s=data["at_s"],
            variants=typed(tuple[VariantDecision, ...], data["variants"]),
            state=None,
            served=typed(Mapping[str, float], data["served"]),
            reasons=typed(tuple[Reason, ...], data["reasons"]),
        ),
        state=data["state"],
    )


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def _said(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)

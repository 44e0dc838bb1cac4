"""Finding a decision in a journal, with what was known before it: what an explanation starts from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.journal import Entry, read
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy.knowledge import Knowledge

_AT: Final = re.compile(r'^\{"decision":.*?"begins":(true|false),"at_s":([0-9.e+-]+)')
"""A day's journal is 30 MB: only the lines that lead to the decision are parsed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """A recorded decision, and what was known before it."""

    entry: Entry
    known: Knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int
    at_s: float
    starts: bool
    """Whether replay can start here: the policy began, or the line before says what was known."""


def span_of(lines: Sequence[str]) -> tuple[float, float] | Missing:
    """The times of the first and the last decision; missing where there is none."""
    times = [line.at_s for line in _decisions(lines)]
    return (times[0], times[-1]) if times else Missing(reason="no decision was recorded yet")


def moment(lines: Sequence[str], at_s: float | None = None) -> Moment | Missing:
    """The last decision at or before a time, else the last of all; missing where the journal does not reach it.

    Raises:
        JournalUnreadable: a line on the way to it says nothing.
    """
    before = [line for line in _decisions(lines) if at_s is None or line.at_s <= at_s]
    start = next((line for line in reversed(before) if line.starts), None)
    if start is None:
        why = "what was known before is not in the journal" if before else "no decision was recorded by then"
        return Missing(reason=why)
    return _replayed(_from(lines, start.number, before[-1].number))


def observed(lines: Sequence[str], since_s: float) -> tuple[Observation, ...]:
    """What was seen at the decisions from a time on, oldest first.

    Raises:
        JournalUnreadable: a line among them says nothing.
    """
    late = [line.number for line in _decisions(lines) if line.at_s >= since_s]
    return tuple(entry.observation for entry in read(_from(lines, late[0], late[-1]))) if late else ()


def _decisions(lines: Iterable[str]) -> Iterator[_Line]:
    known = False
    for number, line in enumerate(lines):
        found = _AT.match(line)
        if found:
            yield _Line(number=number, at_s=float(found[2]), starts=known or found[1] == "true")
        known = line.startswith('{"known"')


def _from(lines: Sequence[str], start: int, end: int) -> Iterator[str]:
    """The header in force at a line, and the lines from there to the end, both included."""
    header = next((line for line in reversed(lines[:start]) if line.startswith('{"header"')), None)
    if header is not None:
        yield header
    first = start - 1 if start and lines[start - 1].startswith('{"known"') else start
    yield from (line for line in lines[first : end + 1] if line.strip())


def _replayed(lines: Iterable[str]) -> Moment | Missing:
    """The last of these, decided again from the first on; only its observation matters, not what was said of it."""
    found: Moment | None = None
    for entry in read(lines):
        after = _after(found) if found else None
        begun = entry.policy.begin(entry.observation, entry.terms) if entry.begins else entry.known or after
        assert begun is not None  # the first one starts
        found = Moment(entry=entry, known=begun)
    return found or Missing(reason="no decision was recorded by then")


def _after(before: Moment) -> Knowledge:
    entry = before.entry
    state: Knowledge = entry.policy.decide(entry.observation, entry.terms, before.known, entry.decision.at_s).state
    return state

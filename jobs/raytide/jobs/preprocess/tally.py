"""What became of documents: how many were kept, how many dropped at which step and why, with a few examples.

Tallies add up in the order of the corpus, so that the report is the same whoever counted which part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

_EXAMPLES: Final = 3
_DETAIL_CHARS: Final = 120
STEPS: Final = (
    "read",
    "clean",
    "language",
    "quality",
    "contamination",
    "near_duplicates",
    "duplicates",
)
"""In the order in which a document passes them."""


class Reason(NamedTuple):
    """Why a document was left out."""

    step: str
    name: str


@dataclass(slots=True)
class Tally:
    """Counts of one part of the corpus, or of all."""

    kept: int = 0
    dropped: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, list[str]] = field(default_factory=dict)
    """The first sources that a reason left out, with what was found there."""
    scrubbed: Counter[str] = field(default_factory=Counter)
    """Replaced pieces of personal data, by kind."""

    def drop(self, reason: Reason, source: str, detail: str = "", rows: int = 1) -> None:
        """Counts `rows` documents as left out."""
        self.dropped[reason] += rows
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{source}: {detail[:_DETAIL_CHARS]}" if detail else source)

    def as_json(self) -> dict[str, Any]:
        """The tally as JSON takes it."""
        return {
            "kept": self.kept,
            "dropped": [[*reason, count, self.examples.get(reason, [])] for reason, count in self.dropped.items()],
            "scrubbed": dict(self.scrubbed),
        }

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> Tally:
        """The tally that `as_json` wrote."""
        tally = cls(kept=content["kept"], scrubbed=Counter(content["scrubbed"]))
        for step, name, count, examples in content["dropped"]:
            tally.dropped[Reason(step, name)] = count
            tally.examples[Reason(step, name)] = examples
        return tally


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum, with the first examples."""
    result = Tally()
    for tally in tallies:
        result.kept += tally.kept
        result.dropped.update(tally.dropped)
        result.scrubbed.update(tally.scrubbed)
        for reason, examples in tally.examples.items():
            result.examples[reason] = (result.examples.get(reason, []) + examples)[:_EXAMPLES]
    return result


def report(tally: Tally) -> list[dict[str, Any]]:
    """One entry per step: how many documents came, how many stayed, and what left the others out."""
    remaining = tally.kept + sum(tally.dropped.values())
    entries = []
    for step in STEPS:
        reasons = sorted(reason for reason in tally.dropped if reason.step == step)
        came, remaining = remaining, remaining - sum(tally.dropped[reason] for reason in reasons)
        entries.append(
            {
                "step": step,
                "documents": came,
                "kept": remaining,
                "dropped": {reason.name: _why(tally, reason) for reason in reasons},
            }
        )
    return entries


def _why(tally: Tally, reason: Reason) -> dict[str, Any]:
    return {"count": tally.dropped[reason], "examples": tally.examples.get(reason, [])}

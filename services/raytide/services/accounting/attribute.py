"""Every accelerator-second goes to somebody: an owner, `idle` or `unknown`, and the sum is capacity times time.

Nothing is estimated. A node counts from the first time that it was seen to the last; in between, what was held goes to
who held it and the rest is idle, and where nobody looked the node is paid for all the same and its time is unknown.
Where more is claimed than a node has (its state is read in several calls, a moment apart), the claims share it in
proportion. One that came and went while nobody looked is in no account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, Generic, TypeVar

from raytide.services.accounting.span import IDLE, UNITS, UNKNOWN, ClaimSpan, NodeSpan, Owner, Rate

_NS_PER_HOUR: Final = 3600 * 10**9
_Span = TypeVar("_Span", NodeSpan, ClaimSpan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one owner held of the nodes of one rate."""

    owner: Owner
    rate: Rate
    unit_ns: Fraction
    """Ten-thousandths of an accelerator, times nanoseconds."""

    @property
    def accelerator_hours(self) -> Fraction:
        """The same in hours of whole accelerators, or of CPUs."""
        return self.unit_ns / (UNITS * _NS_PER_HOUR)

    @property
    def nano_usd(self) -> Fraction | None:
        """Its part of what the nodes cost; None where they have no price."""
        if self.rate.nano_usd_per_hour is None:
            return None
        return self.unit_ns * self.rate.nano_usd_per_hour / (self.rate.units * _NS_PER_HOUR)


def attribute(nodes: Iterable[NodeSpan], claims: Iterable[ClaimSpan], from_ns: int, until_ns: int) -> tuple[Share, ...]:
    """What each owner held between the two moments; of a node, all its spans are given."""
    claims_of = _by_node(claims)
    # Whole numbers as long as they are: fractions take several times as long, and a week has a hundred thousand parts.
    sums: defaultdict[tuple[Owner, Rate], int | Fraction] = defaultdict(int)
    for node, spans in _by_node(nodes).items():
        for rate, owner, unit_ns in _of_node(spans, claims_of.get(node, ()), from_ns, until_ns):
            sums[owner, rate] += unit_ns
    return tuple(Share(owner=owner, rate=rate, unit_ns=Fraction(held)) for (owner, rate), held in sums.items() if held)


def _by_node(spans: Iterable[_Span]) -> Mapping[str, Sequence[_Span]]:
    ordered = sorted(spans, key=attrgetter("node", "from_ns"))
    return {node: tuple(own) for node, own in groupby(ordered, key=attrgetter("node"))}


def _of_node(
    spans: Sequence[NodeSpan], claims: Sequence[ClaimSpan], from_ns: int, until_ns: int
) -> Iterator[tuple[Rate, Owner, int | Fraction]]:
    """Between any two moments at which something changed."""
    begins, ends = max(from_ns, spans[0].from_ns), min(until_ns, max(span.until_ns for span in spans))
    changes = (moment for moment in _changes(spans) | _changes(claims) if begins < moment < ends)
    moments = sorted({begins, ends, *changes})
    seen, held = _Active[NodeSpan](spans), _Active[ClaimSpan](claims)
    rate = spans[0].rate
    for start, end in pairwise(moments if begins < ends else ()):
        at_start = seen.at(start)
        rate = at_start[-1].rate if at_start else rate
        parts = _parts(rate.units, held.at(start)) if at_start else {UNKNOWN: rate.units}
        yield from ((rate, owner, units * (end - start)) for owner, units in parts.items())


def _changes(spans: Iterable[_Span]) -> set[int]:
    return {moment for span in spans for moment in (span.from_ns, span.until_ns)}


class _Active(Generic[_Span]):
    """Those of some spans, in the order of their beginning, that a moment lies in; moments only grow."""

    def __init__(self, spans: Sequence[_Span]) -> None:
        self._spans: Sequence[_Span] = spans
        self._next = 0
        self._active: list[_Span] = []

    def at(self, moment: int) -> list[_Span]:
        while self._next < len(self._spans) and self._spans[self._next].from_ns <= moment:
            self._active.append(self._spans[self._next])
            self._next += 1
        self._active = [span for span in self._active if span.until_ns > moment]
        return self._active


def _parts(units: int, held: Iterable[ClaimSpan]) -> dict[Owner, int | Fraction]:
    """Units by owner; all of them together are those of the node."""
    latest = {claim.claim: claim for claim in held}
    claimed = sum(claim.units for claim in latest.values())
    parts: defaultdict[Owner, int | Fraction] = defaultdict(int)
    for claim in latest.values():
        parts[claim.owner] += claim.units if claimed <= units else Fraction(claim.units * units, claimed)
    parts[IDLE] += units - min(units, claimed)
    return parts

"""A month of a cluster whose nodes are preempted, whose jobs fail, and whose accountant is killed now and then."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from raytide.services.accounting.attribute import Share, attribute
from raytide.services.accounting.book import Book
from raytide.services.accounting.sight import Snapshot, snapshot
from raytide.services.accounting.span import Kind, Owner
from raytide.services.ledger.database import connect

from .conftest import POOLS, Cluster

LOOKS_EVERY_NS = 3600 * 10**9
NUM_LOOKS = 30 * 24
START_NS = 1_795_000_000 * 10**9 + 7  # a prime offset, so that nothing is round


@dataclass
class Month:
    """Random, by a seed: what happens is drawn, and what it must come to is counted beside it."""

    random: random.Random
    cluster: Cluster = field(default_factory=Cluster)
    preempted: int = 0
    made: int = 0

    def happen(self) -> None:
        """Something, since the last look."""
        draw, nodes = self.random, self.cluster.nodes
        for pool, accelerator, num in (("h100", "H100", 8), ("l4", "L4", 1)):
            if draw.random() < 0.2 and len(nodes) < 12:
                self.cluster.add_node(self._name("node"), pool, accelerator, num)
        for node in [node for node in nodes if draw.random() < 0.03]:
            self.cluster.preempt(node)
            self.preempted += 1
        for actor in [actor for actor in self.cluster.actors if draw.random() < 0.1]:
            del self.cluster.jobs[self.cluster.actors.pop(actor)["job_id"]]
        for job in self.cluster.jobs.values():
            job["status"] = "FAILED" if draw.random() < 0.01 else job["status"]
        if nodes and draw.random() < 0.6:
            self._start()

    def _start(self) -> None:
        job = self._name("job")
        self.cluster.add_job(job, f"train-{job}", self.random.choice([None, "search", "speech"]))
        resources = {"GPU": self.random.choice([0.5, 1.0, 4.0, 0.0001]), "CPU": 1.0}
        self.cluster.add_actor(self._name("actor"), self.random.choice(sorted(self.cluster.nodes)), job, resources)

    def _name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"


@dataclass(frozen=True)
class Look:
    at_ns: int
    writer: int
    """One that is killed is followed by another one."""
    seen: Snapshot


Looked = tuple[Month, list[Look], Book]


def _looks(month: Month) -> Iterator[Look]:
    writer, away = 0, 0
    for number in range(NUM_LOOKS):
        month.happen()
        if month.random.random() < 0.03:
            writer, away = writer + 1, month.random.choice([0, 1, 7])
        if away == 0:
            at_ns = START_NS + number * LOOKS_EVERY_NS
            yield Look(at_ns, writer, snapshot(month.cluster.sight(), POOLS))
        away = max(0, away - 1)


@pytest.fixture(scope="module")
def month() -> Looked:
    engine = connect("sqlite://")
    month, books = Month(random.Random(7)), defaultdict[int, Book](lambda: Book(engine, longest_ns=LOOKS_EVERY_NS))
    looks = list(_looks(month))
    for look in looks:
        books[look.writer].enter(look.seen, look.at_ns)
    return month, looks, Book(engine)


def _shares(book: Book) -> tuple[Share, ...]:
    from_ns, until_ns = START_NS, START_NS + NUM_LOOKS * LOOKS_EVERY_NS
    spans = book.spans(from_ns, until_ns)
    return attribute(spans.nodes, spans.claims, from_ns, until_ns)


def test_the_whole_month_is_attributed_with_an_error_of_zero(month: Looked) -> None:
    played, looks, book = month
    rates = {node: rate for look in looks for node, rate in look.seen.nodes.items()}
    lasting_ns = dict.fromkeys(rates, 0)
    for node in rates:
        having = [place for place, look in enumerate(looks) if node in look.seen.nodes]
        lasting_ns[node] = _holds_until(looks, having[-1]) - looks[having[0]].at_ns
    shares = _shares(book)
    assert played.preempted > 100
    assert len({look.writer for look in looks}) > 10
    assert {share.owner.kind for share in shares} == {Kind.JOB, Kind.IDLE, Kind.UNKNOWN}
    assert sum(share.unit_ns for share in shares) == sum(rates[node].units * lasting_ns[node] for node in rates)
    price = sum(Fraction((rates[node].nano_usd_per_hour or 0) * lasting_ns[node], 3600 * 10**9) for node in rates)
    assert sum(share.nano_usd or 0 for share in shares) == price


def test_each_owner_has_what_it_was_seen_to_hold(month: Looked) -> None:
    _, looks, book = month
    expected: defaultdict[Owner, int] = defaultdict(int)
    crowded: set[Owner] = set()
    for place, look in enumerate(looks):
        crowded |= _crowded(look.seen)
        for claim in look.seen.claims:
            expected[claim.owner] += claim.units * (_holds_until(looks, place) - look.at_ns)
    held: defaultdict[Owner, Fraction] = defaultdict(Fraction)
    for share in _shares(book):
        held[share.owner] += share.unit_ns
    exact = expected.keys() - crowded
    assert len(exact) > 100
    assert {owner: held[owner] for owner in exact} == {owner: expected[owner] for owner in exact}


def _holds_until(looks: Sequence[Look], place: int) -> int:
    """What was seen at a look holds until the next one of the same writer, if that is not late."""
    look, after = looks[place], looks[place + 1] if place + 1 < len(looks) else None
    is_next = after is not None and after.writer == look.writer and after.at_ns == look.at_ns + LOOKS_EVERY_NS
    return look.at_ns + LOOKS_EVERY_NS * is_next


def _crowded(seen: Snapshot) -> set[Owner]:
    """Who is on a node with more claims than it has accelerators."""
    full = {
        node
        for node, rate in seen.nodes.items()
        if sum(claim.units for claim in seen.claims if claim.node == node) > rate.units
    }
    return {claim.owner for claim in seen.claims if claim.node in full}

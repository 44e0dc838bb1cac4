from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raytide.services.accounting.book import LONGEST_NS, Book
from raytide.services.accounting.sight import Snapshot, snapshot
from raytide.services.accounting.tables import JOBS
from raytide.services.ledger.database import connect, reading

from .conftest import POOLS, Cluster

S = 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def seen() -> Snapshot:
    cluster = Cluster()
    cluster.add_node("gpu", "h100", "H100", 8)
    cluster.add_job("1", "train")
    cluster.add_actor("a", "gpu", "1", {"GPU": 2.0})
    return snapshot(cluster.sight(), POOLS)


def _times(book: Book) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    spans = book.spans(0, 10**18)
    return (
        sorted((span.from_ns, span.until_ns) for span in spans.nodes),
        sorted((span.from_ns, span.until_ns) for span in spans.claims),
    )


def test_what_does_not_change_is_one_row_that_grows(url: str, seen: Snapshot) -> None:
    book = Book(connect(url))
    for at_s in (10, 20, 30):
        book.enter(seen, at_s * S)
    assert _times(book) == ([(10 * S, 30 * S)], [(10 * S, 30 * S)])


def test_what_was_seen_holds_until_the_look_that_sees_it_no_more(url: str, seen: Snapshot) -> None:
    book = Book(connect(url))
    book.enter(seen, 10 * S)
    book.enter(replace(seen, claims=()), 20 * S)
    book.enter(seen, 30 * S)
    book.enter(seen, 40 * S)
    assert _times(book) == ([(10 * S, 40 * S)], [(10 * S, 20 * S), (30 * S, 40 * S)])


def test_a_claim_that_changes_hands_is_another_row(url: str, seen: Snapshot) -> None:
    book = Book(connect(url))
    other = replace(seen.claims[0], owner=replace(seen.claims[0].owner, team="search"))
    for at_s, claims in ((10, seen.claims), (20, (other,)), (30, (other,))):
        book.enter(replace(seen, claims=claims), at_s * S)
    found = {span.owner.team: (span.from_ns, span.until_ns) for span in book.spans(0, 10**18).claims}
    assert found == {"": (10 * S, 20 * S), "search": (20 * S, 30 * S)}


@pytest.mark.parametrize("late_ns", [LONGEST_NS + 1, -1])
def test_nothing_is_said_of_a_time_that_is_too_long_or_of_a_clock_that_was_set_back(
    url: str, seen: Snapshot, late_ns: int
) -> None:
    book = Book(connect(url))
    book.enter(seen, 100 * S)
    book.enter(seen, 100 * S + late_ns)
    assert all(begins == ends for spans in _times(book) for begins, ends in spans)


def test_a_clock_that_was_ahead_for_a_while_leaves_nothing_in_the_future(url: str, seen: Snapshot) -> None:
    """Or a node would be paid for until then, though it is long gone."""
    book, other = Book(connect(url)), Book(connect(url))
    other.enter(seen, 4100 * S)
    for at_s in (10, 20, 4000, 4010, 30, 40):
        book.enter(seen, at_s * S)
    assert _times(book)[0] == [(10 * S, 20 * S), (30 * S, 40 * S), (4100 * S, 4100 * S)]
    assert _times(book)[0] == _times(book)[1]


def test_who_reads_waits_for_no_writer_and_no_writer_for_who_reads(url: str, seen: Snapshot) -> None:
    engine = connect(url)
    book = Book(engine)
    book.enter(seen, 10 * S)
    with engine.begin() as writer:
        writer.execute(JOBS.insert().values(job="a", status="RUNNING"))
        assert "a" not in book.spans(0, 10**18).jobs
    with reading(engine) as reader:
        reader.execute(JOBS.select()).all()
        book.enter(seen, 20 * S)


def test_a_new_writer_leaves_the_time_between_to_nobody(url: str, seen: Snapshot) -> None:
    first, second = Book(connect(url)), Book(connect(url))
    for book, at_s in ((first, 10), (first, 20), (second, 25), (second, 35)):
        book.enter(seen, at_s * S)
    assert _times(second)[0] == [(10 * S, 20 * S), (25 * S, 35 * S)]


def test_a_look_that_could_not_be_written_is_made_up_for_by_the_next(url: str, seen: Snapshot) -> None:
    engine = connect(url)
    book = Book(engine)
    book.enter(seen, 10 * S)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE raytide_job_status RENAME TO away")
    with pytest.raises(Exception, match="raytide_job_status"):
        book.enter(replace(seen, jobs={"raysubmit_1": "FAILED"}), 20 * S)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO raytide_job_status")
    book.enter(replace(seen, jobs={"raysubmit_1": "FAILED"}), 30 * S)
    assert _times(book)[0] == [(10 * S, 30 * S)]
    assert book.spans(0, 10**18).jobs == {"raysubmit_1": "FAILED"}


def test_only_nodes_that_were_there_are_read_and_those_with_all_their_spans(url: str, seen: Snapshot) -> None:
    first, second = Book(connect(url)), Book(connect(url))
    for book, at_s in ((first, 10), (first, 20), (second, 100), (second, 110)):
        book.enter(seen, at_s * S)
    assert len(second.spans(50 * S, 60 * S).nodes) == 2
    assert second.spans(50 * S, 60 * S).claims == []
    assert second.spans(200 * S, 300 * S).nodes == []

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raytide.autoscaling.journal import Entry, entered, replay
from raytide.autoscaling.live.journal_file import SAYS_KNOWN_EVERY, JournalFile
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms

OURS = Raytide()


def _life(terms: Terms, num: int, known: Knowledge | None = None) -> Iterator[tuple[Entry, Knowledge]]:
    """Decisions of a blind policy, which counts how long it has been blind; each with what was known before it."""
    for step in range(num):
        view = VariantView(name="v", target=2, num_ready=2)
        seen = Observation(at_s=5.0 * step, demand=Missing(reason="blind"), variants=(view,))
        begins, known = known is None, known or OURS.begin(seen, terms)
        decision = OURS.decide(seen, terms, known, seen.at_s)
        yield entered(OURS, terms, seen, decision, begins=begins), known
        known = decision.state


def _replayed(path: Path) -> int:
    pairs = list(replay(path.read_text().splitlines(keepends=True)))
    assert all((then.decision, then.state) == (now.decision, now.state) for then, now in pairs)
    return len(pairs)


def test_a_life_is_replayed_from_its_file(terms: Terms, tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal" / "chat.jsonl")
    for entry, known in _life(terms, 6):
        file.add(entry, known)
    assert _replayed(file.path) == 6
    assert file.path.read_text().count('{"header"') == 1


def test_the_life_after_a_restart_goes_on_in_the_same_file(terms: Terms, tmp_path: Path) -> None:
    path, known = tmp_path / "chat.jsonl", None
    for _ in range(3):
        file = JournalFile(path)
        for entry, before in _life(terms, 4, known):
            file.add(entry, before)
            known = before
    assert _replayed(path) == 12
    assert path.read_text().count('{"known"') == 2


def test_a_line_that_was_cut_off_is_no_harm_to_those_after_it(terms: Terms, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    for cut in (True, False):
        file = JournalFile(path)
        for entry, known in _life(terms, 3):
            file.add(entry, known)
        if cut:
            path.write_text(path.read_text()[:-20])
    assert _replayed(path) == 2 + 3


@pytest.mark.parametrize("line", ['{"header":{"version":1}}', '{"at_s":1.0,"target":2}', "[1]"])
def test_what_another_version_wrote_is_set_aside(terms: Terms, tmp_path: Path, line: str) -> None:
    file = JournalFile(tmp_path / "chat.jsonl")
    file.path.write_text(line + "\n")
    for entry, known in _life(terms, 3):
        file.add(entry, known)
    assert _replayed(file.path) == 3
    assert (tmp_path / "chat.1.jsonl").read_text() == line + "\n"


def test_a_long_file_is_set_aside_and_each_part_is_replayed_by_itself(terms: Terms, tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "chat.jsonl", longest_bytes=100_000)
    numbers = []
    for entry, known in _life(terms, 200):
        file.add(entry, known)
        numbers.append(file.path.stat().st_size)
    assert max(numbers) < 110_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chat.1.jsonl", "chat.jsonl"]
    assert min(_replayed(path) for path in tmp_path.iterdir()) > 0


def test_a_file_that_is_no_text_is_put_aside(terms: Terms, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\xff\xfe\x00\n")
    file = JournalFile(path)
    for entry, known in _life(terms, 3):
        file.add(entry, known)
    assert _replayed(path) == 3
    assert (tmp_path / "chat.1.jsonl").read_bytes() == b"\xff\xfe\x00\n"


def test_a_long_life_says_now_and_then_what_was_known(terms: Terms, tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "chat.jsonl")
    for entry, known in _life(terms, 2 * SAYS_KNOWN_EVERY + 2):
        file.add(entry, known)
    assert file.path.read_text().count('{"known"') == 2
    assert _replayed(file.path) == 2 * SAYS_KNOWN_EVERY + 2


@contextmanager
def _full_disk(bytes_left: int, path: Path) -> Iterator[None]:
    """No file of this process may grow beyond this one's size and so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_after_a_full_disk_the_journal_goes_on_and_lacks_only_what_did_not_fit(terms: Terms, tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "chat.jsonl")
    life = list(_life(terms, 8))
    for entry, known in life[:3]:
        file.add(entry, known)
    for entry, known in life[3:5]:
        with _full_disk(100, file.path), pytest.raises(OSError, match="File too large"):
            file.add(entry, known)
    for entry, known in life[5:]:
        file.add(entry, known)
    assert _replayed(file.path) == 6

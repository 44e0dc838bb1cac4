import itertools
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from raytide.jobs.preprocess import documents as merging
from raytide.jobs.preprocess import run_files
from raytide.jobs.preprocess.documents import ranges, texts, write_documents
from raytide.jobs.preprocess.run_files import Document, Run, write_run
from raytide.jobs.preprocess.split import place


def documents(count: int) -> list[Document]:
    return [
        Document(*place(f"text {number}", seed=0, held_out=0.2, shards=2), f"{number:04d}.txt", f"text {number}")
        for number in range(count)
    ]


def written(found: list[Document], folder: Path, size: int) -> list[Run]:
    folder.mkdir()
    chunks = [found[at : at + size] for at in range(0, len(found), size)]
    return [write_run(folder, f"{number:05d}-000", sorted(chunk)) for number, chunk in enumerate(chunks)]


@pytest.mark.parametrize("size", [7, 50])
def test_a_shard_has_its_documents_in_the_order_of_their_ranks_however_they_were_cut(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "_GROUP_CHARS", 40)
    monkeypatch.setattr(merging.ranges, "__defaults__", (100,))
    found = documents(120)
    random.Random(size).shuffle(found)
    runs = written(found, tmp_path / "runs", size)
    for shard in {document.shard for document in found}:
        tally = write_documents(shard, runs, tmp_path / "runs", None, tmp_path / f"{shard}.parquet")
        expected = [document.text for document in sorted(found) if document.shard == shard]
        assert list(texts(tmp_path / f"{shard}.parquet")) == expected
        assert tally.kept == len(expected)


def test_of_equal_documents_the_one_of_the_least_source_stays(tmp_path: Path) -> None:
    found = [one._replace(source=f"{name}.txt") for name in "cab" for one in documents(3)]
    runs = written(found, tmp_path / "runs", 4)
    shard = found[0].shard
    tally = write_documents(shard, runs, tmp_path / "runs", None, tmp_path / "out.parquet")
    kept = pq.read_table(tmp_path / "out.parquet")
    assert set(kept["source"].to_pylist()) == {"a.txt"}
    assert sum(tally.dropped.values()) == 2 * tally.kept
    ((reason, examples),) = tally.examples.items()
    assert reason.name == "duplicate"
    assert examples[0].endswith("equal to a.txt")


def test_rows_that_are_almost_the_same_as_others_go(tmp_path: Path) -> None:
    found = sorted(one._replace(shard="train-00000") for one in documents(30))
    runs = written(found, tmp_path / "runs", 10)
    for run, rows in zip(runs, ([0, 9], [], [5]), strict=True):
        np.save(tmp_path / f"{run.name}.gone.npy", np.array(rows, np.uint64))
    tally = write_documents("train-00000", runs, tmp_path / "runs", tmp_path, tmp_path / "out.parquet")
    gone = {found[0].text, found[9].text, found[25].text}
    assert set(texts(tmp_path / "out.parquet")) == {one.text for one in found} - gone
    assert {reason.name: count for reason, count in tally.dropped.items()} == {"near_duplicate": 3}


def test_a_shard_of_which_nothing_stays_has_no_file(tmp_path: Path) -> None:
    runs = written([documents(1)[0]], tmp_path / "runs", 1)
    np.save(tmp_path / f"{runs[0].name}.gone.npy", np.array([0], np.uint64))
    tally = write_documents(runs[0].groups[0].shard, runs, tmp_path / "runs", tmp_path, tmp_path / "out.parquet")
    assert tally.kept == 0
    assert not list(tmp_path.glob("out.*"))


def test_ranges_hold_what_they_may_and_leave_no_rank_out() -> None:
    groups = [
        run_files.Group(index=0, start=0, rows=1, shard="s", first=f"{at:02x}", last=f"{at + 5:02x}", chars=10)
        for at in range(100)
    ]
    bounds = list(ranges(groups, size=100))
    assert bounds[0][0] == ""
    assert all(high == low for (_, high), (low, _) in itertools.pairwise(bounds))
    assert all(sum(low <= group.first < high for group in groups) == 10 for low, high in bounds)

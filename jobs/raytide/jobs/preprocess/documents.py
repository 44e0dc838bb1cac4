"""Runs to deduplicated documents: one Parquet file per shard, in the order of the ranks.

A shard is written range by range of its ranks, so that one range of all runs is what is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from raytide.jobs.preprocess.run_files import Document, Group, Run, read_group
from raytide.jobs.preprocess.tally import Reason, Tally

_RANGE_CHARS: Final = 64 << 20
_ROWS_PER_GROUP: Final = 1024
_DUPLICATE: Final = Reason("duplicates", "duplicate")
_NEAR_DUPLICATE: Final = Reason("near_duplicates", "near_duplicate")
_BEYOND: Final = "~"
"""Greater than every rank, which are hexadecimal."""


def write_documents(shard: str, runs: Sequence[Run], folder: Path, near: Path | None, target: Path) -> Tally:
    """Writes the documents of a shard that are no duplicates, if there are any.

    `near` is the folder with the rows that go because they are almost the same as others; None where nobody looked.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tally = Tally()
    schema = pa.schema([("rank", pa.string()), ("source", pa.string()), ("text", pa.string())])
    partial = target.with_suffix(".partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for rows in _grouped(_unique(_sorted(shard, runs, folder, near, tally), tally)):
            columns = dict(zip(("rank", "source", "text"), zip(*rows, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema=schema))
            tally.kept += len(rows)
    if tally.kept:
        partial.rename(target)
    else:
        partial.unlink()
    return tally


def texts(shard: Path) -> Iterator[str]:
    """The documents of a shard, in its order."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(shard) as file:
        for batch in file.iter_batches(columns=["text"], batch_size=256):
            yield from batch["text"].to_pylist()


def taken(documents: Iterable[str], max_bytes: float) -> Iterator[str]:
    """The first documents, until they make up `max_bytes`."""
    total = 0
    for text in documents:
        if total >= max_bytes:
            return
        total += len(text.encode())
        yield text


def ranges(groups: Iterable[Group], size: int = _RANGE_CHARS) -> Iterator[tuple[str, str]]:
    """Bounds of ranks, the upper one excluded, between which there is about `size` of text."""
    low, chars = "", 0
    for group in sorted(groups, key=lambda group: group.first):
        if chars >= size and group.first > low:
            yield low, group.first
            low, chars = group.first, 0
        chars += group.chars
    yield low, _BEYOND


def _sorted(shard: str, runs: Sequence[Run], folder: Path, near: Path | None, tally: Tally) -> Iterator[Document]:
    """The documents by rank and source, without those that are almost the same as another."""
    groups = [(run, group) for run in runs for group in run.groups if group.shard == shard]
    for low, high in ranges(group for _, group in groups):
        found: list[Document] = []
        for run, group in groups:
            if group.first < high and group.last >= low:
                gone = _rows_that_go(run, group, near)
                found += _within(low, high, shard, read_group(folder, run, group), group, gone, tally)
        yield from sorted(found)


def _within(
    low: str, high: str, shard: str, table: Any, group: Group, gone: frozenset[int], tally: Tally
) -> Iterator[Document]:
    columns = (table[name].to_pylist() for name in ("rank", "source", "text"))
    for row, (rank, source, text) in enumerate(zip(*columns, strict=True), start=group.start):
        if not low <= rank < high:
            continue
        if row in gone:
            tally.drop(_NEAR_DUPLICATE, source)
        else:
            yield Document(shard, rank, source, text)


def _rows_that_go(run: Run, group: Group, near: Path | None) -> frozenset[int]:
    if near is None:
        return frozenset()
    gone = np.load(near / f"{run.name}.gone.npy", mmap_mode="r")
    low, high = np.searchsorted(gone, [group.start, group.start + group.rows])
    return frozenset(gone[low:high].tolist())


def _unique(documents: Iterable[Document], tally: Tally) -> Iterator[Document]:
    """The first of equal documents: that of the least source, whoever read it first."""
    for _, equal in groupby(documents, key=lambda document: document.rank):
        first, *others = equal
        for other in others:
            tally.drop(_DUPLICATE, other.source, f"equal to {first.source}")
        yield first


def _grouped(documents: Iterable[Document]) -> Iterator[list[tuple[str, str, str]]]:
    """Row groups: a reader holds one of them."""
    rows, chars = [], 0
    for document in documents:
        rows.append(document[1:])
        chars += len(document.text)
        if len(rows) == _ROWS_PER_GROUP or chars >= _RANGE_CHARS:
            yield rows
            rows, chars = [], 0
    if rows:
        yield rows

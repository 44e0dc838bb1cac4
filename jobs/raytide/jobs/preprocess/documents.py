"""Files to deduplicated documents, one Parquet file per shard, by Ray Data.

Texts go from the reading task to the task of their shard and to disk; the driver sees one line per shard.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from raytide.core.spec.job import PreprocessSpec
from raytide.jobs.preprocess.clean import Dropped, check, clean, decode
from raytide.jobs.preprocess.corpus import Listing
from raytide.jobs.preprocess.split import first_of_each, place

if TYPE_CHECKING:
    import pyarrow as pa

_DROPPED: Final = "dropped"
_FILES_PER_BATCH: Final = 32


def write_documents(listing: Listing, spec: PreprocessSpec, folder: Path) -> Counter[str]:
    """How many files were `kept`, and how many dropped for each reason; the shards are in `folder` afterwards."""
    import ray.data

    def read(batch: dict[str, Any]) -> dict[str, list[str]]:
        return _columns(_document(listing.root, path, spec) for path in batch["path"])

    def write(shard: pa.Table) -> pa.Table:
        return _write_shard(shard, folder)

    folder.mkdir()
    outcome: Counter[str] = Counter()
    files = ray.data.from_items([{"path": path} for path in listing.files])
    documents = files.map_batches(read, batch_size=_FILES_PER_BATCH)
    # Training shards, the held-out shard and what is dropped; Ray's default of 200 took 10 s longer for 11 MB.
    shards = documents.groupby("shard", num_partitions=spec.shards + 2)
    for row in shards.map_groups(write, batch_format="pyarrow").iter_rows():
        outcome.update(json.loads(row["outcome"]))
    return outcome


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


def _document(root: str, path: str, spec: PreprocessSpec) -> dict[str, str]:
    try:
        text = clean(decode(_content(root, path)))
        check(text)
    except Dropped as reason:
        return {"shard": _DROPPED, "rank": str(reason), "source": path, "text": ""}
    shard, rank = place(text, seed=spec.seed, held_out=spec.held_out, shards=spec.shards)
    return {"shard": shard, "rank": rank, "source": path, "text": text}


def _content(root: str, path: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(f"{root}/{path}", "rb") as file:
            return bytes(file.read())
    except OSError:
        raise Dropped("unreadable") from None


def _columns(rows: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {"shard": [], "rank": [], "source": [], "text": []}
    for row in rows:
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _write_shard(shard: pa.Table, folder: Path) -> pa.Table:
    """One row that says what became of the documents of a shard."""
    import pyarrow as pa

    name = shard["shard"][0].as_py()
    if name == _DROPPED:
        outcome = Counter(shard["rank"].to_pylist())
    else:
        outcome = _write_unique(shard, folder / f"{name}.parquet")
    return pa.table({"outcome": [json.dumps(outcome)]})


def _write_unique(shard: pa.Table, target: Path) -> Counter[str]:
    import pyarrow.parquet as pq

    # The source breaks ties, so that of equal documents the same one stays whoever read it first.
    ordered = shard.sort_by([("rank", "ascending"), ("source", "ascending")])
    unique = ordered.take(first_of_each(ordered["rank"].to_pylist())).select(["rank", "source", "text"])
    partial = target.with_suffix(".partial")
    pq.write_table(unique, partial, compression="zstd", row_group_size=1024)
    partial.rename(target)
    return Counter(kept=unique.num_rows, duplicate=ordered.num_rows - unique.num_rows)

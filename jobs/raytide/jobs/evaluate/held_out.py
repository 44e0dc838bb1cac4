"""The documents that training never saw, and which domain each belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One held-out document."""

    source: str
    text: str


def held_out_documents(shard: Path, max_bytes: float) -> Iterator[Document]:
    """The first documents of a shard, until they make up `max_bytes`."""
    import pyarrow.parquet as pq

    total = 0
    with pq.ParquetFile(shard) as file:
        for batch in file.iter_batches(columns=["source", "text"], batch_size=256):
            for row in batch.to_pylist():
                if total >= max_bytes:
                    return
                total += len(row["text"].encode())
                yield Document(source=row["source"], text=row["text"])


def domain_of(source: str) -> str:
    """The folder of the corpus that a document lies in; `.` for those beside the folders."""
    return PurePosixPath(source).parts[0] if len(PurePosixPath(source).parts) > 1 else "."

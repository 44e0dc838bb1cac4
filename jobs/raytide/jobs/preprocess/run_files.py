"""Runs: documents of one part, sorted by shard and rank, as one Parquet file of small row groups.

A run is bounded, so a part of any size is written from bounded memory; row groups say what they hold, so that the
writer of a shard reads no more than its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_CHARS: Final = 256 << 10


class Document(NamedTuple):
    """A document and its place; sorted as tuples they are in the order of a run."""

    shard: str
    rank: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a row group holds."""

    index: int
    start: int
    """Of its first row, in the run."""
    rows: int
    shard: str
    first: str
    last: str
    """The least and the greatest rank."""
    chars: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run file without its ending, below the folder of runs, and its row groups."""

    name: str
    groups: tuple[Group, ...]

    @property
    def num_documents(self) -> int:
        """All rows."""
        return sum(group.rows for group in self.groups)

    def as_json(self) -> dict[str, Any]:
        """The run as JSON takes it."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> Run:
        """The run that `as_json` wrote."""
        return cls(content["name"], tuple(Group(**group) for group in content["groups"]))


def write_run(folder: Path, name: str, documents: Sequence[Document]) -> Run:
    """Writes sorted documents."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("rank", pa.string()), ("source", pa.string()), ("text", pa.string())])
    groups: list[Group] = []
    with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd", compression_level=1) as writer:
        for start, rows in _groups(documents):
            _, ranks, sources, texts = zip(*rows, strict=True)
            writer.write_table(pa.table({"rank": ranks, "source": sources, "text": texts}, schema=schema))
            chars = sum(map(len, texts))
            group = Group(
                index=len(groups), start=start, rows=len(rows), shard=rows[0].shard,
                first=ranks[0], last=ranks[-1], chars=chars,
            )  # fmt: skip
            groups.append(group)
    return Run(name, tuple(groups))


def read_group(folder: Path, run: Run, group: Group) -> pa.Table:
    """The rows of a group: rank, source and text."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / f"{run.name}.parquet") as file:
        return file.read_row_group(group.index)


def _groups(documents: Sequence[Document]) -> Iterator[tuple[int, Sequence[Document]]]:
    """Neighbours of one shard, of a bounded size."""
    start, chars = 0, 0
    for position, document in enumerate(documents):
        if position > start and (document.shard != documents[start].shard or chars >= _GROUP_CHARS):
            yield start, documents[start:position]
            start, chars = position, 0
        chars += len(document.text)
    if documents:
        yield start, documents[start:]

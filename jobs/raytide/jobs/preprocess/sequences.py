"""Documents to packed token sequences: one task and one Parquet file per shard."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from raytide.jobs.preprocess.bpe import EOS
from raytide.jobs.preprocess.documents import texts
from raytide.jobs.preprocess.pack import pack

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DOCUMENTS_PER_CALL: Final = 64
_SEQUENCES_PER_ROW_GROUP: Final = 1024


class ShardCounts(TypedDict):
    """What a shard holds."""

    shard: str
    documents: int
    bytes: int
    tokens: int
    """Of all documents, with the begin and end tokens; the packed sequences leave out less than one sequence."""
    sequences: int


def write_sequences(shards: list[str], folder: Path, length: int) -> Iterator[ShardCounts]:
    """Each shard's counts as it is done; `folder/sequences` has them all afterwards."""
    import ray.data

    def write(row: dict[str, str]) -> dict[str, Any]:
        return {**_Shard(folder, row["shard"], length).write()}

    (folder / "sequences").mkdir()
    rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
    yield from rows.map(write).iter_rows()


class _Shard:
    """Counts what it reads while it writes."""

    def __init__(self, folder: Path, name: str, length: int) -> None:
        self._documents = folder / "documents" / f"{name}.parquet"
        self._target = folder / "sequences" / f"{name}.parquet"
        self._tokenizer = folder / "tokenizer" / "tokenizer.json"
        self._length = length
        self._counts = ShardCounts(shard=name, documents=0, bytes=0, tokens=0, sequences=0)

    def write(self) -> ShardCounts:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("tokens", pa.list_(pa.int32(), self._length))])
        partial = self._target.with_suffix(".partial")
        sequences = pack(self._tokens(), self._length)
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            while group := list(islice(sequences, _SEQUENCES_PER_ROW_GROUP)):
                writer.write_table(pa.table({"tokens": group}, schema=schema))
                self._counts["sequences"] += len(group)
        partial.rename(self._target)
        return self._counts

    def _tokens(self) -> Iterator[list[int]]:
        tokenizer = _load(self._tokenizer)
        (eos,) = tokenizer.encode(EOS, add_special_tokens=False).ids
        documents = texts(self._documents)
        while batch := list(islice(documents, _DOCUMENTS_PER_CALL)):
            for text, encoding in zip(batch, tokenizer.encode_batch(batch), strict=True):
                tokens = [*encoding.ids, eos]
                self._counts["documents"] += 1
                self._counts["bytes"] += len(text.encode())
                self._counts["tokens"] += len(tokens)
                yield tokens


def _load(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))

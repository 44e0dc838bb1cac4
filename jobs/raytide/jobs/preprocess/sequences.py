"""Documents to packed token sequences: one Parquet file per shard."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from raytide.jobs.preprocess.adopt import special_token
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
    unknown: int
    """Tokens that stand for text which the vocabulary does not know."""


def write_sequences(shard: str, folder: Path, length: int) -> ShardCounts:
    """Writes the packed sequences of one shard of documents, and returns its counts."""
    return _Shard(folder, shard, length).write()


class _Shard:
    """Counts what it reads while it writes."""

    def __init__(self, folder: Path, name: str, length: int) -> None:
        self._documents = folder / "documents" / f"{name}.parquet"
        self._target = folder / "sequences" / f"{name}.parquet"
        self._tokenizer = folder / "tokenizer"
        self._length = length
        self._counts = ShardCounts(shard=name, documents=0, bytes=0, tokens=0, sequences=0, unknown=0)

    def write(self) -> ShardCounts:
        import pyarrow as pa
        import pyarrow.parquet as pq

        partial = self._target.with_suffix(".partial")
        sequences = pack(self._tokens(), self._length)
        tokens = pa.field("tokens", pa.list_(pa.int32(), self._length))
        schema = pa.schema([tokens, ("document_starts", pa.list_(pa.int32()))])
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            while group := list(islice(sequences, _SEQUENCES_PER_ROW_GROUP)):
                columns = {"tokens": [one.tokens for one in group], "document_starts": [one.starts for one in group]}
                writer.write_table(pa.table(columns, schema=schema))
                self._counts["sequences"] += len(group)
        partial.rename(self._target)
        return self._counts

    def _tokens(self) -> Iterator[list[int]]:
        tokenizer = _load(self._tokenizer)
        eos = self._id(tokenizer, special_token(self._tokenizer, "eos_token"))
        unknown = self._id(tokenizer, getattr(tokenizer.model, "unk_token", None))
        assert eos is not None
        documents = texts(self._documents)
        while batch := list(islice(documents, _DOCUMENTS_PER_CALL)):
            for text, encoding in zip(batch, tokenizer.encode_batch(batch), strict=True):
                tokens = [*encoding.ids, eos]
                self._counts["unknown"] += 0 if unknown is None else tokens.count(unknown)
                self._counts["documents"] += 1
                self._counts["bytes"] += len(text.encode())
                self._counts["tokens"] += len(tokens)
                yield tokens

    @staticmethod
    def _id(tokenizer: Tokenizer, token: str | None) -> int | None:
        return None if token is None else tokenizer.token_to_id(token)


def _load(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # What a model's folder may ask for: half of a long document would be gone.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # A document that spells a special token does not end there.
    tokenizer.encode_special_tokens = True
    return tokenizer

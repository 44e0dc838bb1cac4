"""Parquet: one column with the text, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read.chat import Malformed, text_of
from raytide.jobs.preprocess.read.record import TOO_LARGE, UNDECODABLE, Read, Record, Unread
from raytide.jobs.preprocess.read.stream import FAILURES, failure, opened

_ROWS_PER_BATCH: Final = 256


def read_parquet(url: str, source: str, corpus: Corpus) -> Iterator[Read]:
    """A document per row; rows that a damage makes unreadable are counted from the file's own number of rows."""
    import pyarrow.parquet as pq

    read, rows = 0, 1
    try:
        with opened(url) as file, pq.ParquetFile(file) as parquet:
            rows = parquet.metadata.num_rows
            if corpus.field not in parquet.schema_arrow.names:
                yield _no_column(source, corpus.field, parquet.schema_arrow.names, rows)
                return
            for batch in parquet.iter_batches(_ROWS_PER_BATCH, columns=[corpus.field]):
                for value in batch.column(0):
                    yield _document(value, f"{source}#{read}", corpus.max_document)
                    read += 1
    except FAILURES as error:
        lost = failure(f"{source}#{read}", error)
        yield Unread(lost.source, lost.reason, lost.detail, max(1, rows - read))
    else:
        if not rows:
            yield Unread(source, "empty")


def _no_column(source: str, field: str, names: list[str], rows: int) -> Unread:
    return Unread(source, "no_field", f"no column {field!r} among {', '.join(names)[:80]}", max(1, rows))


def _document(value: Any, source: str, max_bytes: int) -> Read:
    try:
        text = text_of(value.as_py())
    except UnicodeDecodeError as error:
        return Unread(source, UNDECODABLE, str(error))
    except Malformed as error:
        return Unread(source, "wrong_type", str(error))
    if len(text) > max_bytes:
        return Unread(source, TOO_LARGE, f"{len(text)} characters")
    return Record(source, text)

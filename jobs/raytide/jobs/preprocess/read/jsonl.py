"""JSON lines: one object per line, its text under one key."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO, Final

import msgspec

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read.chat import Malformed, text_of
from raytide.jobs.preprocess.read.record import TOO_LARGE, UNDECODABLE, Read, Record, Unread
from raytide.jobs.preprocess.read.stream import FAILURES, decompressed, failure

_SKIP_BYTES: Final = 1 << 20


def read_jsonl(url: str, source: str, corpus: Corpus) -> Iterator[Read]:
    """A document per line; an empty file is said to be empty, and what follows a damage is lost and said to be."""
    number = 0
    try:
        with decompressed(url) as stream:
            for number, line in enumerate(lines(stream, corpus.max_document), start=1):
                if line is None:
                    yield Unread(f"{source}:{number}", TOO_LARGE, f"more than {corpus.max_document} bytes")
                elif not line.isspace():
                    yield _document(line, f"{source}:{number}", corpus.field)
    except FAILURES as error:
        yield failure(f"{source}:{number + 1}", error)
    else:
        if not number:
            yield Unread(source, "empty")


def lines(stream: IO[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """The lines of a stream; None for one that is longer than `max_bytes`, which is skipped piece by piece."""
    while line := stream.readline(max_bytes + 1):
        if len(line) <= max_bytes or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_SKIP_BYTES)
        yield None


def _document(line: bytes, source: str, field: str) -> Read:
    try:
        row = msgspec.json.decode(line.removeprefix(codecs.BOM_UTF8))
    except UnicodeDecodeError as error:
        return Unread(source, UNDECODABLE, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        return Unread(source, "not_json", str(error))
    if not isinstance(row, dict):
        return Unread(source, "wrong_type", f"a JSON {type(row).__name__}, not an object")
    if field not in row:
        return Unread(source, "no_field", f"no {field!r} among {', '.join(sorted(row))[:80]}")
    try:
        return Record(source, text_of(row[field]))
    except Malformed as error:
        return Unread(source, "wrong_type", f"{field!r} is {error}")

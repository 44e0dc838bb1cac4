"""A file's bytes, decompressed by the end of its name, from any fsspec URL."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from raytide.jobs.preprocess.read.html import TooDeep
from raytide.jobs.preprocess.read.record import TOO_DEEP, UNDECODABLE, Unread

_BUFFER_BYTES: Final = 1 << 20
COMPRESSIONS: Final = (".gz", ".zst")


def kind(path: str) -> str:
    """The suffix that says what a file holds, in lower case: `.jsonl` of `a/B.JSONL.gz`."""
    name = path.rsplit("/", 1)[-1].lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return f".{name.rsplit('.', 1)[-1]}" if "." in name else ""


@contextmanager
def opened(url: str) -> Iterator[IO[bytes]]:
    """The file as it lies there; OSError where it cannot be read."""
    import fsspec

    with fsspec.open(url, "rb") as file:
        yield file


@contextmanager
def decompressed(url: str) -> Iterator[IO[bytes]]:
    """The file's content, as a stream that holds no more than a few MiB."""
    with opened(url) as file:
        if url.lower().endswith(".gz"):
            yield io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER_BYTES)
        elif url.lower().endswith(".zst"):
            yield io.BufferedReader(_zstd(file), _BUFFER_BYTES)
        else:
            yield file


def failure(source: str, error: Exception) -> Unread:
    """What ended the reading of a document or a file, of those that `FAILURES` names."""
    detail = str(error) or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return Unread(source, UNDECODABLE, detail)
    if isinstance(error, TooDeep):
        return Unread(source, TOO_DEEP, detail)
    if isinstance(error, EOFError) or "Truncated" in detail:
        return Unread(source, "truncated", detail)
    damaged = isinstance(error, (zlib.error, gzip.BadGzipFile, ValueError)) or "decompress failed" in detail
    return Unread(source, "damaged" if damaged else "unreadable", detail)


# pyarrow's ArrowInvalid is a ValueError, its zstd says OSError.
FAILURES: Final = (OSError, EOFError, zlib.error, ValueError)


def _zstd(file: IO[bytes]) -> io.RawIOBase:
    import pyarrow as pa

    stream: io.RawIOBase = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    return stream

"""A file that is one document: plain text, or an HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read.html import main_text
from raytide.jobs.preprocess.read.record import TOO_LARGE, Read, Record, Unread
from raytide.jobs.preprocess.read.stream import FAILURES, decompressed, failure


def read_text(url: str, source: str, corpus: Corpus) -> Iterator[Read]:
    """The file as UTF-8."""
    yield _whole(url, source, corpus.max_document, decode)


def read_html(url: str, source: str, corpus: Corpus) -> Iterator[Read]:
    """The page's main text."""
    yield _whole(url, source, corpus.max_document, main_text)


def decode(content: bytes) -> str:
    """The text of UTF-8 bytes; UnicodeDecodeError where they are none."""
    return content.decode("utf-8")


def _whole(url: str, source: str, max_bytes: int, text_of: Callable[[bytes], str]) -> Read:
    try:
        with decompressed(url) as stream:
            content = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            return Unread(source, TOO_LARGE, f"more than {max_bytes} bytes")
        return Record(source, text_of(content))
    except FAILURES as error:
        return failure(source, error)

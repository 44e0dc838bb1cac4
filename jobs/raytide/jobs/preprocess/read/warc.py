"""Web archives (ISO 28500): the main text of each HTML page that was answered with success."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read.html import main_text
from raytide.jobs.preprocess.read.record import TOO_LARGE, Read, Record, Unread
from raytide.jobs.preprocess.read.stream import FAILURES, failure, opened


def read_warc(url: str, source: str, corpus: Corpus) -> Iterator[Read]:
    """Each response's page or what it is instead; requests, metadata and revisits are no documents."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    try:
        with opened(url) as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
                yield _response(record, f"{source}@{record.stream_pos}", corpus.max_document)
    except FAILURES as error:
        yield failure(source, error)


def _response(record: Any, source: str, max_bytes: int) -> Read:
    if not record.is_http:  # crawlers also keep what name servers answered
        return Unread(source, "not_http", record.headers.get("Content-Type", ""))
    declared = record.content_length
    if declared > max_bytes:
        return Unread(source, TOO_LARGE, f"{declared} bytes")
    # Of an archive that ends early FastWARC 2.0.1 returns what there is, without an error.
    content = record.reader.read()
    if len(content) < declared:
        return Unread(source, "truncated", f"{len(content)} of {declared} bytes")
    try:
        return _page(_http(content), source, max_bytes)
    except FAILURES as error:
        return failure(source, error)


def _http(content: bytes) -> Any:
    """The answer with its headers read, as a record of its own: of a damaged one the archive's iterator would end."""
    from fastwarc.warc import WarcRecord, WarcRecordType

    record = WarcRecord()
    record.init_headers(WarcRecordType.response)
    record.is_http = True
    record.set_bytes_content(content)
    record.parse_http(auto_decode="all")
    return record


def _page(record: Any, source: str, max_bytes: int) -> Read:
    status, kind = record.http_headers.status_code, record.http_content_type or ""
    if status != 200:
        return Unread(source, "http_error", f"status {status}")
    if "html" not in kind:
        return Unread(source, "not_html", kind)
    content = record.reader.read(max_bytes + 1)  # decompressed: a few kB may stand for gigabytes
    if len(content) > max_bytes:
        return Unread(source, TOO_LARGE, f"more than {max_bytes} bytes, decompressed")
    return Record(source, main_text(content, record.http_charset))

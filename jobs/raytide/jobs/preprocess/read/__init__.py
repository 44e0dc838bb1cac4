"""Files of any known form to documents, one at a time; what cannot be read is counted and located."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read.jsonl import read_jsonl
from raytide.jobs.preprocess.read.parquet import read_parquet
from raytide.jobs.preprocess.read.record import Read, Record, Unread
from raytide.jobs.preprocess.read.stream import kind
from raytide.jobs.preprocess.read.text import read_html, read_text
from raytide.jobs.preprocess.read.warc import read_warc

__all__ = ["Read", "Record", "Unread", "read"]

_READERS: Final[dict[str, Callable[[str, str, Corpus], Iterator[Read]]]] = {
    "text": read_text,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "html": read_html,
    "warc": read_warc,
}
_BY_SUFFIX: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".warc": "warc",
}


def read(root: str, path: str, corpus: Corpus) -> Iterator[Read]:
    """What is in a file, in its order; nothing that the file holds raises."""
    # A name may be bytes that are no text, and goes into reports and tables.
    named = os.fsencode(path).decode(errors="replace")
    form = corpus.format if corpus.format != "auto" else _BY_SUFFIX.get(kind(path), "text")
    return _READERS[form](f"{root}/{path}", named, corpus)

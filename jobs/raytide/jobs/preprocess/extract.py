"""One part of the corpus to runs of documents: read, clean, judge, scrub, place.

What is decided here is decided about one document alone; what depends on others comes later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raytide.core.spec.preprocess import PreprocessSpec, Quality
from raytide.jobs.preprocess.clean import Dropped, check, clean
from raytide.jobs.preprocess.contamination import contaminated
from raytide.jobs.preprocess.language import language
from raytide.jobs.preprocess.near.candidates import write_signatures
from raytide.jobs.preprocess.quality import judged
from raytide.jobs.preprocess.read import Record, Unread, read
from raytide.jobs.preprocess.run_files import Document, Run, write_run
from raytide.jobs.preprocess.scrub import scrubbed
from raytide.jobs.preprocess.split import place
from raytide.jobs.preprocess.tally import Reason, Tally

_RUN_CHARS: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one task reads."""

    index: int
    root: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a part gave."""

    runs: tuple[Run, ...]
    tally: Tally


def extract(part: Part, spec: PreprocessSpec, folder: Path, evaluation: Path | None) -> Extracted:
    """Writes the part's runs into `folder`; the same part gives the same bytes, so that a repetition does no harm."""
    tally = Tally()
    runs: list[Run] = []
    for documents in _bounded(_documents(part, spec, tally)):
        if spec.decontaminate and evaluation:
            documents = _uncontaminated(documents, spec.decontaminate.ngram_words, evaluation, tally)
        name = f"{part.index:05d}-{len(runs):03d}"
        documents.sort()
        if spec.near_duplicates:
            texts, ranks = [one.text for one in documents], [one.rank for one in documents]
            write_signatures(folder / name, texts, ranks, spec.near_duplicates)
        runs.append(write_run(folder, name, documents))
    return Extracted(tuple(runs), tally)


def _documents(part: Part, spec: PreprocessSpec, tally: Tally) -> Iterator[Document]:
    for path in part.paths:
        for found in read(part.root, path, spec.corpus):
            if isinstance(found, Unread):
                tally.drop(Reason("read", found.reason), found.source, found.detail, found.rows)
            elif document := _document(found, spec, tally):
                yield document


def _document(record: Record, spec: PreprocessSpec, tally: Tally) -> Document | None:
    try:
        text = _accepted(record.text, spec.quality)
    except Dropped as dropped:
        tally.drop(Reason(dropped.step, dropped.reason), record.source, dropped.detail)
        return None
    if spec.scrub:
        text, replaced = scrubbed(text, spec.scrub)
        tally.scrubbed.update(replaced)
    shard, rank = place(text, seed=spec.seed, held_out=spec.held_out, shards=spec.shards)
    return Document(shard, rank, record.source, text)


def _accepted(text: str, quality: Quality) -> str:
    text = clean(text)
    check(text, quality.min_chars)
    if quality.languages:
        code, probability = language(text)
        if code not in quality.languages:
            raise Dropped("language", "other_language", f"{code} with {probability:.2f}")
        if probability < quality.language_confidence:
            raise Dropped("language", "unsure_language", f"{code} with {probability:.2f}")
    return judged(text, quality.rules)


def _uncontaminated(documents: list[Document], n: int, evaluation: Path, tally: Tally) -> list[Document]:
    found = contaminated([document.text for document in documents], n, evaluation)
    for document, shared in zip(documents, found, strict=True):
        if shared:
            tally.drop(Reason("contamination", "evaluation_text"), document.source, f"{shared} runs of {n} words")
    return [document for document, shared in zip(documents, found, strict=True) if not shared]


def _bounded(documents: Iterable[Document]) -> Iterator[list[Document]]:
    run, chars = [], 0
    for document in documents:
        run.append(document)
        chars += len(document.text)
        if chars >= _RUN_CHARS:
            yield run
            run, chars = [], 0
    if run:
        yield run

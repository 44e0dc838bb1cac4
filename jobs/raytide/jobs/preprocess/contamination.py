"""Evaluation text in training documents: shared runs of words (Brown et al. 2020, appendix C).

The runs of all evaluation sets are one sorted array of 64-bit hashes in a file that every task maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from raytide.core.errors import RaytideError
from raytide.core.spec.preprocess import Corpus, Decontaminate
from raytide.jobs.preprocess.corpus import Listing, list_files
from raytide.jobs.preprocess.read import Record, read
from raytide.jobs.preprocess.words import Hashes, ngrams, words


def evaluation_sets(spec: Decontaminate, corpus: Corpus) -> list[Listing]:
    """The files of each evaluation set; they enter what decides the result."""
    return [list_files(_as_corpus(source, corpus), "spec.decontaminate.against") for source in spec.against]


def write_ngrams(spec: Decontaminate, corpus: Corpus, target: Path) -> None:
    """Writes the runs of words of all evaluation sets.

    Raises:
        RaytideError: A set has no document that is long enough to be looked for.
    """
    found = [_ngrams_of(listing, spec, corpus) for listing in evaluation_sets(spec, corpus)]
    for source, hashes in zip(spec.against, found, strict=True):
        if not len(hashes):
            raise RaytideError(
                f"The evaluation set {source} has no text of {spec.ngram_words} words; correct "
                "spec.decontaminate.against or spec.corpus.field, or lower spec.decontaminate.ngram_words."
            )
    partial = target.with_name(f".{target.name}")
    np.save(partial, np.unique(np.concatenate(found)))
    partial.rename(target)


def contaminated(texts: Sequence[str], n: int, evaluation: Path) -> list[int]:
    """For each text how many of its runs of words an evaluation set has, too."""
    known = np.load(evaluation, mmap_mode="r")
    return [int(np.count_nonzero(_found(ngrams(words([text]), n).hashes, known))) for text in texts]


def _found(hashes: Hashes, known: Hashes) -> np.ndarray:
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known[at] == hashes)


def _ngrams_of(listing: Listing, spec: Decontaminate, corpus: Corpus) -> Hashes:
    texts = [found.text for found in _records(listing, corpus) if isinstance(found, Record)]
    return ngrams(words(texts), spec.ngram_words).hashes


def _records(listing: Listing, corpus: Corpus) -> Iterator[object]:
    for path in listing.files:
        yield from read(listing.root, path, corpus)


def _as_corpus(source: str, corpus: Corpus) -> Corpus:
    return corpus.model_copy(update={"source": source, "include": (), "max_bytes": None})

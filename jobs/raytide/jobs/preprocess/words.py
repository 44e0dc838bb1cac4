"""Words and runs of words as 64-bit hashes, many documents at once: what similarity and contamination are counted in.

A word is a maximal run of letters, digits and underscores, without regard to case; each character of a script that
puts no blanks between words is one. Hashes depend on nothing but the words, so that they agree between processes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Offsets: TypeAlias = npt.NDArray[np.int64]

# Odd, so that no factor is lost modulo 2^64: the multipliers of PCG (O'Neill 2014) and of MurmurHash3 (Appleby).
_PER_BYTE: Final = np.uint64(6364136223846793005)
_PER_WORD: Final = np.uint64(0xC4CEB9FE1A85EC53)

_BETWEEN: Final = re.compile(r"[\W]+")
# Kana, Han ideographs, Hangul syllables, Thai.
_UNSPACED: Final = re.compile("([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af])")


@dataclass(frozen=True, slots=True)
class Hashed:
    """One hash per item, the items of all documents after one another."""

    hashes: Hashes
    starts: Offsets
    """`[documents + 1]`: those of document d are `hashes[starts[d]:starts[d + 1]]`."""

    @property
    def counts(self) -> Offsets:
        """`[documents]`: how many each has."""
        return np.diff(self.starts)


def words(texts: Sequence[str]) -> Hashed:
    """The words of each document."""
    encoded = [_normal(text).encode() for text in texts]
    content = np.frombuffer(b" ".join([*encoded, b""]), dtype=np.uint8)
    in_word = np.append(_IN_WORD[content], False)
    edges = np.flatnonzero(np.diff(in_word, prepend=False))
    firsts, lasts = edges[::2], edges[1::2]
    ends = np.cumsum([0, *(len(text) + 1 for text in encoded)])
    return Hashed(_of_bytes(content, firsts, lasts), np.searchsorted(firsts, ends).astype(np.int64))


def ngrams(of: Hashed, n: int) -> Hashed:
    """Each run of `n` words within a document; a document with fewer words has none."""
    last = max(0, len(of.hashes) - n + 1)
    hashes = np.zeros(last, np.uint64)
    for word in range(n):
        hashes = hashes * _PER_WORD + of.hashes[word : word + last]
    counts = np.maximum(of.counts - n + 1, 0)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
    return Hashed(mixed(hashes[np.repeat(of.starts[:-1], counts) + within]), starts)


def mixed(values: Hashes) -> Hashes:
    """The values with every bit of the input in every bit of the output (the finaliser of SplitMix64, Steele 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _normal(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _BETWEEN.sub(" ", _UNSPACED.sub(r" \1 ", text.casefold()))


def _of_bytes(content: npt.NDArray[np.uint8], firsts: Offsets, lasts: Offsets) -> Hashes:
    """A polynomial of the bytes of each word, mixed."""
    if not len(firsts):
        return np.zeros(0, np.uint64)
    lengths = lasts - firsts
    ends = np.cumsum(lengths)
    offsets = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    powers = np.cumprod(np.full(lengths.max(), _PER_BYTE))
    values = content[np.repeat(firsts, lengths) + offsets] * powers[offsets]
    return mixed(np.add.reduceat(values, ends - lengths))


def _in_word() -> npt.NDArray[np.bool_]:
    ascii_words = [chr(byte).isalnum() or chr(byte) == "_" for byte in range(128)]
    return np.array([*ascii_words, *([True] * 128)])


_IN_WORD: Final = _in_word()

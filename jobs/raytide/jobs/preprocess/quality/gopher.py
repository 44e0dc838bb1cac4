"""The quality and repetition rules of Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.1 and table A1).

They are meant for English prose. A word is what blanks separate; a line or paragraph is one that is not empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from raytide.jobs.preprocess.quality.rule import Rule, Text
from raytide.jobs.preprocess.words import Hashes, mixed

_STOP_WORDS: Final = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
_BULLETS: Final = ("•", "-")
_ELLIPSES: Final = ("...", "…")


def num_words(text: Text) -> float:
    """The number of words."""
    return len(text.words)


def mean_word_length(text: Text) -> float:
    """Characters per word; 0 without words."""
    return float(text.word_lengths.mean()) if text.words else 0.0


def hashes_per_word(text: Text) -> float:
    """Number signs per word."""
    return text.text.count("#") / max(1, len(text.words))


def ellipses_per_word(text: Text) -> float:
    """Ellipses per word."""
    return sum(map(text.text.count, _ELLIPSES)) / max(1, len(text.words))


def bullet_lines(text: Text) -> float:
    """The share of lines that begin as an item of a list does."""
    return _share([line.lstrip().startswith(_BULLETS) for line in text.lines])


def ellipsis_lines(text: Text) -> float:
    """The share of lines that end in an ellipsis."""
    return _share([line.rstrip().endswith(_ELLIPSES) for line in text.lines])


def alphabetic_words(text: Text) -> float:
    """The share of words with at least one letter."""
    return _share([word.isalpha() or any(map(str.isalpha, word)) for word in text.words])


def stop_words(text: Text) -> float:
    """How many of eight frequent English words occur."""
    return len(_STOP_WORDS.intersection(text.words))


def repeated_share(pieces: Sequence[str]) -> float:
    """The share of pieces that came before."""
    return 1 - len(set(pieces)) / len(pieces) if pieces else 0.0


def repeated_chars(pieces: Sequence[str], chars: int) -> float:
    """The share of characters in pieces that came before."""
    if len(set(pieces)) == len(pieces):
        return 0.0
    return sum((count - 1) * len(piece) for piece, count in Counter(pieces).items()) / max(1, chars)


def top_ngram(n: int) -> Callable[[Text], float]:
    """Measures the share of characters in the most frequent run of n words."""

    def measure(text: Text) -> float:
        grams = _ngrams(text, n)
        if not len(grams):
            return 0.0
        _, first, counts = np.unique(grams, return_index=True, return_counts=True)
        lengths = _joined_lengths(text, n)[first] + (n - 1)
        most = counts == counts.max()
        return int(counts.max()) * int(lengths[most][first[most].argmin()]) / len(text.text)

    return measure


def repeated_ngrams(n: int) -> Callable[[Text], float]:
    """Measures the share of characters in runs of n words that came before, none counted twice."""

    def measure(text: Text) -> float:
        grams = _ngrams(text, n)
        positions = _not_unique(grams)
        lengths = _joined_lengths(text, n)
        seen: set[int] = set()
        repeated, free = 0, 0
        for position in positions.tolist():
            gram = int(grams[position])
            if position < free:
                continue
            if gram in seen:
                repeated += int(lengths[position])
                free = position + n
            seen.add(gram)
        return repeated / len(text.text)

    return measure


def _ngrams(text: Text, n: int) -> Hashes:
    """One number per run of n words, equal for equal runs."""
    ids = text.word_ids.astype(np.uint64) + np.uint64(1)
    last = max(0, len(ids) - n + 1)
    grams = np.zeros(last, np.uint64)
    for word in range(n):
        grams = mixed(grams + ids[word : word + last])
    return grams


def _not_unique(grams: Hashes) -> npt.NDArray[np.intp]:
    _, inverse, counts = np.unique(grams, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def _joined_lengths(text: Text, n: int) -> npt.NDArray[np.int64]:
    """The characters of each run of n words, without the blanks."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(text.word_lengths)])
    return np.asarray(ends[n:] - ends[:-n])


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


QUALITY: Final = (
    Rule("too_few_words", num_words, at_least=50),
    Rule("too_many_words", num_words, at_most=100_000),
    Rule("short_words", mean_word_length, at_least=3),
    Rule("long_words", mean_word_length, at_most=10),
    Rule("hash_signs", hashes_per_word, at_most=0.1),
    Rule("ellipses", ellipses_per_word, at_most=0.1),
    Rule("bullet_lines", bullet_lines, at_most=0.9),
    Rule("ellipsis_lines", ellipsis_lines, at_most=0.3),
    Rule("words_without_letters", alphabetic_words, at_least=0.8),
    Rule("few_stop_words", stop_words, at_least=2),
)

REPETITION: Final = (
    Rule("repeated_paragraphs", lambda text: repeated_share(text.paragraphs), at_most=0.30),
    Rule("repeated_paragraph_chars", lambda text: repeated_chars(text.paragraphs, len(text.text)), at_most=0.20),
    Rule("repeated_lines", lambda text: repeated_share(text.lines), at_most=0.30),
    Rule("repeated_line_chars", lambda text: repeated_chars(text.lines, len(text.text)), at_most=0.20),
    *(Rule(f"top_{n}_gram", top_ngram(n), at_most=most) for n, most in ((2, 0.20), (3, 0.18), (4, 0.16))),
    *(
        Rule(f"repeated_{n}_grams", repeated_ngrams(n), at_most=most)
        for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
)

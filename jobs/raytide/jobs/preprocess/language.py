"""Which language a document is in: py3langid, whose model of 97 languages is in its wheel (Lui and Baldwin 2012)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

_READ_CHARS: Final = 2000
"""From the middle: the beginning is often a title or a licence."""


class Language(NamedTuple):
    """The likeliest language."""

    code: str
    """ISO 639-1."""
    probability: float
    """Among all that the model knows."""


def language(text: str) -> Language:
    """The language of most of the text."""
    start = max(0, (len(text) - _READ_CHARS) // 2)
    code, probability = _identifier().classify(text[start : start + _READ_CHARS])
    return Language(code, float(probability))


def known_languages() -> frozenset[str]:
    """The codes that can be identified."""
    return frozenset(_identifier().labels)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

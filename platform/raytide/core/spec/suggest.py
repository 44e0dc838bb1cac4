"""The valid word that a wrong one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SIMILAR: Final = 0.7  # takes A100 for A100-40G (0.73), and not gpu for CPU (0.67)


def nearest(word: object, valid: Iterable[str]) -> str | None:
    """The valid word closest to `word`, where one is close; case, dashes and underscores count for nothing."""
    spelled = {_plain(candidate): candidate for candidate in valid}
    found = get_close_matches(_plain(str(word)), spelled, n=1, cutoff=_SIMILAR)
    return spelled[found[0]] if found else None


def _plain(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "")

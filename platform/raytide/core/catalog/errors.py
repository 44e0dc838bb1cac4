"""What a user can ask of the catalog that it cannot answer."""

from __future__ import annotations

from collections.abc import Iterable

from raytide.core.errors import RaytideError
from raytide.core.spec.suggest import nearest


class CatalogError(RaytideError):
    """A question about models and hardware that has no answer; the sentence says which one has."""

    exit_code = 2


def unknown(kind: str, word: str, known: Iterable[str]) -> CatalogError:
    """The error that a word names nothing of its kind, with the nearest word that does."""
    names = tuple(known)
    meant = nearest(word, names)
    hint = f"did you mean {meant!r}?" if meant else f"known are {', '.join(names)}"
    return CatalogError(f"the catalog has no {kind} {word!r}; {hint}")

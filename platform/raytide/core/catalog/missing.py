"""What the catalog does not know, as a value: never a zero."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A fact that is not in the catalog, and why."""

    reason: str

"""Absent knowledge, as a value: never a zero."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A value that is not known, and why."""

    reason: str

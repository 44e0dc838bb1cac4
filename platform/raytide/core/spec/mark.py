"""A place in a file, which every finding points at."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.core.errors import Finding

KeyPath = tuple[str | int, ...]
"""The keys and list positions that lead from a document's root to a value."""


def dotted(path: KeyPath) -> str:
    """The path as a user writes it: `spec.pools.0.price`."""
    return ".".join(map(str, path))


@dataclass(frozen=True, slots=True)
class Mark:
    """Line and column are 1-based; line 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 1

    def finding(self, problem: str, path: KeyPath = (), **facts: str | None) -> Finding:
        """The finding that something is wrong at this place; `facts` are what was found, expected and meant."""
        return Finding(file=self.file, line=self.line, column=self.column, path=dotted(path), problem=problem, **facts)

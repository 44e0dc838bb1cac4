"""Something that is wrong with a Kubernetes object, at a place in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raytide.core.spec.mark import KeyPath

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Where it is, what is wrong and what would be right."""

    path: KeyPath
    problem: str
    got: str | None = None
    expected: str | None = None
    did_you_mean: str | None = None

    def below(self, path: KeyPath) -> Problem:
        """The same, of an object that contains this one at a path."""
        return Problem(
            path=(*path, *self.path),
            problem=self.problem,
            got=self.got,
            expected=self.expected,
            did_you_mean=self.did_you_mean,
        )


Rule = Callable[[Object], Iterator[Problem]]
"""What a whole object must keep."""


def at(tree: Any, *path: str | int) -> Any:
    """The value at a path; None where there is none, or where it is of another shape than a schema allows."""
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def map_at(tree: Any, *path: str | int) -> Mapping[str, Any]:
    """The map at a path; an empty one where there is none, or something else, which a schema says."""
    found = at(tree, *path)
    return found if isinstance(found, Mapping) else {}


def list_at(tree: Any, *path: str | int) -> list[Any]:
    """The list at a path; an empty one as with `map_at`."""
    found = at(tree, *path)
    return found if isinstance(found, list) else []


def number(text: str) -> int | None:
    """What digits say; None of any other text, such as `²`, which Python calls a digit and no number."""
    return int(text) if text.isascii() and text.isdigit() else None


def maps(tree: Any, *path: str | int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The maps of a list at a path, with their positions."""
    for index, one in enumerate(list_at(tree, *path)):
        if isinstance(one, Mapping):
            yield index, one

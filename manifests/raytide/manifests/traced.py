"""Rendered values that remember the user's key that they came from, and why they are what they are.

A renderer wraps what it takes from a file (`came`) and what it wants explained (`said`); `Rendered.of` takes the
wrappers off again. So a finding on a rendered object is said where a user can mend it, and no renderer keeps tables of
places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from raytide.core.errors import Finding
from raytide.core.spec.mark import KeyPath
from raytide.core.spec.source import Source


@dataclass(frozen=True, slots=True)
class Origin:
    """A key of a file that a user wrote, or that they may write there."""

    source: Source
    path: KeyPath = ()

    def below(self, *steps: str | int) -> Origin:
        """A key further down."""
        return Origin(self.source, (*self.path, *steps))

    def finding(self, problem: str, **facts: str | None) -> Finding:
        """That something is wrong at this key."""
        return self.source.mark(self.path).finding(problem, self.path, **facts)


@dataclass(frozen=True, slots=True)
class _Traced:
    value: Any
    origin: Origin | None = None
    comment: str | None = None


def came(value: Any, origin: Origin) -> Any:
    """The value, which came from a key."""
    return _Traced(value, origin=origin)


def said(value: Any, comment: str) -> Any:
    """The value with a comment that stands above it in the file."""
    return _Traced(value, comment=comment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One Kubernetes object as plain values, with where its values came from and what is said of them."""

    value: dict[str, Any]
    origin: Origin
    """Of what no narrower key is known for."""
    origins: Mapping[KeyPath, Origin] = field(default_factory=dict)
    comments: Mapping[KeyPath, str] = field(default_factory=dict)
    header: str = ""
    """What is said of the object as a whole."""
    is_written: bool = False
    """Whether a user wrote the object itself: then every key of it is theirs."""

    @classmethod
    def of(cls, tree: Mapping[str, Any], origin: Origin, header: str = "") -> Self:
        """The object in a tree of wrapped values; keys whose value is None are left out."""
        origins: dict[KeyPath, Origin] = {}
        comments: dict[KeyPath, str] = {}
        value = _unwrapped(tree, (), origins, comments)
        return cls(value=value, origin=origin, origins=origins, comments=comments, header=header)

    @classmethod
    def written(cls, source: Source) -> Self:
        """An object that a user wrote."""
        return cls(value=source.value, origin=Origin(source), is_written=True)

    @property
    def kind(self) -> str:
        """As in the object."""
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        """As in the object."""
        return str(self.value["metadata"].get("name", "…"))

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What the API server tells objects apart by."""
        return (
            str(self.value["apiVersion"]),
            self.kind,
            str(self.value["metadata"].get("namespace", "")),
            self.name,
        )

    def came_from(self, path: KeyPath) -> Origin:
        """The narrowest key that a value is known to come from."""
        if self.is_written:
            return self.origin.below(*path)
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return _further(self.origins[path[:end]], path[end:])
        return self.origin

    def finding(self, path: KeyPath, problem: str, **facts: str | None) -> Finding:
        """That something is wrong with a value of the object, said at the key that it came from."""
        origin = self.came_from(path)
        if origin.path != path:  # the user's key has another name
            problem = f"{problem} (rendered as {self.kind} {self.name}: {'.'.join(map(str, path))})"
        return origin.finding(problem, **facts)


def bare(tree: Any) -> Any:
    """A value without the wrappers around itself; those of what is in it stay."""
    while isinstance(tree, _Traced):
        tree = tree.value
    return tree


def plain(tree: Any) -> Any:
    """The value of a tree without its wrappers."""
    return _unwrapped(tree, (), {}, {})


def _further(origin: Origin, rest: KeyPath) -> Origin:
    """What was taken over as a whole has the same keys below in the file."""
    below = origin.below(*rest)
    return below if _exists(below) else origin


def _exists(origin: Origin) -> bool:
    return origin.path in origin.source.values


def _unwrapped(tree: Any, path: KeyPath, origins: dict[KeyPath, Origin], comments: dict[KeyPath, str]) -> Any:
    while isinstance(tree, _Traced):
        if tree.origin is not None:
            origins.setdefault(path, tree.origin)
        if tree.comment is not None:
            comments.setdefault(path, tree.comment)
        tree = tree.value
    if isinstance(tree, Mapping):
        return dict(_entries(tree, path, origins, comments))
    if isinstance(tree, (list, tuple)):
        return [_unwrapped(value, (*path, index), origins, comments) for index, value in enumerate(tree)]
    return tree


def _entries(
    tree: Mapping[str, Any], path: KeyPath, origins: dict[KeyPath, Origin], comments: dict[KeyPath, str]
) -> Iterator[tuple[str, Any]]:
    for key, wrapped in tree.items():
        value = _unwrapped(wrapped, (*path, key), origins, comments)
        if value is not None:
            yield key, value

"""A part of a PodSpec that a user wrote, laid over the rendered one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytide.manifests.traced import Origin, bare, came


def laid_over(tree: Mapping[str, Any], over: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """The tree with a user's values on it, which remember their keys.

    Maps are merged, lists of named things by the name (as containers, volumes and variables are), and everything else
    is replaced.
    """
    merged = dict(tree)
    for key, value in over.items():
        merged[key] = _value(merged.get(key), value, origin.below(key))
    return merged


def _value(old: Any, new: Any, origin: Origin) -> Any:
    below = bare(old)
    if isinstance(below, Mapping) and isinstance(new, Mapping):
        return laid_over(below, new, origin)
    if _are_named(below) and _are_named(new):
        return _by_name(below, new, origin)
    return came(new, origin)


def _are_named(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(bare(one), Mapping) and isinstance(bare(bare(one).get("name")), str) for one in value
    )


def _by_name(old: Any, new: Any, origin: Origin) -> list[Any]:
    merged = {bare(bare(one)["name"]): one for one in old}
    for index, one in enumerate(new):
        merged[one["name"]] = _value(merged.get(one["name"]), one, origin.below(index))
    return list(merged.values())

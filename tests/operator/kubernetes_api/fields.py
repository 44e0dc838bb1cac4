"""Who owns which field of an object (`metadata.managedFields`), and what server-side apply does with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

Path = tuple[str, ...]
_UNOWNED: tuple[Path, ...] = (
    ("apiVersion",),
    ("kind",),
    *(
        ("metadata", key)
        for key in ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
    ),
)


class FieldConflict(Exception):
    """Somebody else owns a field, has given it another value, and was not to be overruled."""


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of what is owned by itself: everything but maps with something in them."""
    if path in _UNOWNED:
        return
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, key))
    else:
        yield path


def at(value: Any, path: Path) -> Any:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def owned(entry: Mapping[str, Any]) -> set[Path]:
    """The paths of an entry."""
    return set(_paths(entry["fieldsV1"]))


def _paths(fields: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    if not fields:
        yield path
    for key, below in fields.items():
        yield from _paths(below, (*path, key.removeprefix("f:")))


def entry(manager: str, operation: str, version: str, paths: set[Path]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for path in sorted(paths):
        within = fields
        for key in path:
            within = within.setdefault(f"f:{key}", {})
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def applied(live: Mapping[str, Any], body: Mapping[str, Any], manager: str, *, force: bool) -> dict[str, Any]:
    """The object after server-side apply."""
    after = deepcopy(dict(live))
    entries = after["metadata"].pop("managedFields", [])
    mine, wanted = _of(entries, manager, "Apply"), set(leaves(body))
    others = [one for one in entries if one is not mine]
    taken = {path for path in wanted for one in others for theirs in owned(one) if _touch(path, theirs)}
    differing = {path for path in taken if at(live, path) != at(body, path)}
    if any(not _is_same_manager(one, manager) and differing & owned(one) for one in others) and not force:
        raise FieldConflict(", ".join(".".join(path) for path in sorted(differing)))
    kept = [_without(one, differing) for one in others]
    held = {path for one in kept for path in owned(one)}
    for path in (owned(mine) if mine else set()) - wanted - held:
        _remove(after, path)
    for path in wanted:
        _put(after, path, deepcopy(at(body, path)))
    entries = [*kept, entry(manager, "Apply", str(body["apiVersion"]), wanted)]
    after["metadata"]["managedFields"] = [one for one in entries if one["fieldsV1"]]
    return after


def _is_same_manager(one: Mapping[str, Any], manager: str) -> bool:
    # Another operation of one manager is another owner of its fields, and no reason for a conflict with itself here.
    return bool(one["manager"] == manager)


def updated(before: Mapping[str, Any] | None, after: dict[str, Any], manager: str) -> dict[str, Any]:
    """The object after a POST, PUT or merge patch: whoever changed a field owns it, and nobody else."""
    old = before or {}
    paths = set(leaves(after)) | set(leaves(old))
    changed = {path for path in paths if at(old, path) != at(after, path)}
    entries = [_without(one, changed) for one in after["metadata"].pop("managedFields", [])]
    mine = _of(entries, manager, "Update")
    present = {path for path in changed if at(after, path) is not None}
    owns = present | (owned(mine) if mine else set())
    rest = [one for one in entries if one is not mine]
    if owns:
        rest.append(entry(manager, "Update", str(after["apiVersion"]), owns))
    after["metadata"]["managedFields"] = [one for one in rest if one["fieldsV1"]]
    return after


def _of(entries: list[dict[str, Any]], manager: str, operation: str) -> dict[str, Any] | None:
    return next((one for one in entries if (one["manager"], one["operation"]) == (manager, operation)), None)


def _touch(one: Path, other: Path) -> bool:
    return one[: len(other)] == other or other[: len(one)] == one


def _without(one: Mapping[str, Any], paths: set[Path]) -> dict[str, Any]:
    left = {path for path in owned(one) if path not in paths}
    return entry(one["manager"], one["operation"], one["apiVersion"], left)


def _put(value: dict[str, Any], path: Path, new: Any) -> None:
    *above, last = path
    for key in above:
        if not isinstance(value.get(key), dict):
            value[key] = {}
        value = value[key]
    value[last] = new


def _remove(value: dict[str, Any], path: Path) -> None:
    *above, last = path
    for key in above:
        below = value.get(key)
        if not isinstance(below, dict):
            return
        value = below
    value.pop(last, None)


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    result = dict(value) if isinstance(value, Mapping) else {}
    for key, new in patch.items():
        if new is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), new)
    return result

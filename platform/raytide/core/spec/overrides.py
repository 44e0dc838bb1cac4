"""`--set spec.steps=20`: a value given beside the file, in place of what the file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raytide.core.errors import Finding, SpecError
from raytide.core.spec.mark import KeyPath, Mark
from raytide.core.spec.source import Source


def overridden(source: Source, override: str) -> Source:
    """The document with one value set; a mistake in that value points at the override, not at the file.

    Raises:
        SpecError: The override is not KEY=VALUE, its value is not YAML, or its key leads nowhere.
    """
    mark = Mark(f"--set {override if override.isprintable() else ascii(override)}")
    key, equals, text = override.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise SpecError((mark.finding("not an override", expected="KEY=VALUE, such as spec.steps=20"),))
    given = _value_of(text, mark)
    try:
        path, value = _placed(source.value, steps, given.value)
    except ValueError as error:
        raise SpecError((mark.finding(str(error)),)) from None
    new = {path[:depth]: mark for depth in range(1, len(path) + 1) if path[:depth] not in source.values}
    below = {(*path, *inner): mark for inner in given.values}
    keys = {k: m for k, m in source.keys.items() if k[: len(path)] != path}
    values = {k: m for k, m in source.values.items() if k[: len(path)] != path}
    keys, values = keys | new | below, values | new | below
    return replace(source, value=value, keys=keys, values=values, findings=source.findings + given.findings)


def _value_of(text: str, mark: Mark) -> Source:
    try:
        given = Source.of_text(text, mark.file)
    except SpecError as error:
        raise SpecError(_at(mark, error.findings)) from None
    return replace(given, findings=_at(mark, given.findings))


def _at(mark: Mark, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(replace(finding, line=mark.line, column=mark.column) for finding in findings)


def _placed(value: Any, steps: Sequence[str], new: Any) -> tuple[KeyPath, Any]:
    """The path that the steps mean, and a copy of `value` that holds `new` there."""
    if not steps:
        return (), new
    step, rest = steps[0], steps[1:]
    if isinstance(value, list):
        if not step.isdecimal() or int(step) >= len(value):
            raise ValueError(f"{step} is no position in a list of {len(value)}; positions start at 0")
        index = int(step)
        path, below = _placed(value[index], rest, new)
        return (index, *path), [*value[:index], below, *value[index + 1 :]]
    if isinstance(value, dict) or value is None:
        path, below = _placed((value or {}).get(step), rest, new)
        return (step, *path), {**(value or {}), step: below}
    raise ValueError(f"{step} cannot be set below a value that is not a map")

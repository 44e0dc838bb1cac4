"""The settings of a policy that the league tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

Settings = TypeVar("Settings", bound=Any)


def grid(default: Settings, **knobs: Sequence[Any]) -> tuple[Settings, ...]:
    """Every combination of the knobs' values on top of `default`, which comes first and once."""
    combined = (replace(default, **dict(zip(knobs, values, strict=True))) for values in product(*knobs.values()))
    return (default, *(settings for settings in combined if settings != default))

"""The setting of each family that does best on development traces; what it is scored on, it has never seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from raytide.autoscaling.decision import Policy
from raytide.autoscaling.simulate.league import row_of
from raytide.autoscaling.simulate.result import Result


def best_setting(results: Mapping[int, Sequence[Result]], attainment: float) -> int:
    """The setting that keeps the objective on most traces, and of these the cheapest; the earliest of equals.

    `results` are of one policy on development traces, by the number of its setting.
    """
    ranks = {setting: row_of(own, attainment).rank for setting, own in results.items()}
    return min(ranks, key=lambda setting: (*ranks[setting], setting))


def said(policy: Policy, default: Policy) -> str:
    """How a setting differs from its family's defaults, as `target=4, window_s=30`."""
    return ", ".join(_differences(policy, default)) or "defaults"


def _differences(one: Any, default: Any, within: str = "") -> Iterator[str]:
    """The fields that differ, those of fields as `settings.budget_share=1`."""
    for each in fields(one):
        value, usual = getattr(one, each.name), getattr(default, each.name)
        if is_dataclass(value) and type(value) is type(usual):
            yield from _differences(value, usual, f"{within}{each.name}.")
        elif value != usual:
            yield f"{within}{each.name}={_value(value)}"


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

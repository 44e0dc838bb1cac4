"""Measured serving points by configuration, from the CSV that aiconfigurator publishes (`silicon_sample.csv`).

Only aggregated serving counts (`mode` is `agg`): a disaggregated row measures two engines at once.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.core.errors import RaytideError

KEY: Final = (
    "model_path",
    "system",
    "precision",
    "backend",
    "backend_version",
    "tp_size",
    "pp_size",
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
)
"""The columns that make a configuration; an empty one counts as a value of its own."""

_COLUMNS: Final = (*KEY, "mode", "isl", "osl", "concurrency", "silicon_ttft_ms", "silicon_tpot_ms")


class SiliconUnreadable(RaytideError):
    """A file of serving points that lacks a column or holds something that is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One way to run one model, and its points."""

    key: tuple[str, ...]
    """The values of `KEY`."""
    points: tuple[ServingPoint, ...]
    """In file order; a row that only repeats another one counts once."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.key[0]


def read_silicon(lines: Iterable[str], *, name: str, at_least: int = 1) -> tuple[Configuration, ...]:
    """The configurations in the lines of a CSV with at least this many points; `name` is the file's, for errors.

    A row without a concurrency says nothing and is left out.

    Raises:
        SiliconUnreadable: a column is absent, or a cell is no positive number.
    """
    rows = csv.DictReader(lines)
    absent = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if absent:
        raise SiliconUnreadable(
            f"{name} has no column {', '.join(absent)}; use a file like aiconfigurator's silicon_sample.csv."
        )
    found: dict[tuple[str, ...], dict[ServingPoint, None]] = defaultdict(dict)
    for row in rows:
        if row["mode"] == "agg" and row["concurrency"]:
            found[tuple(row[column] for column in KEY)][_point(row, f"{name}:{rows.line_num}")] = None
    kept = {key: tuple(points) for key, points in found.items() if len(points) >= at_least}
    return tuple(Configuration(key=key, points=points) for key, points in kept.items())


def _point(row: Mapping[str, str], where: str) -> ServingPoint:
    def number(column: str) -> float:
        try:
            value = float(row[column] or "")
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise SiliconUnreadable(f"{where}: {column} is {row[column]!r}; write a positive number.")
        return value

    return ServingPoint(
        concurrency=number("concurrency"),
        prompt_tokens=number("isl"),
        output_tokens=number("osl"),
        tpot_s=number("silicon_tpot_ms") / 1000,
        ttft_s=number("silicon_ttft_ms") / 1000,
    )

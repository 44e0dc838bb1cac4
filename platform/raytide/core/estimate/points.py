"""Measured serving points, from a CSV in the columns of aiconfigurator's silicon_sample.csv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.catalog import Catalog
from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.memory import replica_memory
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.names import find_model
from raytide.core.catalog.precision import PRECISIONS, Precision

_COLUMNS: Final = (
    "backend", "model_path", "system", "precision", "isl", "osl", "tp_size", "concurrency", "silicon_ttft_ms",
    "silicon_tpot_ms",
)  # fmt: skip
_WAITING: Final = 0.5
"""A TTFT beyond this share of the time of all output tokens means that requests waited for a place: fewer than
`concurrency` ran at once, and a closed form for that many does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured point of an engine under a steady number of requests."""

    model: ModelShape
    accelerator: Accelerator
    precision: Precision
    tensor_parallel: int
    engine: str
    """Its name without the version."""
    prompt_tokens: int
    output_tokens: int
    num_requests: int
    ttft_s: float
    tpot_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The points of a file that an estimate speaks about, and how many it does not, by reason."""

    points: tuple[Point, ...]
    left_out: Mapping[str, int]


def read_points(path: Path, catalog: Catalog) -> Points:
    """The measured points of a file.

    Raises:
        CatalogError: The file cannot be read, lacks a column, or holds something else than a number in a row.
    """
    points: list[Point] = []
    left_out: Counter[str] = Counter()
    for line, row in _rows(path):
        reason = _not_comparable(row)
        model = find_model(row["model_path"], catalog.models)
        gpu = catalog.accelerators.get(row["system"].removesuffix("_sxm").upper())
        if reason or model is None or gpu is None:
            left_out[reason or ("model not in the catalog" if model is None else "accelerator not in the catalog")] += 1
            continue
        point = _point(row, model, gpu, f"{path}:{line}")
        if trouble := _not_steady(point):
            left_out[trouble] += 1
        else:
            points.append(point)
    return Points(points=tuple(points), left_out=dict(left_out))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, restval="")  # a row that was cut off
            missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise CatalogError(
                    f"{path}: the header lacks {', '.join(missing)}; measured points have all of {_list()}"
                )
            yield from ((rows.line_num, row) for row in rows)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read: {error}; name a CSV of measured points") from error


def _list() -> str:
    return ", ".join(_COLUMNS)


def _not_comparable(row: Mapping[str, str]) -> str:
    """Why a row is about something that one group of accelerators under one formula is not; empty where it is."""
    if row.get("mode", "agg") not in ("", "agg"):
        return "prefill and decode on different machines"
    if row.get("pp_size") not in (None, "", "1", "1.0") or row.get("attention_dp_size") not in _ONE:
        return "pipeline or data parallel"
    if not row["tp_size"] or not row["concurrency"]:
        return "no parallelism or concurrency given"
    return ""


_ONE: Final = (None, "", "0", "0.0", "1", "1.0")


def _point(row: Mapping[str, str], model: ModelShape, gpu: Accelerator, place: str) -> Point:
    precision = row["precision"] or "bf16"
    if precision not in PRECISIONS:
        raise CatalogError(f"{place}: precision is {precision!r}; it is one of {', '.join(PRECISIONS)}")
    return Point(
        model=model,
        accelerator=gpu,
        precision=precision,
        tensor_parallel=round(_number(row, "tp_size", place)),
        engine=row["backend"],
        prompt_tokens=round(_number(row, "isl", place)),
        output_tokens=round(_number(row, "osl", place)),
        num_requests=round(_number(row, "concurrency", place)),
        ttft_s=_number(row, "silicon_ttft_ms", place) / 1000,
        tpot_s=_number(row, "silicon_tpot_ms", place) / 1000,
    )


def _number(row: Mapping[str, str], column: str, place: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = -1.0
    if not 0 < value < float("inf"):
        raise CatalogError(f"{place}: {column} is {row[column]!r}; give a number above 0")
    return value


def _not_steady(point: Point) -> str:
    """Why the batch was not `num_requests`; empty where it was."""
    memory = replica_memory(point.model, point.accelerator, point.tensor_parallel, point.precision)
    if point.num_requests * (point.prompt_tokens + point.output_tokens) > memory.kv_capacity_tokens:
        return "more than the KV cache holds"
    if point.ttft_s > _WAITING * point.output_tokens * point.tpot_s:
        return "requests waited for a place"
    return ""

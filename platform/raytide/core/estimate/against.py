"""How far estimates are from measured serving points: printed, not hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median

from raytide.core.catalog.catalog import Catalog
from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.roofline import roofline
from raytide.core.estimate.latency import tpot_s, ttft_s
from raytide.core.estimate.points import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Relative errors of one kind of estimate, as fractions of what was measured."""

    num_points: int
    tpot_mean: float
    tpot_median: float
    ttft_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The errors for one model on one accelerator, or for all points."""

    model: str
    accelerator: str
    roofline: Errors
    column: Errors | Missing
    """Of the measured columns, on the points of their engine and hardware."""


def compare(points: Iterable[Point], catalog: Catalog) -> tuple[Comparison, ...]:
    """One comparison for each model and accelerator in order of name, and one for all points last."""
    ordered = sorted(points, key=_group)
    rows = [_comparison(*group, tuple(members), catalog) for group, members in groupby(ordered, _group)]
    return (*rows, _comparison("all", "all", tuple(ordered), catalog)) if rows else ()


def measured_column(point: Point, catalog: Catalog) -> EngineColumn | None:
    """The measured column of a point's engine and hardware; None where there is none, or of another engine."""
    found = catalog.lookup(point.model.name, point.accelerator.name, point.precision, point.tensor_parallel)
    is_same_engine = isinstance(found, EngineColumn) and found.engine.split()[0] == point.engine
    return found if isinstance(found, EngineColumn) and is_same_engine else None


def _group(point: Point) -> tuple[str, str]:
    return point.model.name, point.accelerator.name


def _comparison(model: str, accelerator: str, points: tuple[Point, ...], catalog: Catalog) -> Comparison:
    measured = [(point, column) for point in points if (column := measured_column(point, catalog)) is not None]
    return Comparison(
        model=model,
        accelerator=accelerator,
        roofline=_errors([(point, _roofline(point)) for point in points]),
        column=_errors(measured) if measured else Missing(reason="no measured column for these points"),
    )


def _roofline(point: Point) -> EngineColumn:
    return roofline(point.model, point.accelerator, point.tensor_parallel, point.precision)


def _errors(pairs: list[tuple[Point, EngineColumn]]) -> Errors:
    tpots = [_relative(tpot_s, point, column, point.tpot_s) for point, column in pairs]
    ttfts = [_relative(ttft_s, point, column, point.ttft_s) for point, column in pairs]
    return Errors(num_points=len(pairs), tpot_mean=fmean(tpots), tpot_median=median(tpots), ttft_mean=fmean(ttfts))


def _relative(
    latency: Callable[[EngineColumn, float, float, float], float], point: Point, column: EngineColumn, measured_s: float
) -> float:
    said_s = latency(column, point.num_requests, point.prompt_tokens, point.output_tokens)
    return abs(said_s / measured_s - 1)

"""What `raytide estimate` gets wrong against measured serving points, and the calibration of its roofline.

    python benchmarks/estimate_vs_silicon.py silicon_reference.csv          the table of errors
    python benchmarks/estimate_vs_silicon.py --fit silicon_reference.csv    and the costs fitted again

The fit minimises the soft-L1 of log(estimate / measured TPOT), where a residual is divided by the square root of the
number of points of its model, accelerator, precision and engine, so that large sweeps do not decide alone. No
efficiency may exceed 91 % of a datasheet. Models with a latent cache are not fitted: engines often run them with
speculative decoding, which the points do not say.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares  # type: ignore[import-untyped]

from raytide.core import catalog
from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.roofline import CALIBRATED, Costs, roofline
from raytide.core.estimate import Point, compare, read_points
from raytide.core.estimate.against import measured_column
from raytide.core.estimate.latency import tpot_s

Vector = NDArray[np.float64]
_NAMES = tuple(field.name for field in fields(Costs))
_LEAST = {"weights": 1.1, "experts": 1.1, "kv_cache": 1.1, "compute": 1.1, "interconnect": 1.0}


def main() -> None:
    """Prints the errors, and with `--fit` the costs that a new calibration gives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    measured = read_points(arguments.file, catalog.load())
    seen = [point for point in measured.points if not point.model.is_latent]
    _report("all models", measured.points)
    _report("models that the calibration saw", seen)
    if arguments.fit:
        _report_fit(seen)
        _report_ttft(seen)


def _report(title: str, points: Sequence[Point]) -> None:
    *_, total = compare(points, catalog.load())
    print(f"{title}\n  roofline {total.roofline}\n  columns  {total.column}")


def _report_fit(points: Sequence[Point]) -> None:
    fitted = _fit(points)
    unseen = np.concatenate(
        [
            _errors([point for point in points if point.model.name == name], others)
            for name in sorted({point.model.name for point in points})
            for others in [_fit([point for point in points if point.model.name != name])]
        ]
    )
    print("fitted  ", {name: float(f"{cost:.4g}") for name, cost in zip(_NAMES, fitted, strict=True)})
    print("in use  ", {name: getattr(CALIBRATED, name) for name in _NAMES})
    print(f"a model left out of the fit: mean {unseen.mean():.1%}, median {np.median(unseen):.1%}")


def _fit(points: Sequence[Point]) -> Vector:
    ideal, measured_s = _ideal_s(points), np.array([point.tpot_s for point in points])
    scale = 0.15 * measured_s.mean() / ideal.mean(axis=0)
    least = np.array([_LEAST.get(name, 0.0) for name in _NAMES]) / scale
    weights = _weights(points)

    def residuals(costs: Vector) -> Vector:
        return np.asarray(weights * np.log(ideal @ (costs * scale) / measured_s), dtype=np.float64)

    start = np.maximum(least, 0.5)
    return np.asarray(_minimum(residuals, start, least - 1e-9) * scale, dtype=np.float64)


def _minimum(residuals: Callable[[Vector], Vector], start: Vector, least: Vector) -> Vector:
    found = least_squares(residuals, start, bounds=(least, np.inf), loss="soft_l1", f_scale=0.03, x_scale="jac")
    return np.asarray(found.x, dtype=np.float64)


def _weights(points: Sequence[Point]) -> Vector:
    groups = [(p.model.name, p.accelerator.name, p.precision, p.engine) for p in points]
    sizes = Counter(groups)
    return np.array([sizes[group] ** -0.5 for group in groups])


def _ideal_s(points: Sequence[Point]) -> Vector:
    """Seconds that each unit of each cost adds to a TPOT, shape (points, costs): a roofline is linear in its costs."""
    nothing = Costs(**dict.fromkeys(_NAMES, 0.0))
    return np.array([[_tpot_s(point, replace(nothing, **{name: 1.0})) for name in _NAMES] for point in points])


def _tpot_s(point: Point, costs: Costs) -> float:
    column = roofline(point.model, point.accelerator, point.tensor_parallel, point.precision, costs)
    return tpot_s(column, point.num_requests, point.prompt_tokens, point.output_tokens)


def _errors(points: Sequence[Point], costs: Vector) -> Vector:
    measured_s = np.array([point.tpot_s for point in points])
    return np.asarray(np.abs(_ideal_s(points) @ costs / measured_s - 1), dtype=np.float64)


def _report_ttft(points: Sequence[Point]) -> None:
    facts = catalog.load()
    prior = [(p, roofline(p.model, p.accelerator, p.tensor_parallel, p.precision)) for p in points]
    columns = [(p, column) for p in points if (column := measured_column(p, facts)) is not None]
    for name, pairs in (("roofline", prior), ("columns", columns)):
        share, iterations = _fit_ttft(pairs)
        print(f"TTFT of {name}: {share:.3f} of the prefill time × (1 + √batch) + {iterations:.2f} iterations")


def _fit_ttft(pairs: Sequence[tuple[Point, EngineColumn]]) -> Vector:
    terms = np.array([_ttft_terms(point, column) for point, column in pairs])
    measured_s = np.array([point.ttft_s for point, _ in pairs])
    scale = 0.3 * measured_s.mean() / terms.mean(axis=0)

    def residuals(shares: Vector) -> Vector:
        return np.asarray(np.log(terms @ (shares * scale) / measured_s), dtype=np.float64)

    return np.asarray(_minimum(residuals, np.ones(2), np.full(2, 1e-9)) * scale, dtype=np.float64)


def _ttft_terms(point: Point, column: EngineColumn) -> tuple[float, float]:
    iteration_s = tpot_s(column, point.num_requests, point.prompt_tokens, point.output_tokens)
    return column.per_prefill_token_s * point.prompt_tokens * (1 + point.num_requests**0.5), iteration_s


if __name__ == "__main__":
    main()

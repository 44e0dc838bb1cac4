"""How far simulated benchmarks are off from the measured ones that they repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.coefficients import as_iteration
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.fit import Folds, one_shape, steady_points
from raytide.autoscaling.performance.prior import Prior
from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.autoscaling.simulate.closed_loop import SILICON, SILICON_CHUNK_PER_PROMPT_TOKEN, Protocol, measure

_AMPLE_KV_TOKENS: Final = 10**9
_AMPLE_SEQUENCES: Final = 4096
"""Both for points at which every request had a place in the batch."""

EngineOf = Callable[[ServingPoint], Engine]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """Relative errors, simulated over measured minus one; arrays of shape (points,) in the order of the points."""

    points: tuple[ServingPoint, ...]
    ttft: NDArray[np.float64]
    tpot: NDArray[np.float64]

    def __add__(self, other: Errors) -> Errors:
        """Of both sets of points."""
        return Errors(
            points=self.points + other.points,
            ttft=np.concatenate([self.ttft, other.ttft]),
            tpot=np.concatenate([self.tpot, other.tpot]),
        )


def errors(points: Sequence[ServingPoint], engine_of: EngineOf, protocol: Protocol = SILICON) -> Errors:
    """The errors at these points, whose TTFT was measured, on the engine that each of them ran on."""
    simulated = [
        measure(
            engine_of(point),
            concurrency=int(point.concurrency),
            prompt_tokens=int(point.prompt_tokens),
            output_tokens=int(point.output_tokens),
            protocol=protocol,
        )
        for point in points
    ]
    pairs = list(zip(simulated, points, strict=True))
    return Errors(
        points=tuple(points),
        ttft=np.array([found.ttft_s / (point.ttft_s or np.nan) - 1.0 for found, point in pairs]),
        tpot=np.array([found.tpot_s / point.tpot_s - 1.0 for found, point in pairs]),
    )


def errors_of_unseen(
    points: Sequence[ServingPoint],
    prior: Prior,
    run: Callable[[Iteration], EngineOf],
    *,
    folds: Folds = one_shape,
    protocol: Protocol = SILICON,
) -> Errors:
    """The errors of the points that the folds leave out, on an iteration fitted to the TPOT of the others."""
    found = Errors(points=(), ttft=np.empty(0), tpot=np.empty(0))
    for training, left_out in folds(points):
        iteration = as_iteration(prior.solve(steady_points(training)))
        found += errors(left_out, run(iteration), protocol)
    return found


def silicon_run(iteration: Iteration, kv_capacity_tokens: int | None = None) -> EngineOf:
    """The engine with the chunk that the measured runs had, one prompt and a quarter; None has room for everything."""
    return lambda point: _engine(
        iteration, round(SILICON_CHUNK_PER_PROMPT_TOKEN * point.prompt_tokens), kv_capacity_tokens
    )


def inference_max_run(iteration: Iteration) -> EngineOf:
    """The engine with the chunk that InferenceMAX starts vLLM with, and room for everything."""
    return lambda _: _engine(iteration, 8192, None)


def _engine(iteration: Iteration, chunk_tokens: int, kv_capacity_tokens: int | None) -> Engine:
    return Engine(
        iteration=iteration,
        kv_capacity_tokens=kv_capacity_tokens or _AMPLE_KV_TOKENS,
        chunk_tokens=chunk_tokens,
        max_num_seqs=256 if kv_capacity_tokens else _AMPLE_SEQUENCES,
    )

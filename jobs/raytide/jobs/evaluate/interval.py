"""How sure a score is: intervals, and whether one model is really worse than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from raytide.jobs.evaluate.score import Score

LEVEL: Final = 0.95
"""Of every interval that is shown."""
_RESAMPLES: Final = 2000
_PER_CHUNK: Final = 4_000_000
"""Numbers in memory at once, which bounds it for many documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a value lies with the probability `LEVEL`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """How much worse one model is than another on the same documents, as a share; below zero where it is better."""

    worse: float
    interval: Interval
    at_most: float
    """With the confidence that was asked for, one-sided."""
    p: float
    """Share of the resamples in which more is lost than is tolerated."""


def bits_per_byte_interval(score: Score, seed: int) -> Interval:
    """By resampling documents: the tokens of one document are not independent of each other (Efron 1979)."""
    nll = np.array([each.nll_nats for each in score.documents])
    sizes = np.array([each.bytes for each in score.documents], dtype=float)
    return _interval(_ratios(nll, sizes, seed) / math.log(2))


def regression(trained: Score, production: Score, *, tolerated: float, confidence: float, seed: int) -> Regression:
    """Paired: both models are resampled together, so that a hard document is hard for both."""
    ours = np.array([each.nll_nats for each in trained.documents])
    theirs = np.array([each.nll_nats for each in production.documents])
    ratios = _ratios(ours, theirs, seed) - 1
    return Regression(
        worse=float(ours.sum() / theirs.sum() - 1),
        interval=_interval(ratios),
        at_most=float(np.quantile(ratios, confidence)),
        p=float(np.mean(ratios > tolerated)),
    )


def wilson(successes: int, num: int) -> Interval:
    """Of a proportion (Wilson 1927); from 0 to 1 where nothing was asked."""
    if num == 0:
        return Interval(low=0.0, high=1.0)
    z, share = NormalDist().inv_cdf((1 + LEVEL) / 2), successes / num
    middle = (share + z * z / (2 * num)) / (1 + z * z / num)
    half = z / (1 + z * z / num) * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    return Interval(low=max(0.0, middle - half), high=min(1.0, middle + half))


def worse_by_chance(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Probability of losing so many questions to the other model, or more, if both were equally good.

    McNemar's exact test (1947), one-sided: only questions that one of the two answered rightly say anything.
    """
    lost = sum(other and not own for own, other in zip(ours, theirs, strict=True))
    won = sum(own and not other for own, other in zip(ours, theirs, strict=True))
    total = lost + won
    return sum(math.comb(total, k) for k in range(lost, total + 1)) / (1 << total)


def _ratios(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Of sums over resampled documents; [_RESAMPLES]."""
    num, rng = len(above), np.random.default_rng(seed)
    chunk = max(1, _PER_CHUNK // num)
    ratios = []
    for start in range(0, _RESAMPLES, chunk):
        times = rng.multinomial(num, np.full(num, 1 / num), size=min(chunk, _RESAMPLES - start))
        ratios.append((times @ above) / (times @ below))
    return np.concatenate(ratios)


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))

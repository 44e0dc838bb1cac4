"""Requests drawn at given rates: for sources that publish how many came, and not which.

Arrivals are a renewal process in operational time, in which the rate is one, bent onto the clock by the cumulative
rate; so a window without requests is an idle gap, and a gap may begin in one window and end in another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.trace import Trace

# Median and mean of the Azure conversation trace of 2023: 1,020 and 1,155 prompt tokens, 129 and 211 output tokens.
# A lognormal has both where its shape is √(2·ln(mean/median)).
_PROMPT_MEDIAN: Final = 1020.0
_PROMPT_SHAPE: Final = math.sqrt(2 * math.log(1155 / 1020))
_OUTPUT_MEDIAN: Final = 129.0
_OUTPUT_SHAPE: Final = math.sqrt(2 * math.log(211 / 129))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How requests are drawn where a file has rates."""

    seed: int = 0
    requests_per_s: float | None = None
    """All rates are scaled by one factor to this mean; None leaves them."""
    lengths: Trace | None = None
    """Requests whose lengths are drawn, prompt and output together; None takes a lognormal of chat lengths."""
    cv: float = 1.0
    """Coefficient of variation of the gaps; 1 is Poisson. Not for files that say it themselves."""
    start_s: float = 0.0
    """Windows before this time are left out."""
    end_s: float = math.inf
    """Windows from this time on are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens of drawn requests, one entry each."""

    prompt_tokens: NDArray[np.int32]
    output_tokens: NDArray[np.int32]
    cached_tokens: NDArray[np.int32] | None = None


def draw_arrivals(
    edges_s: NDArray[np.float64], rates: NDArray[np.float64], cv: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sorted arrivals between the first edge and the last; `rates` are per second between two edges each."""
    cumulative = np.concatenate(([0.0], np.cumsum(rates * np.diff(edges_s))))
    operational = _renewals(float(cumulative[-1]), cv, rng)
    return np.interp(operational, cumulative, edges_s)


def draw_lengths(num_requests: int, lengths: Trace | None, rng: np.random.Generator) -> Lengths:
    """Lengths of so many requests: whole rows of `lengths` with replacement, or the lognormal."""
    if lengths is None:
        return Lengths(
            prompt_tokens=_lognormal(num_requests, _PROMPT_MEDIAN, _PROMPT_SHAPE, rng),
            output_tokens=_lognormal(num_requests, _OUTPUT_MEDIAN, _OUTPUT_SHAPE, rng),
        )
    chosen = rng.integers(len(lengths), size=num_requests)
    return Lengths(
        prompt_tokens=lengths.prompt_tokens[chosen],
        output_tokens=lengths.output_tokens[chosen],
        cached_tokens=None if lengths.cached_tokens is None else lengths.cached_tokens[chosen],
    )


def _renewals(end: float, cv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Times of a renewal process of rate one up to `end`: gamma gaps of this coefficient of variation."""
    shape = 1 / cv**2
    times: list[NDArray[np.float64]] = []
    last = 0.0
    while last < end:
        expected = end - last
        num_gaps = math.ceil(expected + 4 * cv * math.sqrt(expected) + 16)
        block = last + np.cumsum(rng.gamma(shape, cv**2, num_gaps))
        times.append(block)
        last = float(block[-1])
    drawn = np.concatenate(times) if times else np.zeros(0)
    return drawn[drawn < end]


def _lognormal(num: int, median: float, shape: float, rng: np.random.Generator) -> NDArray[np.int32]:
    tokens = np.rint(rng.lognormal(math.log(median), shape, num))
    return np.clip(tokens, 1, None).astype(np.int32)

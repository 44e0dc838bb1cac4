"""Waiting for one of several servers, in the standard approximations; times in seconds.

Sources: Erlang C by its recursion; the tail of GI/G/R as that of M/M/R with time stretched by the variability of
arrivals and service (Allen–Cunneen; Kimura 1994, Queueing Systems 17); many servers by Halfin and Whitt 1981.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_EDGES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
_SCORES: Final = tuple(_NORMAL.inv_cdf((low + high) / 2) for low, high in itertools.pairwise(_EDGES))
_WEIGHTS: Final = tuple(high - low for low, high in itertools.pairwise(_EDGES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A waiting time: zero, or else exponential."""

    probability: float
    """Of waiting at all."""
    decay_per_s: float

    def longer_than(self, time_s: float) -> float:
        """The probability of a longer wait; 1 for a time below zero."""
        return 1.0 if time_s < 0 else self.probability * math.exp(-self.decay_per_s * time_s)


def pooled_wait(servers: int, busy: float, service_s: float, variability: float) -> Wait:
    """The wait for one of a few servers of which `busy` are in use on average.

    `variability` is the mean of the squared variations of arrivals and service: 1 for Poisson and exponential.
    """
    if busy >= servers:
        return Wait(probability=1.0, decay_per_s=0.0)
    decay_per_s = (servers - busy) / (max(service_s, 1e-12) * max(variability, 1e-6))
    return Wait(probability=erlang_c(servers, busy), decay_per_s=decay_per_s)


def crowd_wait(places: float, taken: float, service_s: float, peakedness: float) -> Wait:
    """The wait for one of many places of which `taken` are in use on average, with variance `taken`·`peakedness`."""
    if taken >= places:
        return Wait(probability=1.0, decay_per_s=0.0)
    spare = (places - taken) / math.sqrt(max(taken * peakedness, 1e-12))
    decay_per_s = (places - taken) / (max(service_s, 1e-12) * max(peakedness, 1e-6))
    return Wait(probability=_halfin_whitt(spare), decay_per_s=decay_per_s)


def erlang_c(servers: int, busy: float) -> float:
    """The probability that a Poisson arrival finds all servers busy and waits."""
    if busy >= servers:
        return 1.0
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = busy * blocked / (server + busy * blocked)
    return blocked / (1.0 - busy / servers * (1.0 - blocked))


def below(margin: float, deviation: float) -> float:
    """The probability that a normal variable of mean zero stays below `margin`."""
    if deviation <= 0:
        return 1.0 if margin >= 0 else 0.0
    return _NORMAL.cdf(margin / deviation)


def lengths(mean: float, variation: float) -> tuple[tuple[float, float], ...]:
    """Lengths and their probabilities, shortest first: log-normal by assumption, finer in the upper tail.

    `variation` is the squared coefficient of variation. The mean is kept.
    """
    sigma = math.sqrt(math.log1p(variation))
    drawn = [math.exp(sigma * score) for score in _SCORES]
    scale = mean / math.fsum(weight * value for weight, value in zip(_WEIGHTS, drawn, strict=True))
    return tuple((scale * value, weight) for weight, value in zip(_WEIGHTS, drawn, strict=True))


def _halfin_whitt(spare: float) -> float:
    """The probability of waiting where the spare places are this many standard deviations of those in use."""
    if spare > 8.0:
        return 0.0
    density = math.exp(-(spare**2) / 2) / math.sqrt(2 * math.pi)
    return 1.0 / (1.0 + spare * _NORMAL.cdf(spare) / density)

"""Bounds on a proportion that hold at every moment at once, so that looking at them again and again costs nothing.

The mixture of Robbins: under a share p of successes, the likelihood of what was seen, averaged over a Beta prior of
the share, over its likelihood under p is a martingale that starts at one. By Ville's inequality it ever exceeds 1/alpha
with a probability of at most alpha, so the shares at which it does not are a confidence sequence. Exact for independent
requests; nothing is asymptotic.

Source: Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist. 41 (1970);
Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022; Howard, Ramdas, McAuliffe and
Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Ann. Statist. 49 (2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_PRIOR: Final = 0.5
"""Of both sides: the mixture of Krichevsky and Trofimov, near the best for shares close to zero or one."""
_HALVINGS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where a share lies."""

    lower: float
    upper: float


def bounds_of(num: int, successes: int, alpha: float) -> Bounds:
    """The shares that `successes` of `num` do not exclude, at every `num` at once but for a probability of `alpha`.

    From 0 to 1 where nothing was seen.
    """
    if num == 0:
        return Bounds(lower=0.0, upper=1.0)
    centre = successes / num
    least = _log_mixture(num, successes) + math.log(alpha)

    def excluded(share: float) -> bool:
        return _log_likelihood(num, successes, share) <= least

    return Bounds(lower=_edge(excluded, 0.0, centre), upper=_edge(excluded, 1.0, centre))


def _edge(excluded: Callable[[float], bool], far: float, near: float) -> float:
    """The last share that is not excluded, from the observed one (`near`) outwards."""
    if not excluded(far):
        return far
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if excluded(middle) else (middle, far)
    return far


def _log_mixture(num: int, successes: int) -> float:
    return _log_beta(_PRIOR + successes, _PRIOR + num - successes) - _log_beta(_PRIOR, _PRIOR)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_likelihood(num: int, successes: int, share: float) -> float:
    return _times_log(successes, share) + _times_log(num - successes, 1.0 - share)


def _times_log(count: int, share: float) -> float:
    """`count · log(share)`, with 0 · log 0 = 0."""
    if count == 0:
        return 0.0
    return count * math.log(share) if share > 0.0 else -math.inf

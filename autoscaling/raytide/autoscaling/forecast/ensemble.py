"""The forecast: what the need will be when a replica that is ordered now is ready, as a distribution.

Three experts each name a centre: the level of the last half minute, a regression on the levels, and the level moved
along the day's curve once a day was seen. Around each centre lie the errors that the same expert made at the same lead,
weighted by the requests that met them: a conformal distribution, so its quantiles hold whatever the load looks like.
The experts are mixed by exponential weights on their pinball loss: no single winner, so no jumps between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.forecast.decayed import Decayed
from raytide.autoscaling.forecast.levels import NO_LEVELS, Levels
from raytide.autoscaling.forecast.regression import Regression
from raytide.autoscaling.forecast.season import NO_SEASON, Season
from raytide.autoscaling.forecast.work import Seconds

Floats = NDArray[np.float64]

EXPERTS: Final = ("level", "regression", "season")
JUDGED_Q: Final = 0.98
"""The quantile at which experts are judged and coverage is measured: about what an attainment of 99 % needs."""
SHARPNESS: Final = 8.0
"""How fast weight falls with loss: twice the smallest loss means e^-8 of its weight."""
_FIRST_ALONE: Final = np.array([1.0, 0.0, 0.0])
_UNSEEN_ERROR: Final = 0.4
"""As a share of the level, until an error was seen."""
_NUM_CELLS: Final = 400
_WIDEST: Final = 4.0
"""Errors are kept up to this multiple of the highest need that the fleet could ever serve."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """What the experts said at one decision; shape (experts,) each."""

    features: Floats
    centres: Floats
    quantiles: Floats
    """At JUDGED_Q."""
    known: bool
    """Whether enough had been seen to be held to it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """What was learnt, and the guesses that are still to be judged."""

    levels: Levels
    regression: Regression
    season: Season
    errors: tuple[Decayed, ...]
    losses: Floats
    judged: Floats
    """Request weight behind each loss; shape (experts,)."""
    standing: Decayed
    """Needs regardless of the time: what a fleet of fixed size would be sized for."""
    guesses: tuple[Guess, ...] = ()
    """Oldest first; the first is due now."""
    covered: float = 0.0
    """Request weight that stayed below the mixed quantile."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """The need at the end of the lead."""

    centres: Floats
    errors: tuple[Decayed, ...]
    weights: Floats
    """Of the experts; sums to one."""

    def share_above(self, needs: Floats) -> Floats:
        """The share of requests that will meet a need above each of these."""
        return sum((w * e.share_above(needs - c) for w, c, e in self._known()), np.zeros(len(needs)))

    def quantile(self, q: float) -> float:
        """The need that a share `q` of the requests stays below: the experts' quantiles, mixed."""
        return float(self.quantiles(np.array([q]))[0])

    def quantiles(self, shares: Floats) -> Floats:
        """The same for several shares at once; none is below zero, however far a fall was overestimated."""
        needs = np.zeros(len(shares))
        for weight, centre, errors in self._known():
            found = errors.quantiles(shares)
            needs = needs + weight * (centre if found is None else centre + found)
        return np.maximum(needs, 0.0)

    def _known(self) -> list[tuple[float, float, Decayed]]:
        """Weight, centre and errors of the experts that have a say."""
        experts = zip(self.weights.tolist(), self.centres.tolist(), self.errors, strict=True)
        return [(weight, centre, errors) for weight, centre, errors in experts if weight > 0]


def begin(largest_need: float, half_life_s: float) -> Forecast:
    """Nothing known of a service whose fleet can serve at most `largest_need`."""
    errors = np.linspace(-largest_need, _WIDEST * largest_need, _NUM_CELLS)
    # Fine near zero, where almost all errors lie, and wide enough for any jump.
    errors = np.sign(errors) * errors**2 / (_WIDEST * largest_need)
    needs = np.geomspace(1e-3, _WIDEST * largest_need, _NUM_CELLS)
    return Forecast(
        levels=NO_LEVELS,
        regression=Regression.toward(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), half_life_s),
        season=NO_SEASON,
        errors=tuple(Decayed.on(errors, half_life_s) for _ in EXPERTS),
        losses=np.zeros(len(EXPERTS)),
        judged=np.zeros(len(EXPERTS)),
        standing=Decayed.on(needs, 4 * half_life_s),
    )


def update(
    forecast: Forecast,
    seconds: Seconds,
    *,
    now_s: float,
    lead_s: float,
    num_due: int,
    beside: Forecast | None = None,
) -> Forecast:
    """After these seconds: the guess that is due is judged by them, and a new one is made.

    What does not depend on the lead is taken from a forecast `beside` that has these seconds already.
    """
    due = forecast.guesses[-num_due] if len(forecast.guesses) >= num_due else None
    learnt = forecast if due is None or not due.known else _judge(forecast, due, seconds)
    shared = _seen(forecast, seconds, now_s) if beside is None else (beside.levels, beside.season, beside.standing)
    levels, season, standing = shared
    guess = _guess(learnt, levels, season, float(seconds.need[-1]) if len(seconds.need) else 0.0, now_s, lead_s)
    guesses = (*forecast.guesses[-num_due + 1 :], guess) if num_due > 1 else (guess,)
    return replace(learnt, levels=levels, season=season, standing=standing, guesses=guesses)


def _seen(forecast: Forecast, seconds: Seconds, now_s: float) -> tuple[Levels, Season, Decayed]:
    """What does not depend on the lead: levels, the day's curve, and the standing distribution of needs."""
    return (
        forecast.levels.after(seconds.work),
        forecast.season.after(now_s, seconds.work),
        forecast.standing.after(float(len(seconds.work)), seconds.need, seconds.arrivals),
    )


def outlook(forecast: Forecast) -> Outlook | None:
    """What the latest guess amounts to; None until a guess could be judged."""
    if not forecast.guesses or not forecast.errors[0].total:
        return None
    return Outlook(centres=forecast.guesses[-1].centres, errors=forecast.errors, weights=_weights(forecast))


def coverage(forecast: Forecast) -> float | None:
    """The measured share of requests below the mixed quantile at JUDGED_Q; None until a guess was judged."""
    return float(forecast.covered / forecast.judged[0]) if forecast.judged[0] else None


def _judge(forecast: Forecast, due: Guess, seconds: Seconds) -> Forecast:
    elapsed_s, kept = float(len(seconds.work)), 0.5 ** (len(seconds.work) / forecast.regression.half_life_s)
    named = np.isfinite(due.centres)
    mixed = float(_weights(forecast) @ np.where(named, due.quantiles, 0.0))
    short = seconds.need[:, None] - due.quantiles[None, :]
    loss = seconds.arrivals @ np.where(short > 0, JUDGED_Q * short, (JUDGED_Q - 1) * short)
    weight = float(seconds.arrivals.sum())
    return replace(
        forecast,
        regression=forecast.regression.after(elapsed_s, due.features, seconds.need, seconds.arrivals),
        errors=tuple(
            errors.after(elapsed_s, seconds.need - centre, seconds.arrivals) if knows else errors
            for errors, centre, knows in zip(forecast.errors, due.centres, named, strict=True)
        ),
        losses=forecast.losses * kept + np.where(named, loss, 0.0),
        judged=forecast.judged * kept + np.where(named, weight, 0.0),
        covered=forecast.covered * kept + float(seconds.arrivals @ (seconds.need <= mixed)),
    )


def _guess(learnt: Forecast, levels: Levels, season: Season, need: float, now_s: float, lead_s: float) -> Guess:
    """What the experts say now, from these levels and this curve and what they learnt until now."""
    values = levels.values
    level = float(values[0])
    features = np.array([1.0, *values.tolist(), need])
    change = season.change(now_s, lead_s)
    centres = np.array([level, learnt.regression.predict(features), np.nan if change is None else level + change])
    quantiles = np.array([_error(errors, level) for errors in learnt.errors])
    return Guess(features=features, centres=centres, quantiles=centres + quantiles, known=levels.age_s >= 60.0)


def _error(errors: Decayed, level: float) -> float:
    """The error that is rarely exceeded; a share of the level until one was seen."""
    seen = errors.quantile(JUDGED_Q)
    return _UNSEEN_ERROR * level if seen is None else seen


@lru_cache(maxsize=64)
def _weights(forecast: Forecast) -> Floats:
    """Exponential in the mean loss relative to the best; an expert that was never judged, or is silent, has none.

    Remembered, because the weights of one decision's outlook are those that the next one is judged by.
    """
    speaks = forecast.judged > 0
    if not speaks.any():
        return _FIRST_ALONE
    if forecast.guesses:
        speaks = speaks & np.isfinite(forecast.guesses[-1].centres)
    mean = forecast.losses[speaks] / np.maximum(forecast.judged[speaks], 1e-12)
    weights = np.zeros(len(EXPERTS))
    best = max(float(mean.min()), 1e-12)
    weights[speaks] = np.exp(-SHARPNESS * (mean / best - 1))
    shares: Floats = weights / weights.sum()
    return shares

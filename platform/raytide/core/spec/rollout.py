"""`spec.rollout` of a service: how a new revision takes over from the one that serves."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from raytide.core.spec.base import Strict
from raytide.core.units import Fraction, Seconds


class CanaryGate(Strict):
    """What a canary must not do worse than the stable revision beside it."""

    error_rate: Fraction = 0.005
    """Share of requests that may fail beyond the stable revision's share."""
    objectives: bool = True
    """Whether it may miss TTFT and TPOT only as much more often as `objectives.attainment` allows at all."""
    quality: Literal["no-worse", "any"] = "no-worse"
    """`no-worse` compares the scores of both models in the registry, before any request is sent."""


def _rising_to_all(steps: tuple[float, ...]) -> tuple[float, ...]:
    if not all(low < high for low, high in pairwise((0.0, *steps))) or steps[-1] != 1.0:
        raise ValueError("shares that rise from above 0% to 100%, as [1%, 5%, 25%, 100%]")
    return steps


_Steps = Annotated[tuple[Fraction, ...], Field(min_length=1), AfterValidator(_rising_to_all)]


class Canary(Strict):
    """A new revision takes a growing share of the requests while nothing speaks against it."""

    steps: _Steps = (0.01, 0.05, 0.25, 1.0)
    """Shares of the requests, the last one 100%."""
    hold: Seconds = 600.0
    """How long each step lasts at least."""
    patience: Seconds = 7200.0
    """How long a step may wait for enough requests; then the stable revision takes all again, without a verdict."""
    gate: CanaryGate = CanaryGate()


class Rollout(Strict):
    """How a new revision takes over."""

    canary: Canary = Canary()

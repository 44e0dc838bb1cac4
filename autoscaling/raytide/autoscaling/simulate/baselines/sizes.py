"""The sizes of the requests of a window, as a few cells that stand for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, log, sqrt
from typing import Final

from raytide.autoscaling.observation import Demand

_THIRD: Final = 0.4307273
"""The standard normal's quantile at 2/3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Requests of about one size."""

    share: float
    """Of all requests."""
    prompt_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    at_s: float
    span_s: float
    arrivals: int
    finished: int
    prompt: float
    prompt_squared: float
    output: float
    output_squared: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What arrived and what finished in the last `length_s` seconds."""

    length_s: float
    seen: tuple[_Seen, ...] = ()
    """Oldest first."""

    def add(self, demand: Demand, at_s: float) -> Sizes:
        """This window with one more observation, without those that are `length_s` old or older."""
        finished = demand.finished
        one = _Seen(
            at_s=at_s,
            span_s=demand.span_s,
            arrivals=demand.num_arrivals,
            finished=finished.num,
            prompt=finished.prompt_tokens,
            prompt_squared=finished.prompt_tokens_squared,
            output=finished.output_tokens,
            output_squared=finished.output_tokens_squared,
        )
        kept = tuple(seen for seen in self.seen if seen.at_s > at_s - self.length_s)
        return Sizes(length_s=self.length_s, seen=(*kept, one))

    @property
    def num_arrivals(self) -> int:
        """Requests that arrived."""
        return sum(one.arrivals for one in self.seen)

    @property
    def num_finished(self) -> int:
        """Requests that finished."""
        return sum(one.finished for one in self.seen)

    @property
    def rate_rps(self) -> float:
        """Arrivals per second of what the window has seen; 0 of an empty one."""
        span_s = sum(one.span_s for one in self.seen)
        return self.num_arrivals / span_s if span_s > 0 else 0.0

    def cells(self) -> tuple[Cell, ...]:
        """Nine cells of equal share: thirds of the prompts by thirds of the outputs; at least one request finished."""
        prompts = thirds(*self._moments([(one.prompt, one.prompt_squared) for one in self.seen]))
        outputs = thirds(*self._moments([(one.output, one.output_squared) for one in self.seen]))
        return tuple(
            Cell(share=1 / 9, prompt_tokens=prompt, output_tokens=output) for prompt in prompts for output in outputs
        )

    def _moments(self, sums: list[tuple[float, float]]) -> tuple[float, float]:
        num = self.num_finished
        return max(1.0, sum(one for one, _ in sums) / num), sum(squared for _, squared in sums) / num


def thirds(mean: float, mean_of_squares: float) -> tuple[float, float, float]:
    """The means of the lower, middle and upper third of a lognormal with these moments; at least one token each."""
    sigma = sqrt(log(max(1.0, mean_of_squares / mean**2)))
    below = [_below(z - sigma) for z in (-_THIRD, _THIRD)]
    shares = (below[0], below[1] - below[0], 1.0 - below[1])
    lower, middle, upper = (max(1.0, 3.0 * mean * share) for share in shares)
    return lower, middle, upper


def _below(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))

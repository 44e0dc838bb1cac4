"""One measured serving point: a fixed number of equal requests in flight, and the latency that they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

OVERFLOW_FRACTION: Final = 1 / 3
"""Above this share of its life before the first token, a request waited for a place in the batch: the engine then runs
fewer sequences than the point says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPoint:
    """Latency at a fixed concurrency."""

    concurrency: float
    prompt_tokens: float
    output_tokens: float
    tpot_s: float
    ttft_s: float | None = None
    """None where it was not measured."""

    @property
    def shape(self) -> tuple[float, float]:
        """Prompt and output length."""
        return (self.prompt_tokens, self.output_tokens)

    @property
    def overflows(self) -> bool:
        """Whether requests waited for a place in the batch for much of their life."""
        if self.ttft_s is None:
            return False
        return self.ttft_s > OVERFLOW_FRACTION * (self.ttft_s + self.output_tokens * self.tpot_s)


def iteration_terms(points: Sequence[ServingPoint]) -> NDArray[np.float64]:
    """What each coefficient of an iteration is multiplied by: shape (points, 5).

    The columns are 1, n, √n, n·(I + O/2) and (n − 1)·I/O. With n requests in flight each step of a sequence shares its
    iteration with the prompts of the n − 1 others; its own prompt came before its first token.
    """
    n, prompt, output = np.array([(p.concurrency, p.prompt_tokens, p.output_tokens) for p in points], float).T
    prefill = np.maximum(n - 1.0, 0.0) * prompt / output
    return np.column_stack([np.ones_like(n), n, np.sqrt(n), n * (prompt + output / 2), prefill])


def tpots_s(points: Sequence[ServingPoint]) -> NDArray[np.float64]:
    """The measured TPOT of each point, shape (points,)."""
    return np.array([point.tpot_s for point in points])

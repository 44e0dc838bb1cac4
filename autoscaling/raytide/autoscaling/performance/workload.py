"""What arrives, as the moments that a steady state needs: a rate, mean lengths, and how far lengths vary.

Means alone mislead: a long prompt with a long answer reads its KV cache far more often than the mean lengths say, so
the tokens of KV cache read per request are a moment of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests per second, and the moments of one request."""

    requests_per_s: float
    prompt_tokens: float
    """Mean."""
    output_tokens: float
    """Mean; at least one."""
    kv_token_steps: float
    """Mean of output·(prompt + output/2): KV tokens that one request's decode steps read."""
    prompt_tokens_squared: float
    """Mean of the square."""
    output_tokens_squared: float
    """Mean of the square."""
    cached_fraction: float = 0.0
    """Share of the prompt tokens that the prefix cache already holds."""

    @property
    def computed_prompt_tokens(self) -> float:
        """Prompt tokens of a request that its prefill must compute, on average."""
        return (1.0 - self.cached_fraction) * self.prompt_tokens

    @property
    def context_tokens(self) -> float:
        """KV tokens that a decoding sequence holds, averaged over its decode steps."""
        return self.kv_token_steps / self.output_tokens

    @property
    def prompt_variation(self) -> float:
        """Squared coefficient of variation of the prompt length."""
        return _variation(self.prompt_tokens, self.prompt_tokens_squared)

    @property
    def output_variation(self) -> float:
        """Squared coefficient of variation of the output length."""
        return _variation(self.output_tokens, self.output_tokens_squared)

    def at_rate(self, requests_per_s: float) -> Workload:
        """The same requests, arriving this often."""
        return replace(self, requests_per_s=requests_per_s)


def from_lengths(
    prompt_tokens: ArrayLike,
    output_tokens: ArrayLike,
    cached_tokens: ArrayLike | None = None,
    *,
    requests_per_s: float,
) -> Workload:
    """The workload of requests with these lengths; all arrays of shape (requests,), at least one request.

    An output of no token counts as one, as the first token comes with the prefill.
    """
    prompt = np.asarray(prompt_tokens, dtype=np.float64)
    output = np.maximum(np.asarray(output_tokens, dtype=np.float64), 1.0)
    cached = 0.0 if cached_tokens is None else float(np.sum(cached_tokens))
    return Workload(
        requests_per_s=requests_per_s,
        prompt_tokens=float(prompt.mean()),
        output_tokens=float(output.mean()),
        kv_token_steps=float((output * (prompt + output / 2)).mean()),
        prompt_tokens_squared=float((prompt**2).mean()),
        output_tokens_squared=float((output**2).mean()),
        cached_fraction=cached / max(float(prompt.sum()), 1.0),
    )


def from_finished(finished: Finished, *, requests_per_s: float) -> Workload | Missing:
    """The workload whose requests look like those that finished; missing where none did."""
    if not finished.num or not finished.output_tokens:
        return Missing(reason="no request finished, so lengths are not known")
    num = finished.num
    return Workload(
        requests_per_s=requests_per_s,
        prompt_tokens=finished.prompt_tokens / num,
        output_tokens=max(1.0, finished.output_tokens / num),
        kv_token_steps=finished.kv_token_steps / num,
        prompt_tokens_squared=finished.prompt_tokens_squared / num,
        output_tokens_squared=finished.output_tokens_squared / num,
        cached_fraction=min(1.0, finished.cached_tokens / max(finished.prompt_tokens, 1.0)),
    )


def _variation(mean: float, mean_squared: float) -> float:
    return max(0.0, mean_squared / mean**2 - 1.0) if mean else 0.0

"""TPOT and TTFT of an engine that serves a steady number of requests, from its iteration time."""

from __future__ import annotations

import math
from typing import Final

from raytide.core.catalog.columns import EngineColumn

ROOFLINE_WAIT: Final = 0.87
MEASURED_WAIT: Final = 0.38
ITERATIONS: Final = 8
"""A first token waits for its own prompt and for those that arrive with it, about the square root of the batch, each a
share of the prefill time, and for the iterations that admit it. The share is smaller for a measured column, whose
prefill coefficient already holds what prefill does to decoding. Fitted to measured TTFT by
`benchmarks/estimate_vs_silicon.py --fit`: 0.872 and 7.97 for the roofline, 0.379 and 8.37 for the columns."""


def tpot_s(column: EngineColumn, num_requests: float, prompt_tokens: float, output_tokens: float) -> float:
    """Seconds per output token with this many requests at once, each replaced by the next as it ends.

    In a steady state an iteration prefills as many prompt tokens as requests end in it: `num_requests / output_tokens`
    prompts; and a request has produced half of its output on average.
    """
    kv_tokens = num_requests * (prompt_tokens + output_tokens / 2)
    prefill_tokens = num_requests * prompt_tokens / output_tokens
    return column.iteration_s(num_requests, kv_tokens, prefill_tokens)


def ttft_s(column: EngineColumn, num_requests: float, prompt_tokens: float, output_tokens: float) -> float:
    """Seconds to the first token with this many requests at once, where none waits for a place."""
    prefill_s = column.per_prefill_token_s * prompt_tokens
    iteration_s = tpot_s(column, num_requests, prompt_tokens, output_tokens)
    return wait_share(column) * prefill_s * (1 + math.sqrt(num_requests)) + ITERATIONS * iteration_s


def wait_share(column: EngineColumn) -> float:
    """The share of its prefill time that a first token waits for each unit of 1 + √batch."""
    return MEASURED_WAIT if column.is_measured else ROOFLINE_WAIT

"""Latency at a fixed number of requests in flight: what a benchmark with a concurrency measures.

A request that finishes is replaced at once. While all fit into the batch, TTFT is the prefill; beyond the KV cache, the
sequence limit or the chunk, the rest waits in the queue, and TTFT grows by Little's law while TPOT stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.steady import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """Means over requests and time."""

    tpot_s: float
    ttft_s: float
    running: float
    """Requests in the batch."""
    waiting: float
    """Requests that wait for a place in it."""
    limit: Limit | None
    """What keeps the waiting ones out; None where none waits."""

    @property
    def output_tokens_per_s(self) -> float:
        """Decode throughput of the replica."""
        return self.running / self.tpot_s


def closed_loop(
    engine: Engine, concurrency: float, prompt_tokens: float, output_tokens: float, cached_fraction: float = 0.0
) -> ClosedLoop:
    """The replica with this many equal requests in flight, at least one."""
    computed_tokens = (1.0 - cached_fraction) * prompt_tokens
    places, limit = _places(engine, prompt_tokens, computed_tokens, output_tokens)
    running = min(concurrency, places)
    prefill_tokens = max(running - 1.0, 0.0) * computed_tokens / output_tokens
    tpot_s = engine.iteration.seconds(running, running * (prompt_tokens + output_tokens / 2), prefill_tokens)
    waiting = concurrency - running
    queued_s = waiting * output_tokens * tpot_s / running
    return ClosedLoop(
        tpot_s=tpot_s,
        ttft_s=queued_s + prefill_s(engine, running - 1.0, prompt_tokens + output_tokens / 2, computed_tokens),
        running=running,
        waiting=waiting,
        limit=limit if waiting > 0 else None,
    )


def prefill_s(engine: Engine, sequences: float, context_tokens: float, computed_tokens: float) -> float:
    """Time to prefill one prompt beside this many decoding sequences, until its first token.

    Each iteration takes what the sequences leave of the chunk; at least one token, so that a full batch still ends.
    """
    free_tokens = max(1.0, engine.chunk_tokens - sequences)
    iterations = max(1.0, math.ceil(computed_tokens / free_tokens))
    beside_s = engine.iteration.seconds(sequences, sequences * context_tokens, 0.0)
    return iterations * beside_s + engine.iteration.per_prefill_token_s * computed_tokens


def _places(engine: Engine, prompt_tokens: float, computed_tokens: float, output_tokens: float) -> tuple[float, Limit]:
    """The most requests that decode at once, and what sets that.

    Of each chunk of B tokens n go to the decodes, and n·I/O to the prompts that replace finished requests.
    """
    places = {
        Limit.KV: engine.kv_capacity_tokens / (prompt_tokens + output_tokens / 2),
        Limit.SEQUENCES: float(engine.max_num_seqs),
        Limit.CHUNK: engine.chunk_tokens * output_tokens / (computed_tokens + output_tokens),
    }
    limit = min(places, key=places.__getitem__)
    return max(1.0, places[limit]), limit

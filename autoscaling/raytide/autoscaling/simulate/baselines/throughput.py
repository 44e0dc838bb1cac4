"""The highest rate of equal requests that one replica sustains with its TPOT within a bound, in closed form.

With n sequences in the batch, each of I prompt and O output tokens, every iteration also prefills n·I/O tokens, so

    T(n) = base + s·√n + a·n,    a = δ + γ·(I + O/2) + β·I/O

and n sequences finish n/(O·T) requests per second. Without the root term this is ρ = λ·(β·I + O·(δ + γ·(I + O/2))) with
ρ = 1 − base/T: the load that the bound allows. The KV cache, the chunk and the engine's maximum limit n too.
"""

from __future__ import annotations

from math import sqrt

from raytide.autoscaling.performance.engine import Engine


def requests_per_s(engine: Engine, prompt_tokens: float, output_tokens: float, tpot_s: float) -> float:
    """Requests per second of one replica at this bound; 0 where a single sequence is too slow."""
    iteration = engine.iteration
    per_sequence_s = (
        iteration.per_sequence_s
        + iteration.per_kv_token_s * (prompt_tokens + output_tokens / 2)
        + iteration.per_prefill_token_s * prompt_tokens / output_tokens
    )
    spare_s = tpot_s - iteration.base_s
    if spare_s <= 0.0:
        return 0.0
    num = min(
        _most(per_sequence_s, iteration.per_root_sequence_s, spare_s), _fitting(engine, prompt_tokens, output_tokens)
    )
    taken_s = iteration.base_s + iteration.per_root_sequence_s * sqrt(num) + per_sequence_s * num
    return num / (output_tokens * taken_s)


def _most(per_sequence_s: float, per_root_s: float, spare_s: float) -> float:
    """The greatest n with s·√n + a·n within the spare time."""
    if per_sequence_s <= 0.0:
        return (spare_s / per_root_s) ** 2 if per_root_s > 0.0 else float("inf")
    root = (sqrt(per_root_s**2 + 4.0 * per_sequence_s * spare_s) - per_root_s) / (2.0 * per_sequence_s)
    return root * root


def _fitting(engine: Engine, prompt_tokens: float, output_tokens: float) -> float:
    by_kv = engine.kv_capacity_tokens / (prompt_tokens + output_tokens / 2)
    by_chunk = engine.chunk_tokens * output_tokens / (prompt_tokens + output_tokens)
    return min(engine.max_num_seqs, by_kv, by_chunk)

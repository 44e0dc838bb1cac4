"""The time of one engine iteration, and the limits of one engine: the facts that every prediction rests on.

An iteration decodes one token of every running sequence and prefills at most one chunk of prompt tokens:

    T(n, K, p) = base + per_sequence·n + per_root_sequence·√n + per_kv_token·K + per_prefill_token·p

with `n` decoding sequences, `K` tokens of KV cache that they hold, and `p` prompt tokens. The √n term is the curvature
that expert routing and the tiles of a matrix product add; five terms predict measured engines to 4 % (see `fit`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """Seconds of one iteration, term by term."""

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    per_root_sequence_s: float = 0.0

    def seconds(self, num_sequences: float, kv_tokens: float, prefill_tokens: float) -> float:
        """The time of an iteration with this batch."""
        root_sequences: float = num_sequences**0.5
        return (
            self.base_s
            + self.per_sequence_s * num_sequences
            + self.per_root_sequence_s * root_sequences
            + self.per_kv_token_s * kv_tokens
            + self.per_prefill_token_s * prefill_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One replica's engine: how long its iterations take, and how much fits into one."""

    iteration: Iteration
    kv_capacity_tokens: int
    """Tokens of KV cache that fit into the memory of the whole replica."""
    chunk_tokens: int = 2048
    """Most tokens that one iteration computes (`max_num_batched_tokens`)."""
    max_num_seqs: int = 256
    """Most sequences in a batch."""

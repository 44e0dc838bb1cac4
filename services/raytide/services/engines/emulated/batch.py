"""Continuous batching, iteration by iteration, by the rules of the simulator's kernel; knows no clock.

Every iteration decodes the whole batch and fills the rest of the chunk with prompt tokens of the oldest waiting
sequences. Where the KV cache is full, the sequence that was admitted last gives its memory back and waits first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from raytide.autoscaling.performance.engine import Engine


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """One answer that is being written."""

    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    generated: int = 0
    prefill_left: int = 0
    """Prompt tokens to compute once it has been admitted."""

    @property
    def context_tokens(self) -> int:
        """What it holds in the KV cache when its prompt, and what was generated before, are computed."""
        return self.prompt_tokens + self.generated

    @property
    def is_finished(self) -> bool:
        """Whether it has its last token."""
        return self.generated >= self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """What one iteration computes."""

    seconds: float
    num_sequences: int
    """That decode a token."""
    kv_tokens: int
    """That they read."""
    prefill_tokens: int


@dataclass(slots=True, eq=False)
class Batch:
    """The sequences of one engine."""

    engine: Engine
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)
    """That decode, in the order in which they joined."""
    _partial: Sequence | None = None
    """Whose prompt is computed in part."""
    _fresh: list[Sequence] = field(default_factory=list)
    """Whose prompts are complete when the iteration under way ends."""

    @property
    def num_sequences(self) -> int:
        """In the batch, their prompts complete or not."""
        return len(self.running) + len(self._fresh) + (self._partial is not None)

    @property
    def held_tokens(self) -> int:
        """KV cache in use, or reserved for prompts under way."""
        joining = (*self._fresh, *((self._partial,) if self._partial else ()))
        tokens: int = self._decode_tokens + sum(sequence.context_tokens for sequence in joining)
        return tokens

    @property
    def waiting_prompt_tokens(self) -> int:
        """Prompt tokens to compute, of waiting and partly computed sequences."""
        partial = self._partial.prefill_left if self._partial else 0
        return partial + sum(_to_compute(sequence) for sequence in self.waiting)

    def add(self, sequence: Sequence) -> None:
        """Joins when the iteration under way ends."""
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Its client has gone; nothing happens where it has finished already."""
        for where in (self.waiting, self.running, self._fresh):
            if sequence in where:
                where.remove(sequence)
        if self._partial is sequence:
            self._partial = None

    def begin(self) -> Iteration | None:
        """The next iteration; None where there is nothing to do."""
        while self.held_tokens + len(self.running) > self.engine.kv_capacity_tokens and self.num_sequences > 1:
            self._give_way()
        prefill_tokens = self._admit()
        if not self.running and not prefill_tokens:
            return None
        num, kv_tokens = len(self.running), self._decode_tokens
        seconds = self.engine.iteration.seconds(num, kv_tokens, prefill_tokens)
        return Iteration(seconds=seconds, num_sequences=num, kv_tokens=kv_tokens, prefill_tokens=prefill_tokens)

    def end(self) -> list[Sequence]:
        """Every sequence that has a token more; those that have their last one leave."""
        grown = [*self.running, *self._fresh]
        for sequence in grown:
            sequence.generated += 1
        self._fresh = []
        self.running = [sequence for sequence in grown if not sequence.is_finished]
        return grown

    @property
    def _decode_tokens(self) -> int:
        """The KV cache that a decode step reads: the latest token of a sequence is not in it yet."""
        return sum(sequence.context_tokens - 1 for sequence in self.running)

    def _admit(self) -> int:
        """Fill the chunk with prompt tokens; returns how many."""
        chunk = budget = self.engine.chunk_tokens - len(self.running)
        if self._partial is not None:
            budget -= self._compute(self._partial, budget)
        while budget > 0 and self.waiting and self._partial is None and self._fits(self.waiting[0]):
            sequence = self.waiting.popleft()
            sequence.prefill_left = _to_compute(sequence)
            budget -= self._compute(sequence, budget)
        return chunk - budget

    def _compute(self, sequence: Sequence, budget: int) -> int:
        taken = max(0, min(sequence.prefill_left, budget))
        sequence.prefill_left -= taken
        self._partial = sequence if sequence.prefill_left else None
        if not sequence.prefill_left:
            self._fresh.append(sequence)
        return taken

    def _fits(self, sequence: Sequence) -> bool:
        """A place in the batch, and memory for the whole prompt beside one more token for every other sequence."""
        num = len(self.running) + len(self._fresh)
        if num >= self.engine.max_num_seqs:
            return False
        needed = self.held_tokens + sequence.context_tokens + len(self.running)
        return num == 0 or needed <= self.engine.kv_capacity_tokens

    def _give_way(self) -> None:
        last, self._partial = self._partial or self.running.pop(), None
        last.cached_tokens = 0
        self.waiting.appendleft(last)


def _to_compute(sequence: Sequence) -> int:
    return max(1, sequence.context_tokens - sequence.cached_tokens)

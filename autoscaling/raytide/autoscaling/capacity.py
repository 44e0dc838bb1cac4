"""What one replica can do, as measured on the replica itself before it takes traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPoint:
    """Decoding with a fixed number of sequences in the batch."""

    concurrency: int
    tpot_s: float
    output_tokens_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A replica's measured throughput: prefill alone, and decode at rising concurrency."""

    prefill_tokens_per_s: float
    points: tuple[CapacityPoint, ...]
    """In order of concurrency; at least one."""

    @property
    def peak_output_tokens_per_s(self) -> float:
        """The highest decode throughput at any measured concurrency."""
        return max(point.output_tokens_per_s for point in self.points)

    def within(self, tpot_bound_s: float) -> CapacityPoint | None:
        """The measured point with the most output tokens per second whose TPOT keeps the bound; None if none does."""
        kept = [point for point in self.points if point.tpot_s <= tpot_bound_s]
        return max(kept, key=lambda point: point.output_tokens_per_s) if kept else None

    def to_json(self) -> dict[str, Any]:
        """Plain data for reports and the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Capacity:
        """The inverse of `to_json`."""
        points = tuple(CapacityPoint(**point) for point in data["points"])
        return cls(prefill_tokens_per_s=data["prefill_tokens_per_s"], points=points)


def busy_s_per_request(
    point: CapacityPoint, prefill_tokens_per_s: float, prompt_tokens: float, output_tokens: float
) -> float:
    """Seconds of a whole replica that one such request uses: its prefill, and its share of the decode batch."""
    prefill_s = prompt_tokens / prefill_tokens_per_s
    decode_s = output_tokens / point.output_tokens_per_s
    return prefill_s + decode_s

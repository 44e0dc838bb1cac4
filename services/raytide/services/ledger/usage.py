"""What a request used, as it is billed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    """The client left, or its deadline passed; what it had received until then is charged."""
    FAILED = "failed"
    """Nothing is charged."""
    LOST = "lost"
    """Its gateway ended without saying; nothing is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The end of a request that held a reservation."""

    request_id: str
    outcome: Outcome
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A request that was billed."""

    request_id: str
    key_id: str
    service: str
    outcome: Outcome
    prompt_tokens: int
    output_tokens: int
    charged_nano_usd: int
    ended_s: float


@dataclass(frozen=True, slots=True)
class UsageSum:
    """What one key used of one service."""

    key_id: str
    service: str
    num_requests: int
    prompt_tokens: int
    output_tokens: int
    charged_nano_usd: int

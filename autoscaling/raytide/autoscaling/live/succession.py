"""One revision's part in a rollout: what it is allowed to take, and what the gateways have counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from raytide.autoscaling.rollout.evidence import NOTHING_COUNTED, Tally
from raytide.autoscaling.rollout.rollout import Canary

ALLOWED_S: Final = 30.0
"""How long a word of the conductor holds. A canary that nobody judges any more gets no more requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesOver:
    """What makes a revision a canary: rules by which it replaces the one that serves."""

    rules: Canary
    applied_s: float
    """When it was asked for: a revision may be tried twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Allowed:
    at_s: float
    share: float
    replicas: int
    rollout: Mapping[str, Any]


class Succession:
    """Level-triggered: the conductor repeats itself every few seconds, and so does each gateway."""

    def __init__(self) -> None:
        self._allowed: _Allowed | None = None
        self._counted: dict[str, Tally] = {}

    def allow(self, share: float, replicas: int, rollout: Mapping[str, Any], now_s: float) -> None:
        """Take this share of the requests from now on, and have so many replicas at least."""
        self._allowed = _Allowed(at_s=now_s, share=share, replicas=replicas, rollout=rollout)

    def count(self, gateway: str, tally: Tally) -> None:
        """What a gateway has counted since it began."""
        self._counted[gateway] = tally

    @property
    def tally(self) -> Tally:
        """Of all gateways together."""
        return sum(self._counted.values(), NOTHING_COUNTED)

    def share(self, now_s: float) -> float:
        """Of the service's requests, while the conductor says so."""
        allowed = self._now(now_s)
        return allowed.share if allowed else 0.0

    def replicas(self, now_s: float) -> int:
        """At least to have: one where nobody says how many, so that a canary is there to be judged."""
        allowed = self._now(now_s)
        return allowed.replicas if allowed else 1

    def rollout(self, now_s: float) -> Mapping[str, Any] | None:
        """How it stands, as plain data; None where nobody said so lately."""
        allowed = self._now(now_s)
        return allowed.rollout if allowed else None

    def _now(self, now_s: float) -> _Allowed | None:
        allowed = self._allowed
        return allowed if allowed and now_s - allowed.at_s <= ALLOWED_S else None

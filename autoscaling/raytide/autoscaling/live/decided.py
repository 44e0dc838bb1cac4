"""What the live rule wants and why: reasons, the price of each target, and what the rule remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raytide.autoscaling import decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many replicas were needed at one moment, before stabilising."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a decision must remember for the next one: per variant, the needs of the stabilisation window."""

    needs: Mapping[str, tuple[Need, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDecision(decision.VariantDecision):
    """The wanted number of replicas of one variant, with its price."""

    usd_per_hour: float | None
    """What the target costs; None where the price is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(decision.Decision):
    """Targets for every variant at one moment, and what to remember."""

    variants: tuple[VariantDecision, ...]
    state: State

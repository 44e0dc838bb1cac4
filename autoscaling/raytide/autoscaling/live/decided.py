"""What the autoscaler wants and why. Reasons are data: the journal, the status and the demo print the same facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Rule(StrEnum):
    """The rule that set a target: the binding constraint."""

    DEMAND = "demand"
    """Demand over the measured capacity of a replica."""
    OBJECTIVE = "objective"
    """Requests missed the objective although demand seemed covered: one replica more."""
    MIN_REPLICAS = "min-replicas"
    MAX_REPLICAS = "max-replicas"
    BUDGET = "budget"
    STABILISED = "stabilised"
    """Fewer would do, but not yet for long enough."""
    HELD = "held"
    """Something needed for the decision is missing, so the target stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One step of a decision, in words and as numbers."""

    rule: Rule
    says: str
    facts: Mapping[str, float] = field(default_factory=dict)


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
class VariantDecision:
    """The wanted number of replicas of one variant."""

    variant: str
    target: int
    previous: int
    reasons: tuple[Reason, ...]
    """In the order in which they applied; the last one is the binding constraint."""
    usd_per_hour: float | None
    """What the target costs; None where the price is missing."""

    @property
    def binding(self) -> Reason:
        """The constraint that set the target."""
        return self.reasons[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Targets for every variant at one moment, and what to remember."""

    at_s: float
    variants: tuple[VariantDecision, ...]
    state: State

    @property
    def changes(self) -> tuple[VariantDecision, ...]:
        """The variants whose target differs from what Serve runs at present."""
        return tuple(variant for variant in self.variants if variant.target != variant.previous)

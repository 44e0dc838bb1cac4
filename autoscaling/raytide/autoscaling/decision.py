"""What the autoscaler wants and why. Reasons are data: journal, status and explanations print the same facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from raytide.autoscaling.observation import Observation
from raytide.autoscaling.terms import Terms


class Rule(StrEnum):
    """The rule that set a target."""

    DEMAND = "demand"
    """What is forecast needs this many."""
    JUMP = "jump"
    """The load is a new one, higher than any that was seen."""
    BACKLOG = "backlog"
    """Requests that wait already need more than the forecast."""
    OBJECTIVE = "objective"
    """The objective was missed although the prediction said otherwise."""
    PRICE = "price"
    """Another mix costs less."""
    STABILISED = "stabilised"
    """Fewer would do, but not for long enough to be worth a restart."""
    IN_FLIGHT = "in-flight"
    """Work in the batches needs this many."""
    MIN_REPLICAS = "min-replicas"
    MAX_REPLICAS = "max-replicas"
    QUOTA = "quota"
    BUDGET = "budget"
    UNAVAILABLE = "unavailable"
    """Capacity of this kind cannot be had at present."""
    SHED = "shed"
    """The bounds allow less than is needed now, so requests are turned away."""
    HELD = "held"
    """Something needed for the decision is missing, so the target stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One step of a decision, in words and as numbers."""

    rule: Rule
    says: str
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDecision:
    """The wanted number of replicas of one variant."""

    variant: str
    target: int
    previous: int
    reasons: tuple[Reason, ...]
    """In the order in which they applied; the last one is the binding constraint."""

    @property
    def binding(self) -> Reason:
        """The constraint that set the target."""
        return self.reasons[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Targets for every variant at one moment, whom to let in, and what to remember for the next."""

    at_s: float
    variants: tuple[VariantDecision, ...]
    state: Any
    """Frozen; of the policy's own type."""
    served: Mapping[str, float] = field(default_factory=dict)
    """The share of each traffic class that the gateway lets in, from 0 to 1; of a class that is not named, all."""
    reasons: tuple[Reason, ...] = ()
    """Of the shares, where one is below 1."""

    @property
    def changes(self) -> tuple[VariantDecision, ...]:
        """The variants whose target differs from what is wanted at present."""
        return tuple(variant for variant in self.variants if variant.target != variant.previous)


class Policy(Protocol):
    """Sizes a service: ours, and every peer's that it is compared with. Pure: no clock, no I/O, never raises."""

    @property
    def name(self) -> str:
        """As in the league table."""

    @property
    def interval_s(self) -> float:
        """Time between two decisions."""

    def begin(self, observation: Observation, terms: Terms) -> Any:
        """The state of a policy that starts beside whatever runs already."""

    def decide(self, observation: Observation, terms: Terms, state: Any, now_s: float) -> Decision:
        """The target of every variant, with reasons, and the state for the next call."""

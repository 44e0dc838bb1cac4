"""Raytide, and a record of everything that it saw and decided: what the journal of a simulated run is written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.journal import Entry, entered
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms


@dataclass(slots=True, kw_only=True)
class Recorded:
    """Decides as the policy does; mutable, because it remembers."""

    policy: Raytide
    entries: list[Entry] = field(default_factory=list)
    _begins: bool = False

    @property
    def name(self) -> str:
        """As the policy is called."""
        return self.policy.name

    @property
    def interval_s(self) -> float:
        """As often as the policy decides."""
        return self.policy.interval_s

    def begin(self, observation: Observation, terms: Terms) -> Knowledge:
        """A beginning, which the next decision is marked with."""
        self._begins = True
        return self.policy.begin(observation, terms)

    def decide(self, observation: Observation, terms: Terms, state: Knowledge, now_s: float) -> Decision:
        """The policy's decision, recorded."""
        decision = self.policy.decide(observation, terms, state, now_s)
        self.entries.append(entered(self.policy, terms, observation, decision, begins=self._begins))
        self._begins = False
        return decision

"""The policy: learn, forecast, size, steady, look ahead, spread, shed; every step says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.policy.ahead import ahead, as_first, running
from raytide.autoscaling.policy.awake import awake
from raytide.autoscaling.policy.hold import held
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.learn import begin, learn
from raytide.autoscaling.policy.regret import Regret, soon_s
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.shed import Admission, admission, still_served
from raytide.autoscaling.policy.size import size
from raytide.autoscaling.policy.spread import spread
from raytide.autoscaling.policy.steady import steady
from raytide.autoscaling.policy.supply import Supply, supplies_of
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Raytide:
    """Sizes a service for the quantile of its forecast that its error budget can afford."""

    settings: Settings = field(default_factory=Settings)
    name: str = "raytide"
    interval_s: float = 5.0

    def begin(self, observation: Observation, terms: Terms) -> Knowledge:
        """Nothing learnt yet; what runs is left running until a whole hold was watched."""
        return begin(terms, self.settings)

    def decide(self, observation: Observation, terms: Terms, state: Knowledge, now_s: float) -> Decision:
        """The target of every variant, with reasons, and what was learnt; never raises, reads no clock."""
        supplies, demand = supplies_of(observation, terms, state), observation.demand
        if isinstance(supplies, Missing):
            return _held(observation, terms, state, now_s, supplies.reason)
        if isinstance(demand, Missing):
            return _held(observation, terms, state, now_s, demand.reason)
        known = learn(state, demand, supplies, terms, self.settings, now_s, self.interval_s)
        slowest_s = max(supply.cold_start_s for supply in supplies)
        sized, known = size(known, supplies, terms, self.settings, lead_s=slowest_s)
        sized = awake(sized, known, supplies, terms, observation.num_queued, now_s)
        hold_s = max(self.settings.least_hold_s, self.settings.hold_cold_starts * slowest_s)
        before = running(supplies)
        count, reasons, wishes = steady(sized, before, known.wishes, hold_s=hold_s, now_s=now_s)
        needed, known = ahead(count, known, supplies, terms, self.settings, now_s)
        targets, binding = spread(needed, supplies, _others(observation, supplies), terms, known, now_s)
        admitted = admission(count, targets, supplies, terms, known)
        regret = self._regret(known, as_first(targets, supplies) - before, slowest_s, now_s)
        known = replace(known, wishes=wishes, served=admitted.served, regret=regret)
        return _decision(observation, targets, (*reasons, *binding), admitted, known, now_s)

    def _regret(self, known: Knowledge, more: int, cold_start_s: float, now_s: float) -> Regret:
        """Of what is really let go: bounds, and replicas that are paid for anyway, may keep what is not needed."""
        half_life_s = self.settings.half_life_s
        return known.regret.after(known.last_span_s, more, now_s, soon_s=soon_s(cold_start_s), half_life_s=half_life_s)


def settings() -> tuple[Raytide, ...]:
    """Twelve settings for a tuned column, as many as every peer has; the default first."""
    shares = ((0.6, 0.7), (0.6, 0.4), (0.6, 1.1), (0.4, 0.7), (0.8, 0.7), (1.0, 0.7), (0.3, 1.1))
    usual = tuple(Settings(budget_share=budget, standing_share=standing) for budget, standing in shares)
    holds = tuple(Settings(hold_cold_starts=hold) for hold in (1.0, 2.5))
    others = (Settings(half_life_s=10800.0), Settings(return_doubt=3.0), Settings(return_doubt=8.0))
    return tuple(Raytide(settings=each) for each in (*usual, *holds, *others))


def _others(observation: Observation, supplies: tuple[Supply, ...]) -> tuple[VariantView, ...]:
    """The variants of whose engines nothing is known."""
    names = {supply.variant.name for supply in supplies}
    return tuple(view for view in observation.variants if view.name not in names)


def _held(observation: Observation, terms: Terms, known: Knowledge, now_s: float, why: str) -> Decision:
    """Every target as it is, within the bounds."""
    num_missing = known.num_missing + 1
    reason = Reason(rule=Rule.HELD, says=f"held: {why}", facts={"in_a_row": num_missing})
    targets, binding = held(observation.variants, terms, observation.num_queued)
    admitted = still_served(terms, known, reason)
    known = replace(known, num_missing=num_missing)
    return _decision(observation, targets, (reason, *binding), admitted, known, now_s)


def _decision(
    observation: Observation,
    targets: Mapping[str, int],
    reasons: tuple[Reason, ...],
    admitted: Admission,
    known: Knowledge,
    now_s: float,
) -> Decision:
    decided = tuple(
        VariantDecision(variant=view.name, target=targets[view.name], previous=view.target, reasons=reasons)
        for view in observation.variants
    )
    return Decision(at_s=now_s, variants=decided, state=known, served=admitted.served, reasons=admitted.reasons)

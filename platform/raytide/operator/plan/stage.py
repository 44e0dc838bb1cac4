"""The step from the revisions that run to the one that is declared: in place, by a restart, or by a canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from raytide.autoscaling.live.succession import TakesOver
from raytide.autoscaling.rollout.rollout import Canary
from raytide.operator.plan.diff import Plan, Verb, plan
from raytide.services.rollout.revisions import Application, Revisions, as_canary, named, revision_of, takes_over


def step_to(desired: Application, rules: Canary | None, revisions: Revisions, now_s: float) -> Plan:
    """The step; `rules` are those of a canary, None where a new revision is to take over at once.

    A service goes on under the name of its stable application. A canary that is under way ends where it is not the
    revision that is declared.
    """
    stable, canary = revisions.stable, revisions.canary
    if stable is None:
        return plan(desired, None)
    if revisions.is_down:
        return _ending(plan(named(desired, stable["name"]), None), canary)
    if rules is None or revision_of(desired) == revision_of(stable):
        return _ending(plan(named(desired, stable["name"]), stable), canary)
    if canary is not None and revision_of(canary) == revision_of(desired):
        return plan(as_canary(desired, TakesOver(rules=rules, applied_s=takes_over(canary).applied_s)), canary)
    tried = plan(as_canary(desired, TakesOver(rules=rules, applied_s=now_s)), None)
    return _ending(replace(tried, verb=Verb.CANARY), canary)


def _ending(step: Plan, canary: Mapping[str, Any] | None) -> Plan:
    if canary is None:
        return step
    verb = Verb.UPDATE if step.verb is Verb.NOTHING else step.verb
    return replace(step, verb=verb, ends=canary["name"])

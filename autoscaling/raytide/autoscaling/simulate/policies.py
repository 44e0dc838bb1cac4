"""The policies by name: ours, every peer's, and the two that know the future."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Final

from raytide.autoscaling.cotune import propose
from raytide.autoscaling.decision import Policy
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.capacity import Infeasible
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.workload import Workload, from_lengths
from raytide.autoscaling.simulate.baselines import PEERS
from raytide.autoscaling.simulate.case import Case, constant, smallest_static
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle, clairvoyant
from raytide.autoscaling.simulate.oracle.plan import Planned
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError
from raytide.autoscaling.terms import Objective, Terms
from raytide.core.errors import RaytideError
from raytide.core.spec.suggest import nearest

RAYTIDE: Final = "raytide"
COTUNED: Final = "raytide-cotuned"
"""Raytide with the chunk budget that follows from the objective and the trace's lengths."""
STATIC_PEAK: Final = "static-peak"
"""The smallest constant fleet that keeps the objective, chosen in hindsight."""
ORACLE: Final = "oracle"
"""The cheapest plan found by whoever knows every request beforehand."""

LEAGUE: Final = (RAYTIDE, COTUNED, STATIC_PEAK, *PEERS)
NAMES: Final = (*LEAGUE, ORACLE)


class UnknownPolicy(RaytideError):
    """No policy has this name."""

    exit_code = 2


def require_known(name: str) -> None:
    """Returns where a policy has this name, and raises UnknownPolicy otherwise."""
    if name not in NAMES:
        meant = nearest(name, NAMES)
        hint = f"did you mean {meant!r}?" if meant else f"known are {', '.join(NAMES)}"
        raise UnknownPolicy(f"no policy is named {name!r}; {hint}")


def settings_of(name: str) -> tuple[Policy, ...]:
    """Twelve settings of a policy, its defaults first; one or none for those that are searched in hindsight."""
    if name in PEERS:
        return PEERS[name]()
    if name in (RAYTIDE, COTUNED):
        own = import_module("raytide.autoscaling.policy")
        default: Policy = own.Raytide()
        return (default, *(settings for settings in own.settings() if settings != default))
    return ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entrant:
    """A policy with the case that it plays."""

    policy: Policy
    case: Case


def entrant(name: str, case: Case, setting: int = 0, oracle: Oracle | None = None) -> Entrant:
    """A named policy on a case, in one of its settings; the two that know the future are searched here."""
    if name == STATIC_PEAK:
        return _constant(case, smallest_static(case))
    if name == ORACLE:
        return _with_foresight(case, oracle or clairvoyant(case.trace, case.terms, case.conditions))
    own = replace(case, terms=cotuned(case.terms, case.trace)) if name == COTUNED else case
    return Entrant(policy=_deciding(settings_of(name)[setting], own), case=own)


def _deciding(policy: Policy, case: Case) -> Policy:
    """The policy, where it gets to decide at all."""
    length_s = case.conditions.num_laps * case.trace.span_s
    if length_s < policy.interval_s:
        raise TraceError(
            f"trace {case.trace.name} is over after {length_s:g} s and {policy.name} decides every "
            f"{policy.interval_s:g} s; use a longer trace or more laps"
        )
    return policy


def cotuned(terms: Terms, trace: Trace) -> Terms:
    """The terms with the largest chunk budget that keeps TPOT for lengths like the trace's."""
    workload = from_lengths(
        trace.prompt_tokens, trace.output_tokens, trace.cached_tokens, requests_per_s=trace.requests_per_s
    )
    variants = tuple(
        replace(variant, engine=_tuned(variant.engine, workload, terms.objective)) for variant in terms.variants
    )
    return replace(terms, variants=variants)


def _tuned(engine: Engine | Missing, workload: Workload, objective: Objective) -> Engine | Missing:
    if isinstance(engine, Missing):
        return engine
    tuning = propose(engine, workload, objective)
    return engine if isinstance(tuning, Infeasible) else replace(engine, chunk_tokens=tuning.chunk_tokens)


def _constant(case: Case, num_replicas: int) -> Entrant:
    """A fleet that has always been of this size."""
    conditions = replace(case.conditions, initial_replicas=num_replicas)
    policy = constant(num_replicas, case.trace, STATIC_PEAK)
    return Entrant(policy=policy, case=replace(case, conditions=conditions))


def _with_foresight(case: Case, oracle: Oracle) -> Entrant:
    """The plan, carried out in one lap that starts with what it starts with."""
    interval_s = float(math.gcd(int(oracle.plan.window_s), int(case.cold_start_s)))
    policy = Planned(plan=oracle.plan, lead_s=case.cold_start_s, interval_s=interval_s)
    conditions = replace(case.conditions, num_laps=1, initial_replicas=oracle.plan.at(0.0), metric_delay_s=0)
    return Entrant(policy=policy, case=replace(case, conditions=conditions))

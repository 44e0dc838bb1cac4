"""What would have changed a decision: the policy asked again, with one thing otherwise.

Bounds, budget, quotas, hold, objective and circuit breakers are taken away or moved one at a time; prices and the work
of a request are moved until the decision tips. The work is scaled where the forecast becomes a number of replicas, at
the price of a miss as it was: the answer is the size that would have been worth having, before any hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.explain.explanation import Counterfactual
from raytide.autoscaling.explain.facts import forecast_facts
from raytide.autoscaling.explain.moment import Moment
from raytide.autoscaling.explain.price import usd_per_hour
from raytide.autoscaling.forecast.ensemble import outlook
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy.learn import learn
from raytide.autoscaling.policy.regret import NOTHING_REGRETTED
from raytide.autoscaling.policy.size import standing_sizes
from raytide.autoscaling.policy.supply import supplies_of
from raytide.autoscaling.policy.worth import worth_having
from raytide.autoscaling.terms import Terms, Variant

Floats = NDArray[np.float64]
Targets = Mapping[str, int]

_UNBOUNDED: Final = 8
"""As a multiple of the declared most: what is not wanted then is not wanted at all."""
_HALVINGS: Final = 10
_MOST_WORK: Final = 4.0
_LEAST_WORK: Final = 0.25
_LOOKS: Final = 40
"""Factors that are looked at on the way there: sizes need not rise with the work where a fleet cannot help any more."""
_CHEAPEST: Final = 0.05
"""Of the price."""
_MOST_PRICED: Final = 6
"""Variants: each takes a dozen decisions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Otherwise:
    change: str
    moment: Moment


def counterfactuals(moment: Moment) -> tuple[tuple[Counterfactual, ...], tuple[str, ...]]:
    """What would have changed the decision, each with what would have been decided; and what would not have."""
    decided = _targets(moment)
    tried = [*(_counterfactual(one.change, _targets(one.moment), moment) for one in _single_changes(moment))]
    would = [one for one in tried if dict(one.targets) != dict(decided)]
    would_not = tuple(one.change for one in tried if dict(one.targets) == dict(decided))
    return (*would, *_tipping_work(moment), *_tipping_prices(moment, decided)), would_not


def _targets(moment: Moment) -> dict[str, int]:
    entry = moment.entry
    decision = entry.policy.decide(entry.observation, entry.terms, moment.known, entry.decision.at_s)
    return {variant.variant: variant.target for variant in decision.variants}


def _counterfactual(change: str, targets: Targets, moment: Moment) -> Counterfactual:
    return Counterfactual(change=change, targets=targets, usd_per_hour=usd_per_hour(targets, moment.entry.terms))


def _single_changes(moment: Moment) -> Iterator[_Otherwise]:
    terms, settings = moment.entry.terms, moment.entry.policy.settings
    yield _with_terms(f"no max_replicas ({terms.max_replicas})", moment, most := _unbounded(terms))
    if terms.min_replicas:
        yield _with_terms(f"no min_replicas ({terms.min_replicas})", moment, replace(terms, min_replicas=0))
    if terms.max_usd_per_hour is not None:
        free = replace(terms, max_usd_per_hour=None)
        yield _with_terms(f"no budget (${terms.max_usd_per_hour:g}/h)", moment, free)
        yield _with_terms("no budget and no max_replicas", moment, replace(most, max_usd_per_hour=None))
    for variant in terms.variants:
        if variant.max_replicas is not None:
            quota = f"no quota of {variant.name} ({variant.max_replicas})"
            yield _with_terms(quota, moment, _with_variant(terms, replace(variant, max_replicas=None)))
    at_once = replace(settings, least_hold_s=0.0, hold_cold_starts=0.0, return_doubt=1.0)
    unheld = replace(moment.entry.policy, settings=at_once)
    calm = replace(moment.known, regret=NOTHING_REGRETTED)
    careless = replace(moment, entry=replace(moment.entry, policy=unheld), known=calm)
    yield _Otherwise(change="no hold and no doubt before a replica is let go", moment=careless)
    yield from _objectives(moment)
    if any(breaker.num_failures for breaker in moment.known.breakers.values()):
        known = replace(moment.known, breakers={})
        yield _Otherwise(change="no order had failed", moment=replace(moment, known=known))


def _objectives(moment: Moment) -> Iterator[_Otherwise]:
    """Half and twice the misses that the objective allows."""
    objective = moment.entry.terms.objective
    for factor in (0.5, 2.0):
        wanted = 1.0 - factor * (1.0 - objective.attainment)
        if 0.0 < wanted < 1.0:
            other = replace(moment.entry.terms, objective=replace(objective, attainment=wanted))
            yield _with_terms(f"an attainment of {wanted * 100:.6g}%", moment, other)


def _tipping_work(moment: Moment) -> Iterator[Counterfactual]:
    """The factors nearest to one on the work of a request at which more, or fewer, replicas are worth having."""
    sized = _sized(moment)
    if sized is None:
        return
    now = sized(1.0)
    for far, sign in ((_MOST_WORK, 1), (_LEAST_WORK, -1)):
        tips = partial(_differs, sized, now, sign)
        first = next((factor for factor in np.geomspace(1.0, far, _LOOKS).tolist() if tips(factor)), None)
        if first is not None:
            factor = _tipping(tips, first)
            change = f"requests of {factor:.2f} times the work, before any hold or bound"
            yield _counterfactual(change, {moment.entry.terms.variants[0].name: sized(factor)}, moment)


def _differs(sized: Callable[[float], int], now: int, sign: int, factor: float) -> bool:
    return (sized(factor) - now) * sign > 0


def _sized(moment: Moment) -> Callable[[float], int] | None:
    """How many replicas of the first variant are worth having, by a factor on the work, at the price that a miss had.

    None where the decision rests on no forecast.
    """
    entry, facts = moment.entry, forecast_facts(moment.entry.decision)
    supplies, demand = supplies_of(entry.observation, entry.terms, moment.known), entry.observation.demand
    if facts is None or isinstance(supplies, Missing) or isinstance(demand, Missing):
        return None
    policy = entry.policy
    known = learn(moment.known, demand, supplies, entry.terms, policy.settings, entry.decision.at_s, policy.interval_s)
    seen = outlook(known.forecast)
    if seen is None:
        return None
    most = math.ceil(_MOST_WORK * max(entry.terms.max_replicas, facts["standing_size"]))
    budget = policy.settings.standing_share * policy.settings.budget_share * (1.0 - entry.terms.objective.attainment)
    places = np.arange(most + 1, dtype=np.float64)

    def wanted(factor: float) -> int:
        bears: Floats = places * (facts["bears_per_replica"] / factor)
        worth = worth_having(seen.share_above(bears), facts["requests_per_s"], facts["price_misses_per_s"])
        return min(worth, *standing_sizes(known, facts["bears_per_replica"] / factor, (budget,)))

    return wanted


def _tipping_prices(moment: Moment, decided: Targets) -> Iterator[Counterfactual]:
    """The price below which each variant that is not wanted would be; nothing where there is one variant."""
    variants = moment.entry.terms.variants
    unwanted = [one for one in variants if len(variants) > 1 and not decided.get(one.name, 0)]
    for variant in unwanted[:_MOST_PRICED]:
        if not isinstance(variant.usd_per_hour, Missing):
            yield from _tipping_price(moment, variant.name, variant.usd_per_hour)


def _tipping_price(moment: Moment, name: str, usd: float) -> Iterator[Counterfactual]:
    def priced(factor: float) -> Terms:
        return _with_variant(moment.entry.terms, replace(moment.entry.terms.variant(name), usd_per_hour=factor * usd))

    def wants(factor: float) -> bool:
        return _targets(_under(moment, priced(factor))).get(name, 0) > 0

    if wants(_CHEAPEST):
        factor = _tipping(wants, _CHEAPEST)
        targets = _targets(_under(moment, priced(factor)))
        change = f"{name} at ${factor * usd:.2f}/h instead of ${usd:.2f}/h"
        yield Counterfactual(change=change, targets=targets, usd_per_hour=usd_per_hour(targets, priced(factor)))


def _tipping(tips: Callable[[float], bool], far: float) -> float:
    """The factor nearest to one that tips, between one and `far`, which does; by bisection of its logarithm."""
    near = 1.0
    for _ in range(_HALVINGS):
        middle = (near * far) ** 0.5
        near, far = (near, middle) if tips(middle) else (middle, far)
    return far


def _unbounded(terms: Terms) -> Terms:
    return replace(terms, max_replicas=_UNBOUNDED * max(1, terms.max_replicas))


def _with_variant(terms: Terms, other: Variant) -> Terms:
    """The terms with this one in the place of the variant of its name."""
    return replace(terms, variants=tuple(other if one.name == other.name else one for one in terms.variants))


def _with_terms(change: str, moment: Moment, terms: Terms) -> _Otherwise:
    return _Otherwise(change=change, moment=_under(moment, terms))


def _under(moment: Moment, terms: Terms) -> Moment:
    return replace(moment, entry=replace(moment.entry, terms=terms))

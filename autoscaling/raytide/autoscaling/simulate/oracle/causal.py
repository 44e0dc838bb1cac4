"""The cheapest fleet of a controller that knows the law of its load, but not the moment at which anything happens.

Nothing that announces itself in no way can be served before it happens, except by replicas that stand ready. So the
denominator for such a load is not the clairvoyant plan but the best of what acts on the past alone: of the given
policies, played over laps that they have already seen once, the cheapest that keeps the objective, each with the least
standing headroom with which it does. Chosen in hindsight and searched in a family, it is an upper bound of the causal
optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from raytide.autoscaling.decision import Policy
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Causal:
    """The chosen policy, its standing headroom, and what it comes to on the scored lap."""

    policy: Policy
    headroom_replicas: int
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """One point of the curve of what standing replicas buy."""

    replicas: int
    score: Score


def causal(
    trace: Trace,
    terms: Terms,
    conditions: Conditions,
    families: Iterable[Callable[[int], Policy]],
    headrooms: Sequence[int] = (0, 1, 2, 4, 8, 16),
) -> Causal | Missing:
    """The cheapest that keeps the objective; each family makes its policy for a number of standing replicas."""
    found: Causal | None = None
    for family in families:
        for point in curve(trace, terms, conditions, family, headrooms):
            if point.score.attainment < terms.objective.attainment:
                continue
            if found is None or point.score.cost_usd < found.score.cost_usd:
                found = Causal(policy=family(point.replicas), headroom_replicas=point.replicas, score=point.score)
            break  # more headroom only costs more
    return found or Missing(reason=f"no policy of the families attains {terms.objective.attainment:.2%}")


def curve(
    trace: Trace, terms: Terms, conditions: Conditions, family: Callable[[int], Policy], headrooms: Sequence[int]
) -> Iterable[Headroom]:
    """What each standing headroom attains and costs, in order, played when it is asked for."""
    for replicas in headrooms:
        played = play(trace, family(replicas), terms, conditions)
        yield Headroom(replicas=replicas, score=score(played, terms))

"""The cheapest mix of variants that covers the work now: no forecast, no cold starts, no transitions.

What a user set beats what traffic wants, in this order: quotas, the most replicas and the budget always hold; then the
floors; then as much work as possible; then the price; then the fewest changes. A floor that the budget or a quota
cannot pay for is kept as far as it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Final

import numpy as np

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.optimise.covering import SLACK, Counts, Covering, Effort
from raytide.autoscaling.optimise.option import Bounds, Option
from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.search import Covered, Flags, cheapest, stand_ins, useful

GAP: Final = 0.02
"""A mix proved to be within 2 % of the optimum is good enough: prices and forecasts are not better known."""

EXACT_OPTIONS: Final = 4
"""Up to so many variants the mix is the optimum itself."""

EXACT: Final = Effort(gap=0.0, max_nodes=5_000, max_states=100_000)
NEAR: Final = Effort(gap=GAP, max_nodes=400, max_states=10_000)
ROUGH: Final = Effort(gap=np.inf, max_nodes=100, max_states=0)
"""For what is only said and not done: the first counts that are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Replicas per variant, what they cost and cover, and the next best way to do it."""

    counts: Mapping[str, int]
    """Every variant, those at zero included."""
    usd_per_hour: float
    covered: float
    """Work covered, at most what was asked for."""
    uncovered: float
    """Work that quotas, bounds or the budget leave out."""
    binding: Rule
    """What keeps the mix from being cheaper, or from covering more where work is left out."""
    bound_usd_per_hour: float
    """No mix that covers as much costs less."""
    runner_up: Mix | None = None
    """A cheap mix without the variant that most is spent on; none where none that covers as much was found at once."""

    @property
    def saves_usd_per_hour(self) -> float:
        """How much less this mix costs than its runner-up; zero where there is none."""
        return 0.0 if self.runner_up is None else self.runner_up.usd_per_hour - self.usd_per_hour


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Options in order of name as arrays, with bounds that can all be kept."""

    options: tuple[Option, ...]
    capacity: Floats
    prices: Floats
    most: Counts
    now: Counts
    on_demand: Counts
    """One where a variant cannot be preempted."""
    work: float
    max_replicas: int
    floor: int
    base: int
    budget: float
    """What is left of it beside draining replicas; infinite where unset."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sides:
    """What every mix of a problem must keep, and which options others make needless: the same for any work."""

    rows: Floats
    """What a replica of each option adds: to the work first, then to the other bounds; shape (rows, options)."""
    least: Floats
    """What the rows after the first must reach."""
    stand_ins: Flags


def cheapest_mix(options: tuple[Option, ...], work: float, bounds: Bounds) -> Mix:
    """The cheapest mix that covers `work`, or the most of it that the bounds allow.

    Up to four variants it is the optimum; above that within 2 % of a proved bound, which the mix carries.
    """
    problem = problem_of(options, work, bounds)
    sides = _sides_of(problem)
    best = _solved(problem, sides)
    other = _without_favourite(problem, sides, best)
    if other is not None and other.usd_per_hour < best.usd_per_hour:
        best, other = other, best
    return replace(best, runner_up=other)


def problem_of(options: tuple[Option, ...], work: float, bounds: Bounds) -> Problem:
    """The options and bounds as arrays; floors are lowered to what quotas, the most replicas and the budget allow."""
    ordered = tuple(sorted(options, key=lambda option: option.variant))
    paid = sum(option.usd_per_hour * option.num_draining for option in ordered)
    limit = np.inf if bounds.max_usd_per_hour is None else max(0.0, bounds.max_usd_per_hour - paid)
    problem = Problem(
        options=ordered,
        capacity=np.array([option.capacity for option in ordered]),
        prices=np.array([option.usd_per_hour for option in ordered]),
        most=np.array([option.most(bounds.max_replicas) for option in ordered], dtype=np.int64),
        now=np.array([option.num_now for option in ordered], dtype=np.int64),
        on_demand=np.array([not option.spot for option in ordered], dtype=np.int64),
        work=max(0.0, work),
        max_replicas=bounds.max_replicas,
        floor=0,
        base=0,
        budget=limit,
    )
    return _with_floors(problem, bounds)


def _with_floors(problem: Problem, bounds: Bounds) -> Problem:
    """The problem with the highest floors that can be kept: on-demand replicas first, then any."""
    most = np.minimum(problem.most, bounds.base_on_demand + bounds.min_replicas)  # of no variant do floors ask for more
    steady = _cheapest_each(problem, most * problem.on_demand)[: bounds.base_on_demand]
    base = _affordable(steady, problem)
    rest = _cheapest_each(problem, most)
    for price in steady[:base]:
        rest.remove(price)
    floor = _affordable((steady[:base] + rest)[: bounds.min_replicas], problem)
    return replace(problem, base=base, floor=floor)


def _cheapest_each(problem: Problem, most: Counts) -> list[float]:
    """The prices of single replicas, the lowest first."""
    each = zip(problem.prices.tolist(), most.tolist(), strict=True)
    return sorted(chain.from_iterable([price] * num for price, num in each if num))


def _affordable(prices: list[float], problem: Problem) -> int:
    limit = problem.budget * (1 + SLACK)
    return sum(spent <= limit for spent in accumulate(prices[: problem.max_replicas]))


def _sides_of(problem: Problem) -> _Sides:
    """The most replicas, floors and the budget, each as `row·y ≥ least`, beside the work."""
    ones = np.ones(len(problem.options))
    sides = [(-ones, -float(problem.max_replicas))]
    sides += [(ones, float(problem.floor))] if problem.floor else []
    sides += [(problem.on_demand.astype(np.float64), float(problem.base))] if problem.base else []
    sides += [(-problem.prices, -problem.budget)] if np.isfinite(problem.budget) else []
    rows = np.array([problem.capacity, *(row for row, _ in sides)])
    least = np.array([least for _, least in sides])
    return _Sides(rows=rows, least=least, stand_ins=stand_ins(problem.prices, rows, problem.now))


def _solved(problem: Problem, sides: _Sides) -> Mix:
    if len(problem.options) == 1:
        return _mix(problem, _alone(problem), -np.inf)
    found = _covered(problem, sides, problem.work)
    if found is None:
        reachable = _most_work(problem, sides)
        found = _covered(problem, sides, min(problem.work, reachable)) or _floors_only(problem, sides)
    return _mix(problem, found.counts, found.bound)


def _alone(problem: Problem) -> Counts:
    """The count of a single variant, in closed form."""
    capacity, price = float(problem.capacity[0]), float(problem.prices[0])
    wanted = int(np.ceil(problem.work / capacity - SLACK)) if capacity > 0 else 0
    affordable = problem.budget / price + SLACK if price > 0 else np.inf
    most = int(min(problem.most[0], problem.max_replicas, affordable))
    return np.array([min(max(wanted, problem.floor, problem.base), most)], dtype=np.int64)


def _covered(problem: Problem, sides: _Sides, work: float, effort: Effort | None = None) -> Covered | None:
    """The cheapest counts that cover this work within all bounds; None where there are none."""
    return cheapest(_covering(problem, sides, problem.prices, work), effort or _effort(problem))


def _effort(problem: Problem) -> Effort:
    return EXACT if len(problem.options) <= EXACT_OPTIONS else NEAR


def _most_work(problem: Problem, sides: _Sides) -> float:
    """The most work that the bounds allow to cover."""
    scale = max(float(problem.capacity.max(initial=0.0)), 1e-12)
    costs = -problem.capacity / scale
    sides = replace(sides, stand_ins=stand_ins(costs, sides.rows, problem.now))
    found = cheapest(_covering(problem, sides, costs, 0.0), _effort(problem))
    return 0.0 if found is None else float(problem.capacity @ found.counts)


def _floors_only(problem: Problem, sides: _Sides) -> Covered:
    found = _covered(problem, sides, 0.0)
    return found or Covered(counts=np.zeros_like(problem.now), bound=0.0)


def _covering(problem: Problem, sides: _Sides, costs: Floats, work: float) -> Covering:
    """The work first, then the sides; without the options that others make needless."""
    return Covering(
        costs=costs,
        rows=sides.rows,
        least=np.array([work, *sides.least.tolist()]),
        most=useful(problem.most, sides.stand_ins, problem.max_replicas),
        now=problem.now,
        max_total=problem.max_replicas,
    )


def _without_favourite(problem: Problem, sides: _Sides, best: Mix) -> Mix | None:
    """A cheap mix that covers as much without the variant that `best` spends most on."""
    spent = problem.prices * np.array([best.counts[option.variant] for option in problem.options])
    if len(problem.options) == 1 or not spent.any():
        return None
    most = problem.most.copy()
    most[int(spent.argmax())] = 0
    without = replace(problem, most=most)
    found = _covered(without, sides, best.covered, ROUGH)
    return None if found is None else _mix(without, found.counts, found.bound)


def _mix(problem: Problem, counts: Counts, bound: float) -> Mix:
    usd_per_hour = float(problem.prices @ counts)
    capacity = float(problem.capacity @ counts)
    uncovered = max(0.0, problem.work - capacity)
    uncovered = 0.0 if uncovered <= SLACK * max(1.0, problem.work) else uncovered
    return Mix(
        counts=dict(zip((option.variant for option in problem.options), counts.tolist(), strict=True)),
        usd_per_hour=usd_per_hour,
        covered=problem.work - uncovered,
        uncovered=uncovered,
        binding=_cut_by(problem, capacity) if uncovered else _kept_by(problem, counts, capacity),
        bound_usd_per_hour=min(usd_per_hour, bound) if np.isfinite(bound) else usd_per_hour,
    )


def _kept_by(problem: Problem, counts: Counts, capacity: float) -> Rule:
    """The floor where a replica could go without leaving work out, else the demand."""
    spare = (counts > 0) & (capacity - problem.capacity >= problem.work * (1 - SLACK)) & (problem.prices > 0)
    return Rule.MIN_REPLICAS if spare.any() else Rule.DEMAND


def _cut_by(problem: Problem, capacity: float) -> Rule:
    """The first of budget, most replicas and availability whose end would let the mix cover more."""
    largest = np.repeat(problem.capacity, problem.most)
    without_budget = float(np.sort(largest)[::-1][: problem.max_replicas].sum())
    if np.isfinite(problem.budget) and without_budget > capacity * (1 + SLACK):
        return Rule.BUDGET
    wider = np.array([option.most(problem.max_replicas + 1) for option in problem.options])
    if float(largest.sum()) > capacity * (1 + SLACK) or ((wider > problem.most) & (problem.capacity > 0)).any():
        return Rule.MAX_REPLICAS
    stopped = any(not option.available or option.max_new is not None for option in problem.options)
    return Rule.UNAVAILABLE if stopped else Rule.QUOTA

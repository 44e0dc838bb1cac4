"""How many replicas are worth having when an order of now is ready, in replicas of the first variant."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.forecast.ensemble import outlook
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.policy.worth import worth_having
from raytide.autoscaling.terms import Terms

Floats = NDArray[np.float64]

UNKNOWN_HEADROOM: Final = 1.4
"""On the level of the load until a forecast could be judged once."""
_RECENT_Q: Final = 0.95
_JUMP_S: Final = 10
_JUMP_Q: Final = 0.9999
_JUMP_BEYOND: Final = 1.25
_JUMP_MARGIN: Final = 1.3
_BREAK_BEYOND: Final = 2.5
"""On the ServeGen burst day (3.3 times the load within a minute) a first jump is over after 150 s, not 420 s; at 2
and below it also answers the twofold steps of a staircase, which the forecast handles for less.
"""
_JUMP_LASTS: Final = 6
"""Observations that may belong to the jump itself."""
_FAN: Final = np.array([0.5, 0.9, 0.99, 0.999])
"""Shares at which the need is looked at: three are told, and the last is as far as the need may go."""
_FARTHEST: Final = 4
"""As a multiple of the most replicas: as far as errors of the forecast are kept."""
_STANDING_DOUBT: Final = 3.0
"""What runs is bounded by a fleet for a third of the misses: the bound itself wavers from minute to
minute, and a fleet must not with it. On six hours of ServeGen it turns round once within ten minutes, not four times.
"""
_MOST_WAIT_S: Final = 0.5
"""Seconds that each ready replica would need for what waits, above which the queue itself is sized for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many, and how many to keep where some run already."""

    wanted: int
    kept: int
    """At least `wanted`: what would be kept if protecting a request were dearer."""
    reasons: tuple[Reason, ...]


def size(
    known: Knowledge, supplies: tuple[Supply, ...], terms: Terms, settings: Settings, *, lead_s: float
) -> tuple[Size, Knowledge]:
    """The size for the forecast, for the queue and for what is in the batches, once an order of now serves after
    `lead_s`; and what was learnt of their worth.
    """
    unit = known.stretch.factor * supplies[0].bears
    sized, learnt = _forecast_size(known, unit, terms, settings)
    sized = _with_jump(sized, known, supplies, unit)
    sized = _with_backlog(sized, known, supplies, unit, lead_s)
    return _with_in_flight(sized, supplies), learnt


def _forecast_size(known: Knowledge, unit: float, terms: Terms, settings: Settings) -> tuple[Size, Knowledge]:
    seen = outlook(known.forecast)
    level = float(known.forecast.levels.values[0])
    if seen is None:
        first = math.ceil(UNKNOWN_HEADROOM * level / unit - 1e-9)
        says = f"no forecast yet: {UNKNOWN_HEADROOM:g} times the present load of {level / unit:.2f} replicas"
        return Size(
            wanted=first, kept=first, reasons=(Reason(rule=Rule.DEMAND, says=says, facts={"need": first}),)
        ), known
    fan: list[float] = (seen.quantiles(_FAN) / unit).tolist()
    missing = seen.share_above(unit * np.arange(_most_looked_at(fan[-1], terms) + 1, dtype=np.float64))
    rate = _rate_ahead(known)
    worth = known.worth.after(_interval_s(known), missing, rate)
    budget = 1.0 - terms.objective.attainment
    price = worth.price(settings.budget_share * budget)
    standing = settings.standing_share * settings.budget_share * budget
    most, most_kept = standing_sizes(known, unit, (standing, standing / _STANDING_DOUBT))
    wanted = min(worth_having(missing, rate, price), most) + settings.headroom_replicas
    doubted = price / known.regret.doubt(settings.return_doubt)
    kept = min(worth_having(missing, rate, doubted), most_kept) + settings.headroom_replicas
    reason = _explained(fan, missing, rate, price, unit, wanted, most, terms)
    return Size(wanted=wanted, kept=max(wanted, kept), reasons=(reason,)), replace(known, worth=worth)


def _most_looked_at(farthest: float, terms: Terms) -> int:
    """Past what is allowed, as far as the need may go: a replica is worth as much where it is not enough by itself.

    Bounded to the bounds, the misses of a load beyond them would be the same with one replica as with all.
    """
    return max(terms.max_replicas, math.ceil(min(farthest, float(_FARTHEST * terms.max_replicas))))


def _rate_ahead(known: Knowledge) -> float:
    """Requests per second as the level stands now, from the rate of the last ten minutes."""
    _, minutes, longer = known.forecast.levels.values
    return known.requests_per_s * float(minutes / max(longer, 1e-9))


def _interval_s(known: Knowledge) -> float:
    return float(known.last_span_s)


def standing_sizes(known: Knowledge, unit: float, budgets: tuple[float, ...]) -> tuple[int, ...]:
    """The fleets of replicas that bear `unit` that would keep the objective if they never changed, one for each budget.

    More is never worth it, unless the load is new.
    """
    recent = _quantile(known.needs, _RECENT_Q) if known.needs else 0.0
    needs = known.forecast.standing.quantiles(1.0 - np.array(budgets))
    standing = [0.0] * len(budgets) if needs is None else needs.tolist()
    return tuple(max(1, math.ceil(max(need, recent) / unit - 1e-9)) for need in standing)


def _quantile(values: tuple[float, ...], q: float) -> float:
    """As `numpy.quantile`, to the last bit, in a tenth of its time for a hundred values."""
    ordered, place = sorted(values), (len(values) - 1) * q
    low, share = int(place), place - int(place)
    below, above = ordered[low], ordered[min(low + 1, len(values) - 1)]
    return below + (above - below) * share if share < 0.5 else above - (above - below) * (1 - share)


def _with_jump(sized: Size, known: Knowledge, supplies: tuple[Supply, ...], unit: float) -> Size:
    """Where ten seconds asked for a quarter more than any need that was seen, or for a multiple of all that was seen of
    late and more than what is ready bears, the load is a new one: ordered at once.

    What is ready now will be clogged with its queue when the order is ready, and a router then sends all that is new to
    the new replicas: so they are ordered beside it.
    """
    now = float(known.work.recent[-_JUMP_S:].mean())
    ready = sum(supply.view.num_ready * supply.bears for supply in supplies) / supplies[0].bears
    clogged = now > ready * unit
    needed = math.ceil(_JUMP_MARGIN * now / unit + (ready if clogged else 0.0) - 1e-9)
    if needed <= sized.wanted:
        return sized
    highest = known.forecast.standing.quantile(_JUMP_Q)
    if highest is None:
        return sized
    before = max(known.needs[:-_JUMP_LASTS], default=math.inf)
    if now > _JUMP_BEYOND * highest:
        than = f"more than ever before ({highest / unit:.1f})"
    elif clogged and now > _BREAK_BEYOND * before:
        than = f"more than {_BREAK_BEYOND:g} times all of the last minutes ({before / unit:.1f})"
    else:
        return sized
    says = f"{now / unit:.1f} replicas' work for {_JUMP_S} s, {than}: a new load"
    facts = {"work": now, "highest_need": highest, "recent_need": before, "need": needed}
    reason = Reason(rule=Rule.JUMP, says=says, facts=facts)
    return Size(wanted=needed, kept=max(needed, sized.kept), reasons=(*sized.reasons, reason))


def _with_backlog(sized: Size, known: Knowledge, supplies: tuple[Supply, ...], unit: float, lead_s: float) -> Size:
    """Where prompts wait longer than a moment, enough to serve the load and work off the queue within a cold start.

    The load is the level, and never less than the batches that run: a model that takes a full one for a light load is
    wrong, and the queue beside it says so long before calibration does.
    """
    waiting = ready = 0.0
    for supply in supplies:
        if not isinstance(supply.view.gauges, Missing):
            waiting += supply.waiting_work_s / unit
            ready += supply.view.num_ready
    if waiting <= _MOST_WAIT_S * max(ready, 1.0):
        return sized
    load = max(float(known.forecast.levels.values[0]) / unit, _filled(supplies))
    needed = math.ceil(load + waiting / max(1.0, lead_s) - 1e-9)
    if needed <= sized.wanted:
        return sized
    says = f"{waiting:.1f} s of a replica's work wait beside {load:.2f} replicas' load: {needed} work it off within "
    says += f"{lead_s:.0f} s"
    facts = {"waiting_replica_s": waiting, "load": load, "need": needed}
    reason = Reason(rule=Rule.BACKLOG, says=says, facts=facts)
    return Size(wanted=needed, kept=max(needed, sized.kept), reasons=(*sized.reasons, reason))


def _with_in_flight(sized: Size, supplies: tuple[Supply, ...]) -> Size:
    """Never fewer than the sequences and the KV cache that are in use fit into."""
    held = _filled(supplies)
    needed = math.ceil(held - 1e-9)
    if needed <= sized.wanted:
        return sized
    reason = Reason(rule=Rule.IN_FLIGHT, says=f"what runs already fills {held:.2f} replicas", facts={"need": needed})
    return Size(wanted=needed, kept=max(needed, sized.kept), reasons=(*sized.reasons, reason))


def _filled(supplies: tuple[Supply, ...]) -> float:
    """Replicas of the first variant that what runs fills."""
    return sum(supply.fills * supply.bears / supplies[0].bears for supply in supplies)


def _explained(
    fan: list[float], missing: Floats, rate: float, price: float, unit: float, wanted: int, most: int, terms: Terms
) -> Reason:
    """The forecast fan, the alternatives on either side, and the price that decided."""
    at = min(wanted, len(missing) - 1)
    fewer, more = float(missing[max(at - 1, 0)]), float(missing[min(at + 1, len(missing) - 1)])
    q50, q90, q99, _ = fan
    facts = {
        "requests_per_s": rate,
        "need_q50": q50,
        "need_q90": q90,
        "need_q99": q99,
        "bears_per_replica": unit,
        "missing_share": float(missing[at]),
        "missing_share_one_fewer": fewer,
        "missing_share_one_more": more,
        "price_misses_per_s": price,
        "standing_size": most,
        "need": wanted,
    }
    says = (
        f"{q50:.1f} replicas' work expected, {q99:.1f} at the 99th percentile; with {wanted} "
        f"{missing[at]:.1%} of requests would miss, with one fewer {fewer:.1%}, with one more {more:.1%}"
    )
    usd = terms.variants[0].usd_per_hour
    if not isinstance(usd, Missing):
        says += f"; a replica costs ${usd:.2f}/h"
    return Reason(rule=Rule.DEMAND, says=says, facts=facts)

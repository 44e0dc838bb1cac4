"""The first policy: size each variant from its own traffic and the capacity measured on its replicas.

    need   = ceil((max(busy, filled) + backlog) / utilisation)
    busy   = arrivals/s × (prompt tokens / prefill rate + output tokens / decode rate), at the batch that keeps TPOT
    filled = running sequences / size of that batch: what `busy` misses while long requests have not finished yet, or
             where a replica cannot reach the rate that it measured because its neighbours work too
    target = the largest need of the stabilisation window, within bounds and budget

Up at once; never below a need of the last window, and an order counts as needed until its replica is ready. So a
replica serves for at least the window, and the policy cannot flap. It does not forecast: a burst waits for one
replica start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from raytide.autoscaling.capacity import Capacity, CapacityPoint, busy_s_per_request
from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.live.decided import Decision, Need, State, VariantDecision
from raytide.autoscaling.live.reports import (
    Observation,
    RequestSample,
    Traffic,
    VariantView,
    quantile,
)
from raytide.autoscaling.missing import Missing

MIN_SAMPLES = 20
"""Finished requests below which a missed objective is noise: 1 miss of 20 is 95 % attainment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """An upper bound that a share `quantile` of the requests must keep."""

    quantile: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a service declares about its size and speed, in the units of the policy."""

    ttft: Bound
    tpot: Bound
    attainment: float
    """The share of time in which both bounds must hold; stated beside what was reached, not yet steered by."""
    min_replicas: int
    max_replicas: int
    max_usd_per_hour: float | None
    utilisation: float
    window_s: float
    scale_down_after_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain data for a Serve config."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Limits:
        """The inverse of `to_json`."""
        return cls(**{**data, "ttft": Bound(**data["ttft"]), "tpot": Bound(**data["tpot"])})


def decide(observation: Observation, limits: Limits, state: State, now_s: float) -> Decision:
    """The target of every variant, with reasons, and the state for the next call; never raises, reads no clock."""
    decided = [_decide_variant(view, limits, state.needs.get(view.name, ()), now_s) for view in observation.variants]
    needs = {variant.variant: kept for variant, kept in decided}
    return Decision(at_s=now_s, variants=tuple(variant for variant, _ in decided), state=State(needs=needs))


def resume(observation: Observation) -> State:
    """The state of a policy that starts beside running replicas: their number counts as needed just now."""
    needs = {view.name: (Need(at_s=observation.at_s, replicas=view.target),) for view in observation.variants}
    return State(needs=needs)


def shortfall(samples: tuple[RequestSample, ...], limits: Limits) -> str | Missing:
    """Which objective the requests of a window missed, in words; empty where they kept both."""
    if len(samples) < MIN_SAMPLES:
        return Missing(reason=f"{len(samples)} requests finished in the window, {MIN_SAMPLES} make a verdict")
    ttft = quantile((sample.ttft_s for sample in samples), limits.ttft.quantile)
    tpot = quantile((sample.tpot_s for sample in samples), limits.tpot.quantile)
    missed = [_say_missed("TTFT", ttft, limits.ttft), _say_missed("TPOT", tpot, limits.tpot)]
    return " and ".join(filter(None, missed))


def _say_missed(name: str, measured_s: float | Missing, bound: Bound) -> str:
    if isinstance(measured_s, Missing) or measured_s <= bound.seconds:
        return ""
    return f"{name} p{bound.quantile * 100:.0f} was {measured_s * 1e3:.0f} ms, {bound.seconds * 1e3:.0f} ms wanted"


def _decide_variant(
    view: VariantView, limits: Limits, needs: tuple[Need, ...], now_s: float
) -> tuple[VariantDecision, tuple[Need, ...]]:
    if isinstance(view.traffic, Missing) or isinstance(view.capacity, Missing):
        return _hold(view, limits), needs
    wanted = _need(view, view.traffic, view.capacity, limits)
    recent = tuple(need for need in needs if now_s - need.at_s < limits.scale_down_after_s)
    kept = (*recent, Need(at_s=now_s, replicas=_to_remember(view, wanted.replicas)))
    reasons = _bounded(view, limits, _stabilised(view, kept, limits, wanted))
    return _variant_decision(view, reasons), kept


def _to_remember(view: VariantView, wanted: int) -> int:
    """The need, or the whole target while a replica is starting: what was ordered is not cancelled on its way."""
    return max(wanted, view.target) if view.num_starting else wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    replicas: int
    reasons: tuple[Reason, ...]


def _need(view: VariantView, traffic: Traffic, capacity: Capacity, limits: Limits) -> _Wanted:
    by_demand = _demand(traffic, capacity, limits)
    missed = _missed_objective(view, traffic, by_demand.replicas, limits)
    if missed is None:
        return by_demand
    return _Wanted(replicas=view.num_ready + 1, reasons=(*by_demand.reasons, missed))


def _demand(traffic: Traffic, capacity: Capacity, limits: Limits) -> _Wanted:
    point = capacity.within(limits.tpot.seconds) or capacity.points[0]
    busy_s = busy_s_per_request(point, capacity.prefill_tokens_per_s, traffic.prompt_tokens, traffic.output_tokens)
    arrived = traffic.arrivals_per_s * busy_s
    filled = traffic.mean_running / point.concurrency
    steady = max(arrived, filled)
    backlog = traffic.waiting * busy_s / limits.window_s
    replicas = math.ceil((steady + backlog) / limits.utilisation)
    facts = {
        "arrivals_per_s": traffic.arrivals_per_s,
        "prompt_tokens": traffic.prompt_tokens,
        "output_tokens": traffic.output_tokens,
        "waiting": traffic.waiting,
        "busy_s_per_request": busy_s,
        "replicas_busy": arrived,
        "replicas_filled": filled,
        "replicas_for_backlog": backlog,
        "utilisation": limits.utilisation,
        "capacity_output_tokens_per_s": point.output_tokens_per_s,
        "capacity_concurrency": point.concurrency,
        "need": replicas,
    }
    return _Wanted(
        replicas=replicas,
        reasons=(Reason(rule=Rule.DEMAND, says=_say_demand(facts, point, limits), facts=facts),),
    )


def _say_demand(facts: dict[str, float], point: CapacityPoint, limits: Limits) -> str:
    text = f"{facts['arrivals_per_s']:.1f} requests/s keep {facts['replicas_busy']:.2f} replicas busy"
    text += f" and fill {facts['replicas_filled']:.2f}"
    if facts["waiting"]:
        text += f", {facts['waiting']:.0f} waiting need {facts['replicas_for_backlog']:.2f}"
    text += f"; at {limits.utilisation:.0%} utilisation that needs {facts['need']:.0f}"
    if point.tpot_s > limits.tpot.seconds:
        text += f"; a single sequence takes {point.tpot_s * 1e3:.0f} ms per token, above the objective"
    return text


def _missed_objective(view: VariantView, traffic: Traffic, by_demand: int, limits: Limits) -> Reason | None:
    """One more replica while requests miss the objective, all replicas are up, and they are at least half busy."""
    missed = shortfall(traffic.samples, limits)
    if isinstance(missed, Missing) or not missed:
        return None
    settled = view.num_starting == 0 and view.num_ready >= view.target
    if not settled or by_demand > view.num_ready or 2 * by_demand <= view.num_ready:
        return None
    facts = {"samples": len(traffic.samples), "need": view.num_ready + 1}
    return Reason(rule=Rule.OBJECTIVE, says=f"{missed}: one more", facts=facts)


def _stabilised(
    view: VariantView, needs: tuple[Need, ...], limits: Limits, needed: _Wanted
) -> tuple[int, tuple[Reason, ...]]:
    wanted, reasons, highest = needed.replicas, needed.reasons, max(need.replicas for need in needs)
    floor = min(highest, view.target)
    if wanted >= floor:
        return wanted, reasons
    says = f"{wanted} would do, {floor} were needed within the last {limits.scale_down_after_s:g} s"
    return floor, (*reasons, Reason(rule=Rule.STABILISED, says=says, facts={"need": floor}))


def _bounded(
    view: VariantView, limits: Limits, wanted: tuple[int, tuple[Reason, ...]]
) -> tuple[int, tuple[Reason, ...]]:
    replicas, reasons = wanted
    for rule, bound, lower in _bounds(view, limits):
        bounded = max(replicas, bound) if lower else min(replicas, bound)
        if bounded != replicas:
            says = f"{replicas} wanted, {rule} allows {'no fewer' if lower else 'no more'} than {bound}"
            reasons = (*reasons, Reason(rule=rule, says=says, facts={"need": bounded}))
            replicas = bounded
    return replicas, reasons


def _bounds(view: VariantView, limits: Limits) -> list[tuple[Rule, int, bool]]:
    """`(rule, bound, is a lower bound)`; the minimum comes last, because a service must not vanish for its budget."""
    bounds = [(Rule.MAX_REPLICAS, limits.max_replicas, False)]
    if limits.max_usd_per_hour is not None and isinstance(view.usd_per_hour, float) and view.usd_per_hour > 0:
        # 0.3 / 0.1 is 2.9999999999999996 in binary, and three replicas are affordable.
        affordable = min(limits.max_usd_per_hour / view.usd_per_hour + 1e-9, limits.max_replicas)
        bounds.append((Rule.BUDGET, math.floor(affordable), False))
    return [*bounds, (Rule.MIN_REPLICAS, limits.min_replicas, True)]


def _hold(view: VariantView, limits: Limits) -> VariantDecision:
    missing = next(value for value in (view.traffic, view.capacity) if isinstance(value, Missing))
    held = Reason(rule=Rule.HELD, says=f"held at {view.target}: {missing.reason}", facts={"need": view.target})
    return _variant_decision(view, _bounded(view, limits, (view.target, (held,))))


def _variant_decision(view: VariantView, wanted: tuple[int, tuple[Reason, ...]]) -> VariantDecision:
    target, reasons = wanted
    price = None if isinstance(view.usd_per_hour, Missing) else target * view.usd_per_hour
    return VariantDecision(variant=view.name, target=target, previous=view.target, reasons=reasons, usd_per_hour=price)

"""AIBrix's GPU optimizer, which solves Mélange's integer program: the cheapest mix of variants for the sizes seen.

Source: vllm-project/aibrix at e3e10f9, python/aibrix/aibrix/gpu_optimizer (load_monitor/monitor.py, optimizer/solver);
tyler-griggs/melange-release; arXiv 2404.14527. With cells i of requests of one size at rate λᵢ, variants j at price cⱼ,
and loadᵢⱼ = 1/(the rate of cell i that one replica of variant j sustains):

    minimise Σⱼ cⱼ·yⱼ   subject to   Σⱼ xᵢⱼ = 1,   Σᵢ xᵢⱼ·λᵢ·loadᵢⱼ ≤ yⱼ,   yⱼ whole

every 10 s, with Σλ = max(rate of 240 s, rate of the last 10 s).

Simplified: the sizes are nine cells, thirds of a lognormal of prompts and of outputs with the mean and variance of what
finished, where the product clusters log2 of both; x is continuous, where the product cuts each cell into four slices;
the profile is the engine model (`throughput`), where the product measures one offline. As in the paper the bound is
TPOT's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, mixed
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import engine_of
from raytide.autoscaling.simulate.baselines.sizes import Cell, Sizes
from raytide.autoscaling.simulate.baselines.throughput import requests_per_s
from raytide.autoscaling.terms import Terms

MIN_FINISHED: Final = 10
"""Fewer requests make no cluster (`min_pts` of the product's DBSCAN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Melange:
    """The cheapest mix for the sizes of a window."""

    window_s: float = 240.0
    utilisation: float = 1.0
    """Share of the sustained rate that is planned with."""
    name: str = "melange"
    interval_s: float = 10.0

    def begin(self, observation: Observation, terms: Terms) -> Sizes:
        """An empty window."""
        return Sizes(length_s=self.window_s)

    def decide(self, observation: Observation, terms: Terms, state: Sizes, now_s: float) -> Decision:
        """The cheapest mix, or the minimum where nothing came."""
        demand = observation.demand
        if isinstance(demand, Missing):
            return held(observation, terms, demand.reason, state, now_s)
        sizes = state.add(demand, now_s)
        if not sizes.num_arrivals:
            return _least(observation, terms, sizes, now_s)
        if sizes.num_finished < MIN_FINISHED:
            return held(observation, terms, "too few requests have finished to know their sizes", sizes, now_s)
        loads = self._loads(sizes, demand, observation, terms)
        if not loads:
            return held(observation, terms, "no variant is known to keep the TPOT bound", sizes, now_s)
        return _cheapest(observation, terms, loads, sizes, now_s)

    def _loads(
        self, sizes: Sizes, demand: Demand, observation: Observation, terms: Terms
    ) -> dict[str, tuple[float, ...]]:
        """Replicas that each cell would fill, for each variant that can serve all cells within the bound."""
        rate_rps = max(sizes.rate_rps, demand.num_arrivals / demand.span_s if demand.span_s > 0 else 0.0)
        cells, engines = sizes.cells(), {view.name: engine_of(view, terms) for view in observation.variants}
        loads = {
            name: _filled(engine, cells, rate_rps / self.utilisation, terms.objective.tpot_s)
            for name, engine in engines.items()
            if isinstance(engine, Engine)
        }
        return {name: filled for name, filled in loads.items() if math.isfinite(sum(filled))}


def _filled(engine: Engine, cells: tuple[Cell, ...], rate_rps: float, tpot_s: float) -> tuple[float, ...]:
    sustained = (requests_per_s(engine, cell.prompt_tokens, cell.output_tokens, tpot_s) for cell in cells)
    return tuple(
        cell.share * rate_rps / most_rps if most_rps else math.inf
        for cell, most_rps in zip(cells, sustained, strict=True)
    )


def _least(observation: Observation, terms: Terms, sizes: Sizes, now_s: float) -> Decision:
    nothing = {view.name: 0 for view in observation.variants}
    reason = Reason(rule=Rule.DEMAND, says="no request in the window", facts={"requests": 0})
    return mixed(observation, terms, nothing, dict.fromkeys(nothing, (reason,)), sizes, now_s)


def _cheapest(
    observation: Observation, terms: Terms, loads: Mapping[str, tuple[float, ...]], sizes: Sizes, now_s: float
) -> Decision:
    replicas = cheapest_mix(loads, {name: _price(terms, name) for name in loads})
    targets = {view.name: replicas.get(view.name, 0) for view in observation.variants}
    facts = {"rate_rps": sizes.rate_rps} | {f"load_on_{name}": sum(filled) for name, filled in loads.items()}
    mix = ", ".join(f"{number} {name}" for name, number in replicas.items())
    says = f"the cheapest mix for {sizes.rate_rps:.2f} requests/s is {mix}"
    reason = Reason(rule=Rule.PRICE, says=says, facts=facts)
    return mixed(observation, terms, targets, dict.fromkeys(targets, (reason,)), sizes, now_s)


def cheapest_mix(loads: Mapping[str, tuple[float, ...]], usd_per_hour: Mapping[str, float]) -> dict[str, int]:
    """Replicas of each variant, where `loads` are the replicas that each cell would fill on it alone."""
    if len(loads) == 1:
        return {name: max(1, math.ceil(sum(filled) - 1e-9)) for name, filled in loads.items()}
    from raytide.autoscaling.simulate.baselines.melange_program import solve  # scipy, only where variants compete

    return solve(loads, usd_per_hour)


def _price(terms: Terms, name: str) -> float:
    """$ per hour, or GPUs where any price is missing."""
    prices = {variant.name: variant.usd_per_hour for variant in terms.variants}
    known = {variant: price for variant, price in prices.items() if not isinstance(price, Missing)}
    return known[name] if len(known) == len(prices) else float(terms.variant(name).num_gpus)


def settings() -> tuple[Melange, ...]:
    """The share of the sustained rate that is planned with, and the window."""
    return grid(Melange(), window_s=(240.0, 60.0, 600.0), utilisation=(1.0, 0.8, 0.6, 0.4))

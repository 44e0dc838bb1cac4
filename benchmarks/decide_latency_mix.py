"""How long the optimiser takes to choose, on random services: `python benchmarks/decide_latency_mix.py`.

Prints percentiles of the cheapest mix (with its runner-up) and of the fast plan of a horizon, and how far each stays
from a proved bound. Capacities grow a little less or more than in proportion to GPUs, prices spread fivefold, most
variants have a quota, some services a budget: the spread of published cloud prices and measured replicas.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np

from raytide.autoscaling.optimise.horizon import Prices, plan, promising
from raytide.autoscaling.optimise.mix import cheapest_mix
from raytide.autoscaling.optimise.option import Bounds, Need, Option

STEP_S = 30.0
NUM_STEPS = 12

Service = tuple[tuple[Option, ...], Need, Bounds]


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--services", type=int, default=1000, help="random services per size")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    print(f"{platform.processor() or platform.machine()}, {chosen.services} services per size")
    for num_variants in (2, 4, 10, 50):
        _measure("mix", num_variants, chosen.services, chosen.seed, _mix_gap)
    for num_variants in (4, 50):
        _measure("plan", num_variants, chosen.services // 5, chosen.seed, _plan_gap)


def _measure(what: str, num_variants: int, num_services: int, seed: int, choose: Callable[[Service], float]) -> None:
    random = np.random.default_rng(seed)
    services = [_service(random, num_variants) for _ in range(num_services)]
    choose(services[0])  # loads the solver
    took_ms, gaps = [], []
    for service in services:
        began_s = time.perf_counter()
        gaps.append(choose(service))
        took_ms.append(1e3 * (time.perf_counter() - began_s))
    p50, p90, p99, worst = np.percentile(took_ms, [50, 90, 99, 100])
    gap_p50, gap_p99 = np.percentile(gaps, [50, 99])
    timed = f"p50 {p50:.1f}  p90 {p90:.1f}  p99 {p99:.1f}  max {worst:.1f} ms"
    print(f"{what:4} {num_variants:3} variants: {timed}; gap p50 {gap_p50:.2%}  p99 {gap_p99:.2%}")


def _mix_gap(service: Service) -> float:
    options, need, bounds = service
    mix = cheapest_mix(options, need.work[0], bounds)
    return 1 - mix.bound_usd_per_hour / mix.usd_per_hour if mix.usd_per_hour else 0.0


def _plan_gap(service: Service) -> float:
    options, need, bounds = service
    end = cheapest_mix(options, need.work[-1], bounds).counts
    found = plan(promising(options, end), need, bounds, Prices(usd_per_change=0.02), end)
    return 1 - found.bound_usd / found.objective_usd if found.objective_usd else 0.0


def _service(random: np.random.Generator, num_variants: int) -> Service:
    work = random.uniform(0.5, 60) * (1 + 0.4 * np.sin(np.arange(NUM_STEPS) / 3 + random.uniform(0, 6)))
    bounds = Bounds(
        max_replicas=int(random.integers(5, 60)),
        min_replicas=int(random.integers(0, 3)),
        base_on_demand=int(random.integers(0, 3)),
        max_usd_per_hour=float(random.uniform(20, 120)) if random.random() < 0.4 else None,
    )
    options = tuple(_option(random, f"v{index:02d}") for index in range(num_variants))
    return options, Need.even(STEP_S, tuple(work.tolist())), bounds


def _option(random: np.random.Generator, name: str) -> Option:
    num_gpus = int(random.choice([1, 2, 4, 8]))
    return Option(
        variant=name,
        capacity=float(num_gpus ** random.uniform(0.85, 1.1) * random.uniform(0.7, 1.6)),
        usd_per_hour=round(num_gpus * random.uniform(0.8, 4.5), 2),
        num_ready=int(random.integers(0, 6)) if random.random() < 0.2 else 0,
        cold_start_s=float(random.choice([60, 120, 180, 240])),
        min_billing_s=60.0,
        max_replicas=int(random.integers(1, 12)) if random.random() < 0.6 else None,
        spot=bool(random.random() < 0.3),
        num_gpus=num_gpus,
    )


if __name__ == "__main__":
    main()

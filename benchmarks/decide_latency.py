"""How long a decision takes with a learnt state: `python benchmarks/decide_latency.py`.

Prints percentiles of `Raytide.decide` over a made day that is compressed into the run: a sine with noise, spikes, and
every variant reporting its iterations at every decision, which is the dearest case. Observations are made beforehand;
only the decision is timed, and garbage is collected between decisions, never within one.
"""

from __future__ import annotations

import argparse
import gc
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.observation import Demand, Finished, Gauges, Iterations, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.terms import Objective, Terms, Variant

INTERVAL_S = 5
PERIOD_S = 3600.0
PROMPT_TOKENS, OUTPUT_TOKENS = 1000.0, 200.0
WARM_DECISIONS = 200
"""Before the first one that counts: the state is learnt, and the solvers are loaded."""


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--decisions", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    print(f"{platform.processor() or platform.machine()}, {chosen.decisions} decisions")
    for num_variants in (1, 2, 4, 10, 50):
        wall_ms, cpu_ms = measured(num_variants, chosen.decisions, chosen.seed)
        print(f"{num_variants:3} variants: wall {_percentiles(wall_ms)}; cpu {_percentiles(cpu_ms)}")


def measured(num_variants: int, num_decisions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Wall and processor milliseconds of each decision; shape (decisions,) each."""
    random, policy = np.random.default_rng(seed), Raytide()
    terms = terms_of(random, num_variants)
    targets = {variant.name: 0 for variant in terms.variants}
    state, took = None, []
    gc.disable()
    for step in range(WARM_DECISIONS + num_decisions):
        seen = observation(random, terms, targets, step)
        state = policy.begin(seen, terms) if state is None else state
        decision, wall_s, cpu_s = timed(partial(policy.decide, seen, terms, state, seen.at_s))
        state, targets = decision.state, {each.variant: each.target for each in decision.variants}
        took.append((wall_s, cpu_s))
        if step % 50 == 0:
            gc.collect()
    gc.enable()
    wall_s, cpu_s = np.array(took[WARM_DECISIONS:]).T
    return 1e3 * wall_s, 1e3 * cpu_s


def timed(decide: Callable[[], Decision]) -> tuple[Decision, float, float]:
    """A decision, and the wall and processor seconds that it took."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    decision = decide()
    return decision, time.perf_counter() - wall_s, time.process_time() - cpu_s


def terms_of(random: np.random.Generator, num_variants: int) -> Terms:
    """A service whose variants differ in speed and price as published GPUs do; some are spot, most have a quota."""
    base = Engine(
        iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=49.5e-6),
        kv_capacity_tokens=270_000,
    )
    variants = tuple(_variant(random, f"v{index:02d}", base) for index in range(num_variants))
    objective = Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99)
    return Terms(objective=objective, variants=variants, min_replicas=1, max_replicas=60, max_usd_per_hour=300.0)


def _variant(random: np.random.Generator, name: str, base: Engine) -> Variant:
    slower = float(random.uniform(0.5, 2.5))
    step = base.iteration
    iteration = Iteration(
        base_s=slower * step.base_s,
        per_sequence_s=slower * step.per_sequence_s,
        per_kv_token_s=slower * step.per_kv_token_s,
        per_prefill_token_s=slower * step.per_prefill_token_s,
    )
    return Variant(
        name=name,
        engine=replace(base, iteration=iteration),
        usd_per_hour=round(float(8 / slower * random.uniform(0.6, 1.6)), 2),
        cold_start_s=float(random.choice([60, 120, 180])),
        max_replicas=int(random.integers(4, 20)) if name != "v00" else None,
        spot=bool(random.random() < 0.3),
    )


def observation(random: np.random.Generator, terms: Terms, targets: dict[str, int], step: int) -> Observation:
    """What is seen at a step: the load of that moment, and at least one ready replica of every variant."""
    at_s = float(INTERVAL_S * (step + 1))
    rate = 25.0 * (1.2 + np.sin(2 * np.pi * at_s / PERIOD_S)) * (3.0 if step % 97 == 0 else 1.0)
    arrivals = random.poisson(rate, INTERVAL_S)
    num = int(arrivals.sum())
    demand = Demand(
        span_s=float(INTERVAL_S),
        arrivals=arrivals,
        arrived_prompt_tokens=(arrivals * PROMPT_TOKENS).astype(np.int64),
        finished=Finished(
            num=num,
            attained=num - int(random.binomial(num, 0.01)),
            prompt_tokens=num * PROMPT_TOKENS,
            output_tokens=num * OUTPUT_TOKENS,
            kv_token_steps=num * OUTPUT_TOKENS * (PROMPT_TOKENS + OUTPUT_TOKENS / 2),
        ),
    )
    views = tuple(_view(random, variant, targets[variant.name]) for variant in terms.variants)
    return Observation(at_s=at_s, demand=demand, variants=views)


def _view(random: np.random.Generator, variant: Variant, target: int) -> VariantView:
    ready = max(1, target)
    assert isinstance(variant.engine, Engine)
    sequences, kv_tokens, prefill = random.uniform(4, 40), random.uniform(4e3, 9e4), random.uniform(0, 400)
    seconds = variant.engine.iteration.seconds(sequences, kv_tokens, prefill) * random.normal(1.0, 0.03)
    return VariantView(
        name=variant.name,
        target=target,
        num_ready=ready,
        gauges=Gauges(
            running=random.integers(0, 20, ready),
            waiting=np.zeros(ready, dtype=np.int64),
            waiting_prompt_tokens=random.integers(0, 2000, ready),
            kv_tokens=random.integers(0, 40_000, ready),
        ),
        iterations=Iterations(
            num=200,
            seconds=200 * seconds,
            sequences=200 * sequences,
            root_sequences=200 * sequences**0.5,
            kv_tokens=200 * kv_tokens,
            prefill_tokens=200 * prefill,
        ),
    )


def _percentiles(took_ms: np.ndarray) -> str:
    p50, p99, worst = np.percentile(took_ms, [50, 99, 100])
    return f"mean {took_ms.mean():5.2f}  p50 {p50:5.2f}  p99 {p99:5.2f}  max {worst:5.2f} ms"


if __name__ == "__main__":
    main()

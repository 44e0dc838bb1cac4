"""Latency of one replica, and the accelerators and money that a load takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.prices import Price
from raytide.core.estimate.latency import ITERATIONS, tpot_s, ttft_s, wait_share
from raytide.core.estimate.scenario import Scenario
from raytide.core.estimate.step import Section, Step, duration, says


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What load sizing needs to know of one replica."""

    size: int
    """Accelerators of the replica."""
    num_requests: int
    """Requests that it serves at once."""
    seconds_per_request: float


def latency_section(scenario: Scenario, column: EngineColumn, num_requests: int) -> Section:
    """Passes, TPOT, TTFT and the time of a whole request, with this many requests at once."""
    prompt, output = scenario.prompt_tokens, scenario.output_tokens
    per_token_s = tpot_s(column, num_requests, prompt, output)
    first_s = ttft_s(column, num_requests, prompt, output)
    prefill_s = column.per_prefill_token_s * prompt
    total_s = first_s + (output - 1) * per_token_s
    return Section(
        title=f"Latency ({num_requests} at once, {column.engine})",
        steps=(
            Step(label="passes", formula="one for each output token, in sequence", value=output, unit="passes"),
            Step(
                label="time per output token",
                formula=_tpot_formula(scenario, column, num_requests),
                value=per_token_s,
                unit="s",
            ),
            Step(
                label="time to first token",
                formula=f"{wait_share(column)} × {duration(prefill_s)} of prefill × (1 + √{num_requests}) "
                f"+ {ITERATIONS} × {duration(per_token_s)}",
                value=first_s,
                unit="s",
            ),
            Step(
                label="time of a request",
                formula=f"{duration(first_s)} + {output - 1} × {duration(per_token_s)}",
                value=total_s,
                unit="s",
            ),
        ),
    )


def load_section(scenario: Scenario, service: Service) -> Section:
    """Replicas and accelerators for the load by Little's law, or one replica's where no load is given, and the cost."""
    rate_step = _rate_step(scenario, service)
    in_flight = rate_step.value * service.seconds_per_request
    # A load of exactly twenty replicas is twenty, also where a float says 20.000000000000004; the least is one.
    replicas = max(1, math.ceil(in_flight / service.num_requests - 1e-9))
    gpus = replicas * service.size
    steps = (
        rate_step,
        Step(
            label="in flight",
            formula=f"Little's law: {says(rate_step.value, 'requests/s')} × {duration(service.seconds_per_request)}",
            value=in_flight,
            unit="requests",
        ),
        Step(
            label="replicas",
            formula=f"{says(in_flight, 'requests')} / {service.num_requests} at once, rounded up",
            value=replicas,
            unit="replicas",
        ),
        Step(
            label=f"{scenario.accelerator.name}",
            formula=f"{replicas:,} × {service.size} of a replica",
            value=gpus,
            unit="accelerators",
        ),
    )
    return Section(title="Load", steps=(*steps, *_costs(scenario, rate_step.value, gpus)))


def _tpot_formula(scenario: Scenario, column: EngineColumn, num_requests: int) -> str:
    prompt, output = scenario.prompt_tokens, scenario.output_tokens
    cache_s = column.per_kv_token_s * num_requests * (prompt + output / 2)
    prefill_s = column.per_prefill_token_s * num_requests * prompt / output
    sequences_s = column.per_sequence_s * num_requests + column.per_root_sequence_s * math.sqrt(num_requests)
    return (
        f"{duration(column.base_s)} weights and overheads + {duration(sequences_s)} sequences + {duration(cache_s)} "
        f"KV cache + {duration(prefill_s)} prefill of others"
    )


def _rate_step(scenario: Scenario, service: Service) -> Step:
    seconds = service.seconds_per_request
    if scenario.requests_per_s is not None:
        return Step(label="arrivals", formula="as given", value=scenario.requests_per_s, unit="requests/s")
    if scenario.users is not None:
        think = f" + {duration(scenario.think_time_s)} thinking" if scenario.think_time_s else ""
        return Step(
            label="arrivals",
            formula=f"{scenario.users:,} users / ({duration(seconds)}{think})",
            value=scenario.users / (seconds + scenario.think_time_s),
            unit="requests/s",
        )
    return Step(
        label="one replica serves",
        formula=f"{service.num_requests} at once / {duration(seconds)}",
        value=service.num_requests / seconds,
        unit="requests/s",
    )


def _costs(scenario: Scenario, requests_per_s: float, gpus: int) -> tuple[Step, ...]:
    """Nothing where the price is not known: a cost of zero would be a lie."""
    if not isinstance(scenario.price, Price):
        return ()
    per_hour = gpus * scenario.price.usd_per_hour
    per_request = per_hour / 3600 / requests_per_s
    return (
        Step(
            label="cost per hour",
            formula=f"{gpus:,} × ${scenario.price.usd_per_hour:g}/h",
            value=per_hour,
            unit="USD/h",
        ),
        Step(
            label="per 1,000 answers",
            formula=f"${per_hour:,.2f}/h / 3600 s / {says(requests_per_s, 'requests/s')} × 1,000",
            value=per_request * 1000,
            unit="USD",
        ),
        Step(
            label="per million output tokens",
            formula=f"cost of an answer / {scenario.output_tokens:,} output tokens × 1,000,000",
            value=per_request / scenario.output_tokens * 1e6,
            unit="USD/Mtoken",
        ),
    )

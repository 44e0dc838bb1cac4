"""A benchmark of one replica: clients that send their next request when the one before is finished.

Serving benchmarks measure this way, and what they report depends on how they go about it. All clients start at once, so
the first requests queue for their prefill, and the mean TTFT counts them. Later, requests of equal length finish in the
order in which they were prefilled, so the engine keeps the waves of the start for the whole run: a request that arrives
milliseconds later may find itself one iteration behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.fleet import Fleet
from raytide.autoscaling.terms import Objective, Terms, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a benchmark sends its requests, and which of them it counts."""

    requests_per_client: int = 10
    uncounted_per_client: int = 0
    """The first requests of each client that the means leave out: warm-up of the same run."""
    turnaround_s: float = 0.0
    """From a client's last token to the arrival of its next request at the engine; counted as a part of TTFT."""
    turnaround_per_prompt_token_s: float = 0.0
    """What the prompt's length adds to it: its way through client, network and tokenizer."""
    shortest_length: float = 1.0
    """Prompts and answers are drawn uniformly between this share of their length and all of it."""


SILICON: Final = Protocol(turnaround_s=0.010, turnaround_per_prompt_token_s=3e-6)
"""What explains the TTFT of Qwen3-32B with vLLM 0.12 on two and four H100 in aiconfigurator's `silicon_sample.csv`: ten
requests for each client, as its tools ask for, and the first ones count. The turnaround was chosen on those rows."""

INFERENCE_MAX: Final = replace(SILICON, shortest_length=0.8)
"""What InferenceMAX publishes of its benchmark; nothing here was chosen by its figures."""

SILICON_CHUNK_PER_PROMPT_TOKEN: Final = 1.25
"""The chunk of those runs as a multiple of their prompt. The file does not say it; with prompts of 1,024 and of 4,096
tokens, on two and on four GPUs alike, the TTFT error has its minimum within 5 % of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Means over the requests that count."""

    ttft_s: float
    """From when the client sends, its turnaround included."""
    tpot_s: float
    """0 where answers have one token."""
    requests_per_s: float
    """Of the whole run."""


def measure(
    engine: Engine, *, concurrency: int, prompt_tokens: int, output_tokens: int, protocol: Protocol = SILICON
) -> Measured:
    """What a benchmark with this many clients, and requests of this length, reports of the engine."""
    turnaround_s = protocol.turnaround_s + protocol.turnaround_per_prompt_token_s * prompt_tokens
    num = concurrency * protocol.requests_per_client
    requests = _requests(num, prompt_tokens, output_tokens, protocol.shortest_length)
    _drive(_replica(engine, requests), concurrency, turnaround_s)
    counted = requests[concurrency * protocol.uncounted_per_client :]
    ttft_s = counted["first_token_s"] - counted["arrival_s"]
    tpot_s = (counted["finish_s"] - counted["first_token_s"]) / np.maximum(counted["output_tokens"] - 1, 1)
    return Measured(
        ttft_s=turnaround_s + float(ttft_s.mean()),
        tpot_s=float(tpot_s.mean()),
        requests_per_s=len(requests) / float(requests["finish_s"].max()),
    )


def _requests(num: int, prompt_tokens: int, output_tokens: int, shortest: float) -> NDArray[Any]:
    """The same for the same arguments."""
    rng = np.random.default_rng(0)
    requests = np.zeros(num, dtype=kernel.REQUEST)
    for name, longest in (("prompt_tokens", prompt_tokens), ("output_tokens", output_tokens)):
        requests[name] = rng.integers(max(1, int(shortest * longest)), longest, num, endpoint=True)
    requests["first_token_s"] = requests["finish_s"] = np.nan
    requests["following"] = kernel.NONE
    return requests


def _replica(engine: Engine, requests: NDArray[Any]) -> kernel.World:
    """One ready replica, in slot 0."""
    variant = Variant(name="measured", engine=engine, usd_per_hour=0.0, cold_start_s=0.0)
    objective = Objective(ttft_s=np.inf, tpot_s=np.inf, attainment=1.0)
    terms = Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=1)
    fleet = Fleet(requests, terms, kernel.LEAST_LOADED, 0)
    fleet.order(0, 0.0, 0.0)
    return fleet.world


@kernel.compiled
def _drive(world: kernel.World, concurrency: int, turnaround_s: float) -> None:
    """Send every request, and run the replica until all are finished; arrivals never decrease."""
    requests, replica = world.requests, world.replicas[0]
    num_known = min(concurrency, len(requests))  # requests whose arrival is known
    num_sent = num_finished = 0
    while num_finished < len(requests):
        if num_sent < num_known and requests[num_sent].arrival_s <= replica.end_s:
            kernel.dispatch(world, 0, num_sent, requests[num_sent].arrival_s)
            num_sent += 1
            continue
        now_s = replica.end_s
        kernel.turn(world, 0)
        num_finished = int(world.sums[0, kernel.FINISHED])
        while num_known < min(concurrency + num_finished, len(requests)):
            requests[num_known].arrival_s = now_s + turnaround_s
            num_known += 1

"""WVA's model of one replica: an M/M/1/K queue whose service rate grows with the requests in service.

Source: llm-d/llm-d-workload-variant-autoscaler, pkg/analyzer/{queueanalyzer,mm1modelstatedependent}.go. For requests of
I prompt and O output tokens, and a batch of n ≤ N:

    T(n)    = α + n·(β·(I + O)/(O + 1) + γ·(I + O/2))
    prefill = T(n) + (β + γ)·I        decode of one token = T(n) + β + γ·(I + O/2)
    μ(n)    = n / (prefill + O·decode),    μ(N) beyond,    at most 11·N requests in the system

Means follow from the stationary probabilities p(n) ∝ Π λ/μ(i); beyond N these are geometric and summed in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.measured import Lengths

QUEUE_TO_BATCH: Final = 10
NEARLY: Final = 1e-3
"""Rates are searched from a thousandth of the lowest service rate to a thousandth below the highest."""
STEPS: Final = 30
"""Halvings of the search: a rate to one part in 10⁹, where the source stops at 10⁻⁶ of the latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Seconds of an iteration, as the product splits them."""

    alpha_s: float
    """Of the empty iteration."""
    beta_s: float
    """Per computed token."""
    gamma_s: float
    """Per KV token."""

    def iteration_s(self, lengths: Lengths, batch: float) -> float:
        """The mean iteration with this many requests."""
        prompt, output = lengths.prompt_tokens, lengths.output_tokens
        computed, held = (prompt + output) / (output + 1.0), prompt + output / 2.0
        return self.alpha_s + batch * (self.beta_s * computed + self.gamma_s * held)

    def prefill_s(self, lengths: Lengths, batch: float) -> float:
        """The prefill of one request beside this many."""
        return self.iteration_s(lengths, batch) + (self.beta_s + self.gamma_s) * lengths.prompt_tokens

    def decode_s(self, lengths: Lengths, batch: float) -> float:
        """One output token beside this many requests."""
        held = lengths.prompt_tokens + lengths.output_tokens / 2.0
        return self.iteration_s(lengths, batch) + self.beta_s + self.gamma_s * held


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Means of one replica at one rate."""

    wait_s: float
    prefill_s: float
    token_s: float
    throughput_rps: float

    @property
    def ttft_s(self) -> float:
        """As it is sized for: the first output token counts."""
        return self.wait_s + self.prefill_s + self.token_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Queue:
    """One replica for requests of one length."""

    service: Service
    lengths: Lengths
    rates_rps: NDArray[np.float64]
    """Service rate with n = 1 … N requests."""
    log_products: NDArray[np.float64]
    """Σ log μ(i) up to n = 0 … N."""

    @classmethod
    def of(cls, service: Service, lengths: Lengths, max_batch: int) -> Queue:
        """The queue of a replica that runs at most `max_batch` requests at once."""
        batch = np.arange(1.0, max_batch + 1.0)
        one = service.prefill_s(lengths, 0.0) + lengths.output_tokens * service.decode_s(lengths, 0.0)
        slope = service.iteration_s(lengths, 1.0) - service.alpha_s
        rates = batch / (one + (1.0 + lengths.output_tokens) * slope * batch)
        return cls(
            service=service,
            lengths=lengths,
            rates_rps=rates,
            log_products=np.concatenate(([0.0], np.cumsum(np.log(rates)))),
        )

    @property
    def lowest_rps(self) -> float:
        """The lowest rate that is searched."""
        return float(self.rates_rps[0]) * NEARLY

    @property
    def highest_rps(self) -> float:
        """The highest stable rate."""
        return float(self.rates_rps[-1]) * (1.0 - NEARLY)

    def at(self, rate_rps: float) -> Latency:
        """Mean latencies at this arrival rate."""
        num = len(self.rates_rps)
        states = np.arange(num + 1.0)
        logs = states * np.log(rate_rps) - self.log_products
        weights = np.exp(logs - logs.max())
        ratio = rate_rps / float(self.rates_rps[-1])
        more, further, last = _geometric(ratio, QUEUE_TO_BATCH * num)
        tail = float(weights[-1])
        total = float(weights.sum()) + tail * more
        in_service = (float(states @ weights) + tail * more * num) / total
        in_queue = tail * further / total
        throughput = rate_rps * (1.0 - tail * last / total)
        return self._latency(in_service, in_queue, throughput)

    def highest_within(self, ttft_s: float, token_s: float) -> float | Missing:
        """The highest rate whose mean latencies keep both bounds; Missing where none does."""
        low, high = self.lowest_rps, self.highest_rps
        if self._keeps(high, ttft_s, token_s):
            return high
        if not self._keeps(low, ttft_s, token_s):
            return Missing(reason="the queueing model meets the objective at no rate")
        for _ in range(STEPS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self._keeps(middle, ttft_s, token_s) else (low, middle)
        return low

    def _keeps(self, rate_rps: float, ttft_s: float, token_s: float) -> bool:
        latency = self.at(rate_rps)
        return latency.ttft_s <= ttft_s and latency.token_s <= token_s

    def _latency(self, in_service: float, in_queue: float, throughput_rps: float) -> Latency:
        prefill_s = self.service.prefill_s(self.lengths, in_service)
        token_s = (in_service / throughput_rps - prefill_s) / self.lengths.output_tokens
        return Latency(
            wait_s=in_queue / throughput_rps, prefill_s=prefill_s, token_s=token_s, throughput_rps=throughput_rps
        )


def _geometric(ratio: float, num: int) -> tuple[float, float, float]:
    """Σ rⁱ and Σ i·rⁱ for i = 1 … num, and r^num."""
    last = ratio**num
    if abs(1.0 - ratio) < 1e-9:
        return float(num), num * (num + 1) / 2.0, last
    total = ratio * (1.0 - last) / (1.0 - ratio)
    weighted = (total - num * last * ratio) / (1.0 - ratio)
    return total, weighted, last

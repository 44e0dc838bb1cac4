"""`engine`, `objective` and `arriving`: one replica and what arrives at it, in round numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from raytide.autoscaling.observation import Demand, Finished
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.terms import Objective


@pytest.fixture(scope="session")
def engine() -> Engine:
    """A prompt token takes 0.1 ms, an output token 1 ms and 1 µs for each token that it looks back on."""
    iteration = Iteration(base_s=0.01, per_sequence_s=1e-3, per_kv_token_s=1e-6, per_prefill_token_s=1e-4)
    return Engine(iteration=iteration, kv_capacity_tokens=100_000)


@pytest.fixture(scope="session")
def objective() -> Objective:
    return Objective(ttft_s=0.5, tpot_s=0.1, attainment=0.99)


@pytest.fixture(scope="session")
def arriving() -> Callable[..., Demand]:
    """Arrivals by the second; `finished` of them with the lengths that are said."""

    def make(
        arrivals: Sequence[int],
        *,
        prompt_tokens: int = 100,
        output_tokens: int = 50,
        finished: int = 0,
        cached_share: float = 0.0,
    ) -> Demand:
        counts = np.array(arrivals, dtype=np.int64)
        return Demand(
            span_s=float(len(counts)),
            arrivals=counts,
            arrived_prompt_tokens=counts * prompt_tokens,
            finished=Finished(
                num=finished,
                attained=finished,
                prompt_tokens=float(finished * prompt_tokens),
                cached_tokens=finished * prompt_tokens * cached_share,
                output_tokens=float(finished * output_tokens),
                kv_token_steps=finished * output_tokens * (prompt_tokens + output_tokens / 2),
            ),
        )

    return make

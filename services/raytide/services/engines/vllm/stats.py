"""vLLM's own measurements, handed to the replica's meter. The types are not a stable interface of vLLM: a contract
test runs this against the pinned version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

from raytide.autoscaling.live.reports import RequestSample
from raytide.services.engines.meter import ReplicaMeter


def meter_logger(meter: ReplicaMeter) -> Callable[[Any, int], StatLoggerBase]:
    """A factory that vLLM calls once per engine core."""

    def make(_config: Any, _engine_index: int = 0) -> StatLoggerBase:
        return _MeterLogger(meter)

    return make


class _MeterLogger(StatLoggerBase):  # type: ignore[misc]
    def __init__(self, meter: ReplicaMeter) -> None:
        self._meter = meter

    def log_engine_initialized(self) -> None:
        """Nothing to say: the replica reports its own start."""

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        """Take over one iteration's state and the requests that finished in it."""
        if scheduler_stats is not None:
            self._meter.see_engine(
                running=scheduler_stats.num_running_reqs,
                waiting=scheduler_stats.num_waiting_reqs,
                kv_used_fraction=scheduler_stats.kv_cache_usage,
            )
        for finished in iteration_stats.finished_requests if iteration_stats is not None else ():
            self._meter.see_finished(_sample(finished))


def _sample(finished: Any) -> RequestSample:
    # End-to-end latency is taken in the frontend, decode time in the engine core; their difference is queueing,
    # tokenization and prefill: the time to the first token.
    return RequestSample(
        prompt_tokens=finished.num_prompt_tokens,
        output_tokens=finished.num_generation_tokens,
        ttft_s=max(0.0, finished.e2e_latency - finished.decode_time),
        tpot_s=finished.mean_time_per_output_token,
    )

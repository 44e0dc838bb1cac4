"""vLLM's own measurements, handed to the replica's meter. The types are not a stable interface of vLLM: a contract
test runs this against the pinned version.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

from raytide.autoscaling.live.reports import RequestSample
from raytide.services.engines.meter import ReplicaMeter, Step


def meter_logger(meter: ReplicaMeter) -> Callable[[Any, int], StatLoggerBase]:
    """A factory that vLLM calls once per engine core."""

    def make(_config: Any, _engine_index: int = 0) -> StatLoggerBase:
        return _MeterLogger(meter)

    return make


class _MeterLogger(StatLoggerBase):  # type: ignore[misc]
    def __init__(self, meter: ReplicaMeter) -> None:
        self._meter = meter
        self._busy_since_s: float | None = None

    def log_engine_initialized(self) -> None:
        """Nothing to say: the replica reports its own start."""

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        """Take over one iteration's state, and the requests that began or finished in it."""
        if scheduler_stats is not None:
            self._see_iteration(scheduler_stats, iteration_stats)
        if iteration_stats is None:
            return
        for ttft_s in iteration_stats.time_to_first_tokens_iter:
            self._meter.see_first_token(ttft_s)
        for finished in iteration_stats.finished_requests:
            self._meter.see_finished(_sample(finished))

    def _see_iteration(self, scheduler: Any, iteration: Any) -> None:
        """An iteration takes as long as it is since the one before, if work was left: what is done between two of them
        keeps the tokens waiting, too. The first one after a pause has no beginning that is known, and does not count.
        """
        now_s = time.perf_counter()
        if self._busy_since_s is not None:
            self._meter.see_step(_step(now_s - self._busy_since_s, scheduler, iteration))
        self._busy_since_s = now_s if scheduler.num_running_reqs + scheduler.num_waiting_reqs else None
        self._meter.see_engine(
            running=scheduler.num_running_reqs,
            waiting=scheduler.num_waiting_reqs,
            kv_used_fraction=scheduler.kv_cache_usage,
        )


def _step(seconds: float, scheduler: Any, iteration: Any) -> Step:
    if iteration is None:  # a chunk of a prompt, with nothing beside it
        return Step(seconds=seconds, sequences=0, prefill_tokens=0, kv_used_fraction=scheduler.kv_cache_usage)
    return Step(
        seconds=seconds,
        # With speculative decoding a sequence may yield several tokens; then this is an upper bound.
        sequences=iteration.num_generation_tokens - len(iteration.time_to_first_tokens_iter),
        prefill_tokens=iteration.prompt_token_stats.computed,
        kv_used_fraction=scheduler.kv_cache_usage,
    )


def _sample(finished: Any) -> RequestSample:
    # End-to-end latency is taken in the frontend, decode time in the engine core; their difference is queueing,
    # tokenization and prefill: the time to the first token.
    return RequestSample(
        prompt_tokens=finished.num_prompt_tokens,
        cached_tokens=finished.num_cached_tokens,
        output_tokens=finished.num_generation_tokens,
        ttft_s=max(0.0, finished.e2e_latency - finished.decode_time),
        tpot_s=finished.mean_time_per_output_token,
    )

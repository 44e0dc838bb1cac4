"""What a replica counts between two reports: the engine's arrivals, iterations and requests, the gateway's errors."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.reports import Arrivals, ReplicaReport, RequestSample
from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One iteration of the engine, as far as it tells."""

    seconds: float
    """Since the iteration before."""
    sequences: int
    """That decoded a token."""
    prefill_tokens: int
    """Of the prompts whose last chunk it computed."""
    kv_used_fraction: float


class ReplicaMeter:
    """Counts since the last report; used from one event loop only."""

    def __init__(self, *, replica: str, variant: str, started_s: float) -> None:
        self._replica = replica
        self._variant = variant
        self._number = 0
        self._running = 0
        self._waiting = 0
        self._kv_used_fraction = 0.0
        self.reset(started_s)

    def count_arrival(self, at_s: float, *, num: int, prompt_tokens: int) -> None:
        """A request for `num` sequences, which came to the service then, has reached the engine.

        Its prompt is computed once.
        """
        self._arrivals[int(at_s)] += Arrivals(num=num, prompt_tokens=prompt_tokens)

    def count_error(self) -> None:
        """A request has been answered with a status of 500 or above."""
        self._errors += 1

    def see_engine(self, *, running: int, waiting: int, kv_used_fraction: float) -> None:
        """The engine's scheduler has this state now."""
        self._running, self._waiting, self._kv_used_fraction = running, waiting, kv_used_fraction

    def see_step(self, step: Step) -> None:
        """The engine has finished an iteration."""
        self._steps += 1
        self._step_s += step.seconds
        self._sequences += step.sequences
        self._root_sequences += math.sqrt(step.sequences)
        self._kv_used += step.kv_used_fraction
        self._prefill_tokens += step.prefill_tokens

    def see_first_token(self, ttft_s: float) -> None:
        """A request has its first token."""
        self._first_tokens_s.append(ttft_s)

    def see_finished(self, sample: RequestSample) -> None:
        """The engine has finished a request."""
        self._finished.append(sample)

    def reset(self, now_s: float) -> None:
        """Forget what was counted: warm-up requests are nobody's traffic."""
        self._since_s = now_s
        self._arrivals: defaultdict[int, Arrivals] = defaultdict(Arrivals)
        self._errors = 0
        self._first_tokens_s: list[float] = []
        self._finished: list[RequestSample] = []
        self._steps = self._sequences = self._prefill_tokens = 0
        self._step_s = self._root_sequences = self._kv_used = 0.0

    def report(
        self,
        now_s: float,
        *,
        address: str,
        key: str,
        is_draining: bool,
        capacity: Capacity,
        engine: Engine,
        waiting_prompt_tokens: int,
    ) -> ReplicaReport:
        """Everything since the last report; counting starts again."""
        self._number += 1
        made = ReplicaReport(
            replica=self._replica,
            variant=self._variant,
            address=address,
            key=key,
            number=self._number,
            since_s=self._since_s,
            at_s=now_s,
            arrivals=dict(self._arrivals),
            errors=self._errors,
            first_tokens_s=tuple(self._first_tokens_s),
            finished=tuple(self._finished),
            iterations=self._iterations(engine),
            running=self._running,
            waiting=self._waiting,
            waiting_prompt_tokens=waiting_prompt_tokens,
            kv_tokens=round(self._kv_used_fraction * engine.kv_capacity_tokens),
            capacity=capacity,
            engine=engine,
            is_draining=is_draining,
        )
        self.reset(now_s)
        return made

    def _iterations(self, engine: Engine) -> Iterations:
        return Iterations(
            num=self._steps,
            seconds=self._step_s,
            sequences=float(self._sequences),
            root_sequences=self._root_sequences,
            kv_tokens=self._kv_used * engine.kv_capacity_tokens,
            prefill_tokens=float(self._prefill_tokens),
        )

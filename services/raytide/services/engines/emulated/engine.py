"""The emulated engine: a batch that is stepped in real time, and counts in the meter what a real engine counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.autoscaling.codec import typed
from raytide.autoscaling.live.reports import RequestSample
from raytide.autoscaling.performance.engine import Engine as Speed
from raytide.core.errors import RaytideError
from raytide.services.engines.arrived import arrived_s
from raytide.services.engines.emulated.batch import Batch, Iteration, Sequence
from raytide.services.engines.emulated.openai import OpenAI
from raytide.services.engines.engine import Measured
from raytide.services.engines.meter import ReplicaMeter, Step
from raytide.services.engines.warmup import concurrencies
from raytide.services.settings import EngineSettings

_MEASURED_PROMPT_TOKENS: Final = 8
_LONGEST_CATCH_UP_S: Final = 0.1
"""A process that did not run in time makes up for this much of it; more would be faster than the engine is."""


def start(settings: EngineSettings, meter: ReplicaMeter) -> EmulatedEngine:
    """An engine as fast as declared; needs a running event loop.

    Raises:
        RaytideError: nothing says how fast.
    """
    if settings.speed is None:
        raise RaytideError("spec.hardware: an emulated engine needs `performance` to be as fast as")
    return EmulatedEngine(settings, typed(Speed, settings.speed), meter)


@dataclass(slots=True, kw_only=True, eq=False)
class Answer:
    """A sequence, when it came and got its tokens, and whom it wakes."""

    sequence: Sequence
    arrived_s: float
    first_token_s: float | None = None
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class EmulatedEngine:
    """Decodes and prefills by the clock."""

    def __init__(self, settings: EngineSettings, speed: Speed, meter: ReplicaMeter) -> None:
        self._settings = settings
        self._speed = speed
        self._meter = meter
        self._batch = Batch(speed)
        self._answers: dict[Sequence, Answer] = {}
        self._work = asyncio.Event()
        self._running = asyncio.get_running_loop().create_task(self._run_forever())

    @property
    def max_model_len(self) -> int:
        """Most tokens of a prompt and its answer."""
        return int(self._settings.args.get("max_model_len", self._speed.kv_capacity_tokens))

    @property
    def waiting_prompt_tokens(self) -> int:
        """Of all requests whose prefill is not finished."""
        return self._batch.waiting_prompt_tokens

    async def routes(self) -> ASGIApp:
        """The OpenAI routes, for the model and its adapters."""
        models = (self._settings.service, *self._settings.adapters)
        fail_every = self._settings.args.get("fail_every")
        return OpenAI(models, self.max_model_len, self.generate, fail_every).application()

    async def measure(self, routes: ASGIApp) -> Measured:
        """What was declared: there is nothing to load or to find out."""
        return Measured(capacity=capacity_of(self._speed), speed=self._speed)

    async def check_health(self) -> None:
        """Raises where the loop has ended."""
        if self._running.done():
            raise RuntimeError("the emulated engine has ended") from self._running.exception()

    def stop(self) -> None:
        """Ends the loop."""
        self._running.cancel()

    async def generate(self, prompt_tokens: int, output_tokens: int, num: int) -> AsyncGenerator[tuple[int, int]]:
        """`(choice, tokens)` whenever one of `num` answers to a prompt has grown; leaving early aborts them all."""
        self._meter.count_arrival(arrived_s(), num=num, prompt_tokens=prompt_tokens)
        news = asyncio.Event()
        answers = [self._add(prompt_tokens, output_tokens, news, is_first=index == 0) for index in range(num)]
        seen = [0] * num
        try:
            while any(tokens < output_tokens for tokens in seen):
                await news.wait()
                news.clear()
                for index, answer in enumerate(answers):
                    if answer.sequence.generated > seen[index]:
                        yield index, answer.sequence.generated - seen[index]
                        seen[index] = answer.sequence.generated
        finally:
            for answer in answers:
                self._answers.pop(answer.sequence, None)
                self._batch.remove(answer.sequence)

    def _add(self, prompt_tokens: int, output_tokens: int, news: asyncio.Event, *, is_first: bool) -> Answer:
        """Further answers to a prompt find it in the prefix cache."""
        sequence = Sequence(
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            cached_tokens=0 if is_first else prompt_tokens - 1,
        )
        answer = self._answers[sequence] = Answer(sequence=sequence, arrived_s=time.perf_counter(), grown=news)
        self._batch.add(sequence)
        self._work.set()
        return answer

    async def _run_forever(self) -> None:
        while True:
            await self._work.wait()
            await self._run_until_idle()
            self._work.clear()

    async def _run_until_idle(self) -> None:
        due_s = time.perf_counter()
        while iteration := self._batch.begin():
            self._see_batch()
            due_s = max(due_s, time.perf_counter() - _LONGEST_CATCH_UP_S) + iteration.seconds
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            self._end(iteration)
        self._see_batch()

    def _end(self, iteration: Iteration) -> None:
        now_s = time.perf_counter()
        used = iteration.kv_tokens / self._speed.kv_capacity_tokens
        self._meter.see_step(
            Step(
                seconds=iteration.seconds,
                sequences=iteration.num_sequences,
                prefill_tokens=iteration.prefill_tokens,
                kv_used_fraction=used,
            )
        )
        for sequence in self._batch.end():
            if answer := self._answers.get(sequence):
                self._see_token(answer, now_s)

    def _see_batch(self) -> None:
        used = self._batch.held_tokens / self._speed.kv_capacity_tokens
        self._meter.see_engine(
            running=self._batch.num_sequences, waiting=len(self._batch.waiting), kv_used_fraction=min(1.0, used)
        )

    def _see_token(self, answer: Answer, now_s: float) -> None:
        if answer.first_token_s is None:
            answer.first_token_s = now_s
            self._meter.see_first_token(now_s - answer.arrived_s)
        if answer.sequence.is_finished:
            self._meter.see_finished(_sample(answer, answer.first_token_s, now_s))
        answer.grown.set()


def capacity_of(speed: Speed) -> Capacity:
    """What the warm-up of a real engine of this speed would measure, but for its noise."""
    chunk_s = speed.iteration.seconds(0, 0, speed.chunk_tokens)
    points = tuple(_point(speed, concurrency) for concurrency in concurrencies(speed.max_num_seqs))
    return Capacity(prefill_tokens_per_s=speed.chunk_tokens / chunk_s, points=points)


def _point(speed: Speed, concurrency: int) -> CapacityPoint:
    tpot_s = speed.iteration.seconds(concurrency, concurrency * _MEASURED_PROMPT_TOKENS, 0)
    return CapacityPoint(concurrency=concurrency, tpot_s=tpot_s, output_tokens_per_s=concurrency / tpot_s)


def _sample(answer: Answer, first_token_s: float, now_s: float) -> RequestSample:
    sequence = answer.sequence
    return RequestSample(
        prompt_tokens=sequence.prompt_tokens,
        cached_tokens=sequence.cached_tokens,
        output_tokens=sequence.output_tokens,
        ttft_s=first_token_s - answer.arrived_s,
        tpot_s=(now_s - first_token_s) / (sequence.output_tokens - 1) if sequence.output_tokens > 1 else 0.0,
    )

"""Arrivals as work: how much of a replica's compute they use, second by second, and the rate that serves it in time.

The work of a request is the time that it adds to the iterations of a replica: its prompt when it arrives, and its share
of the decode steps over the time that it stays. A replica does at most 1 - base/TPOT of work per second, because an
iteration must not take longer than the TPOT bound.

The need at a second is the rate that would have served every recent burst without a delay above the slack: the largest
of the sums over the last 1 to 32 seconds, each spread over its length and the slack (the envelope of InferLine, NSDI
2020). Sizing for the mean of a minute would miss what a TTFT bound of seconds feels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.observation import Demand
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective

Floats = NDArray[np.float64]

WINDOWS_S: Final = np.array([1, 2, 4, 8, 16, 32])
_KEPT_S: Final = 64
_MOST_RESIDENCE_S: Final = 256
_TYPICAL_REQUESTS: Final = 6000.0
"""Requests over which the mean answer is averaged: minutes at tens of requests per second."""
_LEAST_WORK_S: Final = 1e-6
"""Of a request: an engine that was calibrated to no slope at all still does not answer for nothing."""
_ASSUMED_PROMPT_TOKENS: Final = 1000.0
_ASSUMED_OUTPUT_TOKENS: Final = 200.0
_ASSUMED_KV_TOKEN_STEPS: Final = 200.0 * 1100.0
"""Before any request has finished: about the mean of the Azure 2023 conversations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """The work of the last seconds, and what is known of the answers that are still being written."""

    recent: Floats
    """Work per second, oldest first; shape (_KEPT_S,)."""
    coming: Floats
    """Decode work of requests that have arrived, in the seconds to come; shape (_MOST_RESIDENCE_S,)."""
    prompt_tokens: float = _ASSUMED_PROMPT_TOKENS
    output_tokens: float = _ASSUMED_OUTPUT_TOKENS
    kv_token_steps: float = _ASSUMED_KV_TOKEN_STEPS
    num_finished: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seconds:
    """What the seconds of one observation asked for; shape (seconds,) each."""

    arrivals: Floats
    work: Floats
    need: Floats


def nothing_yet() -> Work:
    """Before the first observation."""
    return Work(recent=np.zeros(_KEPT_S), coming=np.zeros(_MOST_RESIDENCE_S))


def add(work: Work, demand: Demand, engine: Engine, objective: Objective) -> tuple[Work, Seconds]:
    """The work after an observation, and its seconds, of which only the last minutes are looked at."""
    known = _learnt(work, demand)
    arrivals = demand.arrivals[-_MOST_RESIDENCE_S:].astype(np.float64)
    prompts = demand.arrived_prompt_tokens[-_MOST_RESIDENCE_S:] * _uncached(demand)
    stay_s = _residence_s(known, objective)
    coming = np.zeros(_MOST_RESIDENCE_S + len(arrivals))
    coming[:_MOST_RESIDENCE_S] = known.coming
    if len(arrivals):
        smeared = np.convolve(arrivals * decode_work_s(known, engine), np.full(stay_s, 1.0 / stay_s))
        coming[: len(smeared)] += smeared[: len(coming)]
    new = engine.iteration.per_prefill_token_s * prompts + coming[: len(arrivals)]
    series = np.concatenate([known.recent, new])
    seconds = Seconds(arrivals=arrivals, work=new, need=_needs(series, len(new), _slack_s(known, objective)))
    return replace(known, recent=series[-_KEPT_S:], coming=coming[-_MOST_RESIDENCE_S:]), seconds


def request_work_s(work: Work, engine: Engine) -> float:
    """The work of one request of typical length."""
    return max(_LEAST_WORK_S, engine.iteration.per_prefill_token_s * work.prompt_tokens + decode_work_s(work, engine))


def decode_work_s(work: Work, engine: Engine) -> float:
    """The work of one answer of typical length."""
    step = engine.iteration
    return work.output_tokens * step.per_sequence_s + step.per_kv_token_s * work.kv_token_steps


def _learnt(work: Work, demand: Demand) -> Work:
    done = demand.finished
    if not done.num:
        return work
    gain = max(done.num / (work.num_finished + done.num), min(1.0, done.num / _TYPICAL_REQUESTS))
    return replace(
        work,
        prompt_tokens=work.prompt_tokens
        + gain * ((done.prompt_tokens - done.cached_tokens) / done.num - work.prompt_tokens),
        output_tokens=work.output_tokens + gain * (done.output_tokens / done.num - work.output_tokens),
        kv_token_steps=work.kv_token_steps + gain * (done.kv_token_steps / done.num - work.kv_token_steps),
        num_finished=min(work.num_finished + done.num, _TYPICAL_REQUESTS),
    )


def _uncached(demand: Demand) -> float:
    """The share of prompt tokens that the prefix cache did not have, as far as the finished requests tell."""
    done = demand.finished
    return 1.0 - done.cached_tokens / done.prompt_tokens if done.prompt_tokens else 1.0


def _residence_s(work: Work, objective: Objective) -> int:
    """How long an answer is written: at a TPOT of 60 % of the bound, as under the load that sizing aims at."""
    return min(max(round(work.output_tokens * 0.6 * objective.tpot_s), 1), _MOST_RESIDENCE_S)


def _slack_s(work: Work, objective: Objective) -> float:
    """How long work may wait: the TTFT bound, or a sixth of the time that an answer may take, which its TPOT feels."""
    return min(objective.ttft_s, objective.tpot_s * work.output_tokens / 6)


def _needs(series: Floats, num: int, slack_s: float) -> Floats:
    total = np.zeros(len(series) + 1)
    series.cumsum(out=total[1:])
    ends, windows = np.arange(len(series) - num + 1, len(series) + 1), WINDOWS_S[:, None]
    need: Floats = ((total[ends] - total[ends - windows]) / (windows + slack_s)).max(axis=0)
    return need

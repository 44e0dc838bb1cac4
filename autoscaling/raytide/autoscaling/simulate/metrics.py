"""The metrics path: what replicas count, turned into the observation that a live controller would get."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import (
    NOT_BY_CLASS,
    ClassDemand,
    Demand,
    Finished,
    Iterations,
    Observation,
    VariantView,
)
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.conditions import Preemption
from raytide.autoscaling.simulate.fleet import Fleet
from raytide.autoscaling.terms import Terms

_UNSEEN = Missing(reason="no metrics arrived")


class Metrics:
    """Counts since the last scrape; a lost scrape loses nothing, because the next one covers its time too."""

    def __init__(self, world: kernel.World, terms: Terms) -> None:
        requests = world.requests
        second = requests["arrival_s"].astype(np.int64)
        length = int(second[-1]) + 2
        self._arrivals = np.bincount(second, minlength=length)
        self._prompt_tokens = np.bincount(second, weights=requests["prompt_tokens"], minlength=length).astype(np.int64)
        self._world, self._terms, self._second = world, terms, second
        self._is_told = bool(terms.classes) and bool((world.class_of != kernel.NONE).all())
        self._since_s = 0.0
        self._preempted = [0] * len(terms.variants)
        self._num_finished = 0.0

    def all_finished(self) -> bool:
        """Whether every request of the run has its last token, or was turned away."""
        ended = self._num_finished + float(self._world.sums[:, kernel.FINISHED].sum())
        return ended + int(np.count_nonzero(self._world.shed)) >= len(self._world.requests)

    def preempt(self, fleet: Fleet, taken: Preemption, at_s: float) -> None:
        """Replicas get notice; they drain until it ends."""
        variant = fleet.variant(taken.variant)
        self._preempted[variant] += fleet.drain(variant, taken.num_replicas, at_s, taken.notice_s)

    def take(self, fleet: Fleet, targets: Sequence[int], failed: Sequence[int], at_s: float) -> Observation:
        """The observation at `at_s`, and the counters start anew."""
        demand = self._demand(at_s)
        iterations = [_iterations(row) for row in self._world.sums]
        views = tuple(
            self._view(fleet, index, targets[index], failed[index], iterations[index], at_s)
            for index in range(len(targets))
        )
        self._reset(at_s)
        return Observation(at_s=at_s, demand=demand, variants=views, num_queued=self._num_queued())

    def nothing(self, fleet: Fleet, targets: Sequence[int], at_s: float) -> Observation:
        """What is left where no metric arrived: the orchestrator still says which replicas exist."""
        views = tuple(
            VariantView(
                name=variant.name,
                target=targets[index],
                num_ready=fleet.num(index, kernel.READY),
                starting_for_s=fleet.starting_for_s(index, at_s),
                num_draining=fleet.num(index, kernel.DRAINING),
                gauges=_UNSEEN,
                iterations=_UNSEEN,
            )
            for index, variant in enumerate(self._terms.variants)
        )
        return Observation(at_s=at_s, demand=_UNSEEN, variants=views)

    def _demand(self, at_s: float) -> Demand:
        start, end = int(self._since_s), int(at_s)
        sums = self._world.sums.sum(axis=0)
        return Demand(
            span_s=at_s - self._since_s,
            arrivals=_padded(self._arrivals, start, end),
            arrived_prompt_tokens=_padded(self._prompt_tokens, start, end),
            finished=Finished(
                num=int(sums[kernel.FINISHED]),
                attained=int(sums[kernel.ATTAINED]),
                missed_ttft=int(sums[kernel.MISSED_TTFT]),
                missed_tpot=int(sums[kernel.MISSED_TPOT]),
                prompt_tokens=float(sums[kernel.PROMPT]),
                cached_tokens=float(sums[kernel.CACHED]),
                output_tokens=float(sums[kernel.OUTPUT]),
                prompt_tokens_squared=float(sums[kernel.PROMPT_SQ]),
                output_tokens_squared=float(sums[kernel.OUTPUT_SQ]),
                kv_token_steps=float(sums[kernel.KV_STEPS]),
            ),
            ttft=Latencies(counts=self._world.ttft.copy()),
            tpot=Latencies(counts=self._world.tpot.copy()),
            by_class=self._by_class(start, end),
        )

    def _by_class(self, start: int, end: int) -> tuple[ClassDemand, ...] | Missing:
        """Of the seconds from `start` to before `end`; missing where the trace names no classes."""
        if not self._is_told:
            return NOT_BY_CLASS
        own = slice(*np.searchsorted(self._second, (start, end)))
        class_of, shed = self._world.class_of[own], self._world.shed[own]
        num, tokens = len(self._terms.classes), self._world.requests["prompt_tokens"][own]
        arrived, turned_away = np.bincount(class_of, minlength=num), np.bincount(class_of[shed], minlength=num)
        prompt_tokens = np.bincount(class_of, weights=tokens, minlength=num)
        return tuple(
            ClassDemand(
                name=one.name,
                num_arrivals=int(arrived[c]),
                num_shed=int(turned_away[c]),
                prompt_tokens=int(prompt_tokens[c]),
            )
            for c, one in enumerate(self._terms.classes)
        )

    def _view(
        self, fleet: Fleet, index: int, target: int, failed: int, iterations: Iterations, at_s: float
    ) -> VariantView:
        return VariantView(
            name=self._terms.variants[index].name,
            target=target,
            num_ready=fleet.num(index, kernel.READY),
            starting_for_s=fleet.starting_for_s(index, at_s),
            num_draining=fleet.num(index, kernel.DRAINING),
            gauges=fleet.gauges(index),
            iterations=iterations,
            num_failed_starts=failed,
            num_preempted=self._preempted[index],
            became_ready_after_s=fleet.became_ready_after_s(index, self._since_s, at_s),
        )

    def _reset(self, at_s: float) -> None:
        self._num_finished += float(self._world.sums[:, kernel.FINISHED].sum())
        self._world.sums[:] = 0.0
        self._world.ttft[:] = 0
        self._world.tpot[:] = 0
        self._preempted = [0] * len(self._preempted)
        self._since_s = at_s

    def _num_queued(self) -> int:
        return int(self._world.gateway[kernel.QUEUE_LENGTH])


def _iterations(row: np.ndarray) -> Iterations:
    return Iterations(
        num=int(row[kernel.ITERATIONS]),
        seconds=float(row[kernel.ITERATION_S]),
        sequences=float(row[kernel.SEQUENCES]),
        root_sequences=float(row[kernel.ROOT_SEQUENCES]),
        kv_tokens=float(row[kernel.KV_TOKENS]),
        prefill_tokens=float(row[kernel.PREFILL_TOKENS]),
    )


def _padded(per_second: np.ndarray, start: int, end: int) -> np.ndarray:
    """The seconds from `start` to before `end`, zero after the last arrival."""
    part = per_second[start:end]
    return part if len(part) == end - start else np.pad(part, (0, end - start - len(part)))

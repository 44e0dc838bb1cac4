"""Runs in a pool of processes: each cell is one policy in one setting on one case, and does not know of the others."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case, warm_up
from raytide.autoscaling.simulate.curves import Change, Curves, changes_of, curves_of
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle, clairvoyant
from raytide.autoscaling.simulate.policies import entrant
from raytide.autoscaling.simulate.result import Reference, Result, played_by, result_of
from raytide.autoscaling.simulate.standing import Standing

T = TypeVar("T")
K = TypeVar("K")

_LATER: Final = Missing(reason="worked out apart from the run")
_UNKNOWN: Final = Reference(fluid_cost_usd=_LATER, cost_usd=_LATER, attainment=_LATER)
_cases: list[Case] = []
"""Of this process: a worker gets the traces once, not with every cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run."""

    policy: str
    case: int
    """Its place among the pool's cases."""
    setting: int = 0
    num_standing: int = 0
    """Replicas on top of what the policy asks for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a run leaves for tables and plots; the result's reference is still to come."""

    result: Result
    curves: Curves
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Processes that know the cases; none where one is enough, and this process does it."""

    executor: Executor | None

    def submit(self, work: Callable[[K], T], key: K) -> Future[T]:
        """The future of `work(key)`."""
        if self.executor is not None:
            return self.executor.submit(work, key)
        done: Future[T] = Future()
        done.set_result(work(key))
        return done


@contextmanager
def pool_of(cases: Sequence[Case], jobs: int | None) -> Iterator[Pool]:
    """A pool for these cases, at least one, with the simulator's loop compiled before its processes begin."""
    warm_up(cases[0])
    num = jobs or os.cpu_count() or 1
    if num == 1:
        _keep(cases)
        yield Pool(executor=None)
        return
    with ProcessPoolExecutor(num, initializer=_begin, initargs=(tuple(cases),)) as executor:
        try:
            yield Pool(executor=executor)
        except BaseException:  # an interrupt or a mistake in one run does not wait for the runs in the queue
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def gathered(futures: dict[K, Future[T]], watch: Callable[[str], None], what: str) -> dict[K, T]:
    """The results by key, in the order of the keys; `watch` hears how many are there."""
    step = max(1, len(futures) // 20)  # a log file gets twenty lines, not hundreds
    for num, _ in enumerate(as_completed(futures.values()), start=1):
        if num % step == 0:
            watch(f"{num} of {len(futures)} {what}")
    return {key: future.result() for key, future in futures.items()}


def played(cell: Cell) -> Outcome:
    """The outcome of a cell, in a process that knows the cases."""
    entered = entrant(cell.policy, _cases[cell.case], cell.setting)
    if cell.num_standing:
        entered = replace(entered, policy=Standing(policy=entered.policy, num_standing=cell.num_standing))
    run, wall_s = played_by(entered, time.perf_counter)
    return Outcome(
        result=result_of(cell.policy, entered, run, _UNKNOWN, wall_s),
        curves=curves_of(run, entered.case.terms),
        changes=changes_of(run.decisions),
    )


def searched(case: int) -> Oracle:
    """The clairvoyant plan of a case, in a process that knows the cases."""
    own = _cases[case]
    return clairvoyant(own.trace, own.terms, own.conditions)


def _begin(cases: Iterable[Case]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupted worker ends without a traceback
    _keep(cases)


def _keep(cases: Iterable[Case]) -> None:
    _cases[:] = cases

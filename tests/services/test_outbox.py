from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from raytide.autoscaling.live.inbox import Inbox
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.services.engines.outbox import KEPT_REPORTS, Outbox

Reported = Callable[[float], ReplicaReport]


class Brain:
    """Takes reports, but for the calls that are said: these fail before it hears them, or answer too late."""

    def __init__(self, *, lost: Sequence[int] = (), late: Sequence[int] = ()) -> None:
        self.inbox = Inbox()
        self._lost, self._late = lost, late
        self._calls = 0

    async def report(self, reports: Sequence[ReplicaReport]) -> None:
        self._calls += 1
        if self._calls in self._lost:
            raise RuntimeError("the brain is restarting")
        for report in reports:
            self.inbox.add(report, report.at_s)
        if self._calls in self._late:
            await asyncio.sleep(60)


def _heard(brain: Brain, reports: Sequence[ReplicaReport]) -> list[int]:
    outbox = Outbox(brain.report, timeout_s=0.01)

    async def deliver() -> None:
        for report in reports:
            await outbox.deliver(report)

    asyncio.run(deliver())
    return [report.number for report in brain.inbox.empty()]


@pytest.mark.parametrize(
    "brain",
    [Brain(), Brain(lost=(2, 3)), Brain(late=(1, 2)), Brain(lost=(1, 4), late=(2,))],
    ids=["well", "some lost", "some late", "both"],
)
def test_every_report_is_heard_once_and_in_order(brain: Brain, reported: Reported) -> None:
    assert _heard(brain, [reported(101.0 + second) for second in range(6)]) == [1, 2, 3, 4, 5, 6]


def test_without_a_brain_only_the_latest_are_kept(reported: Reported) -> None:
    reports = [reported(101.0 + second) for second in range(KEPT_REPORTS + 10)]
    heard = _heard(Brain(lost=range(1, len(reports))), reports)
    assert heard == [report.number for report in reports[-KEPT_REPORTS:]]


def test_a_cancellation_at_the_moment_of_the_answer_is_not_lost(reported: Reported) -> None:
    async def story() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        delivering = asyncio.create_task(Outbox(lambda _: answer).deliver(reported(101.0)))
        await asyncio.sleep(0.01)
        answer.set_result(None)
        delivering.cancel()
        await asyncio.wait([delivering])
        assert delivering.cancelled()

    asyncio.run(story())

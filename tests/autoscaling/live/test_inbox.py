from __future__ import annotations

from collections.abc import Callable

from raytide.autoscaling.live.inbox import Inbox
from raytide.autoscaling.live.reports import ReplicaReport

ReportOf = Callable[..., ReplicaReport]


def test_a_report_that_is_sent_again_counts_once(report_of: ReportOf) -> None:
    inbox = Inbox()
    first, second, other = report_of(number=1), report_of(number=2), report_of(number=1, replica="b")
    for report in (first, first, second, first, other):
        inbox.add(report, 100.0)
    assert inbox.empty() == (first, second, other)
    inbox.add(second, 101.0)
    assert inbox.empty() == ()


def test_a_replica_that_starts_anew_has_a_name_of_its_own_and_takes_no_count_back(report_of: ReportOf) -> None:
    inbox = Inbox()
    inbox.add(report_of(number=900, arrived=5), 100.0)
    inbox.add(report_of(number=1, arrived=2, replica="its successor"), 101.0)
    assert sum(arrived.num for report in inbox.empty() for arrived in report.arrivals.values()) == 7


def test_the_latest_of_each_replica_is_told_as_long_as_it_was_heard(report_of: ReportOf) -> None:
    inbox = Inbox()
    old, new, other = report_of(number=1), report_of(number=2), report_of(number=1, replica="b")
    for report, heard_s in ((old, 100.0), (other, 104.0), (new, 110.0)):
        inbox.add(report, heard_s)
    assert inbox.latest(100.0) == (new, other)
    assert inbox.latest(104.1) == (new,)
    inbox.forget(104.1)
    assert inbox.latest(0.0) == (new,)

"""What a service promises to survive, fault by fault, and whether it did: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

RESUMES_WITHIN_S: Final = 15.0
"""Scaling, after its brain or Serve's controller was killed."""
_START_SLACK_S: Final = 60.0
"""Beside a cold start: until Serve notices the loss, and until the count is read again."""


class Fault(StrEnum):
    """What may be done to a service."""

    KILL_REPLICA = "kill-replica"
    KILL_NODE = "kill-node"
    SLOW_REPLICA = "slow-replica"
    LOST_METRICS = "lost-metrics"
    RESTART_BRAIN = "restart-brain"
    RESTART_CONTROLLER = "restart-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What must hold while a fault happens, and after it."""

    does: str
    """The fault, in one clause."""
    loses_open: bool
    """Whether requests that are open at that moment may be lost, which then must end with an error."""
    recovers_within_s: float
    recovers_when: str
    lasts_s: float = 0.0
    """How long the fault itself goes on."""

    @property
    def says(self) -> str:
        """The objective as a sentence."""
        lost = "only requests that were open then may fail" if self.loses_open else "no request fails"
        return f"{lost}; within {self.recovers_within_s:.0f} s {self.recovers_when}"


def objective_of(fault: Fault, *, cold_start_s: float) -> Objective:
    """The objective of a fault for a service whose replicas take so long to start."""
    restored_s = cold_start_s + _START_SLACK_S
    restored = "as many replicas run as before"
    resumes = "decisions are made again, with what was learnt and spent before"
    return {
        Fault.KILL_REPLICA: Objective(
            does="kills one replica", loses_open=True, recovers_within_s=restored_s, recovers_when=restored
        ),
        Fault.KILL_NODE: Objective(
            does="kills the node of one replica", loses_open=True, recovers_within_s=restored_s, recovers_when=restored
        ),
        Fault.SLOW_REPLICA: Objective(
            does="stops one replica's processes four fifths of the time",
            loses_open=False,
            recovers_within_s=restored_s,
            recovers_when=restored,
            lasts_s=20.0,
        ),
        Fault.LOST_METRICS: Objective(
            does="lets the brain hear of no replica",
            loses_open=False,
            recovers_within_s=RESUMES_WITHIN_S,
            recovers_when="the brain hears of them again, and no target moved meanwhile",
            lasts_s=30.0,
        ),
        Fault.RESTART_BRAIN: Objective(
            does="kills the brain",
            loses_open=False,
            recovers_within_s=RESUMES_WITHIN_S,
            recovers_when=resumes,
        ),
        Fault.RESTART_CONTROLLER: Objective(
            does="kills Serve's controller",
            loses_open=False,
            recovers_within_s=RESUMES_WITHIN_S,
            recovers_when=resumes,
        ),
    }[fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client saw of one request."""

    sent_s: float
    ended_s: float
    error: str | None
    """None where it was answered in full."""
    ttft_s: float | None = None
    tpot_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a drill saw."""

    fault: Fault
    objective: str
    did: str
    at_s: float
    sent: int
    lost: int
    """Requests that failed."""
    lost_beyond: int
    """Of these, the ones that the objective does not allow."""
    errors: Mapping[str, int]
    attained: int
    """Requests that kept the service's objectives."""
    recovered_after_s: float | None
    """From the end of the fault; None where it did not."""
    held: bool
    why: tuple[str, ...]
    """What was not held."""


def report_of(
    fault: Fault,
    objective: Objective,
    answers: Sequence[Answer],
    *,
    did: str,
    began_s: float,
    at_s: float,
    recovered_after_s: float | None,
    ttft_s: float,
    tpot_s: float,
) -> Report:
    """The report of a drill whose fault began at `began_s` and was done at `at_s`."""
    lost = [answer for answer in answers if answer.error is not None]
    open_then = [answer for answer in lost if answer.sent_s <= at_s and began_s <= answer.ended_s]
    beyond = [answer for answer in lost if not (objective.loses_open and answer in open_then)]
    why = tuple(_broken(objective, [_told(answer, at_s) for answer in beyond], recovered_after_s))
    return Report(
        fault=fault,
        objective=objective.says,
        did=did,
        at_s=at_s,
        sent=len(answers),
        lost=len(lost),
        lost_beyond=len(beyond),
        errors=_counted(lost),
        attained=sum(_attains(answer, ttft_s, tpot_s) for answer in answers),
        recovered_after_s=recovered_after_s,
        held=not why,
        why=why,
    )


def _told(answer: Answer, at_s: float) -> str:
    sent_s, ended_s = answer.sent_s - at_s, answer.ended_s - at_s
    return f"{answer.error}, sent at {sent_s:+.1f} s and ended at {ended_s:+.1f} s from the fault"


def _broken(objective: Objective, beyond: Sequence[str], recovered_after_s: float | None) -> Iterator[str]:
    if beyond:
        yield f"it lost {len(beyond)} that it may not lose (the first: {beyond[0]})"
    if recovered_after_s is None or recovered_after_s > objective.recovers_within_s:
        took = "it did not recover" if recovered_after_s is None else f"it took {recovered_after_s:.1f} s to recover"
        yield f"{took}, {objective.recovers_within_s:.0f} s are allowed"


def _counted(lost: Sequence[Answer]) -> dict[str, int]:
    errors: dict[str, int] = {}
    for answer in lost:
        errors[str(answer.error)] = errors.get(str(answer.error), 0) + 1
    return errors


def _attains(answer: Answer, ttft_s: float, tpot_s: float) -> bool:
    if answer.error is not None or answer.ttft_s is None:
        return False
    return answer.ttft_s <= ttft_s and (answer.tpot_s is None or answer.tpot_s <= tpot_s)

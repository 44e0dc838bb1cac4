"""What a gateway sees of one revision, as its clients do: how many requests failed, or missed TTFT or TPOT.

It counts here, and not in the replicas, because one that dies tells nobody of the answers that it took along.
"""

from __future__ import annotations

from raytide.autoscaling.rollout.evidence import NOTHING_COUNTED, Tally
from raytide.autoscaling.terms import Objective

_ONE = Tally(num=1)
_FAILED = Tally(num=1, failed=1)
_LATE = Tally(num=1, missed_ttft=1)
_SLOW = Tally(missed_tpot=1)


class Counts:
    """Of one revision since this gateway began; each request counts once, as late or as failed by what came first.

    One whose other tokens were slow, too, has missed both of its objectives.
    """

    def __init__(self) -> None:
        self._tally = NOTHING_COUNTED
        self._waiting: set[Seen] = set()

    def tally(self, now_s: float) -> Tally:
        """Everything until now: a first token that is overdue is missed before it comes, or never does."""
        for seen in [each for each in self._waiting if each.is_overdue(now_s)]:
            seen.is_late()
        return self._tally

    def begin(self, objective: Objective, now_s: float, tokens: int | None) -> Seen:
        """A request that is sent now; `tokens` are the most of an answer that comes whole, None of a stream."""
        whole_s = 0.0 if tokens is None else objective.tpot_s * max(0, tokens - 1)
        seen = Seen(self, objective, now_s, now_s + objective.ttft_s + whole_s)
        self._waiting.add(seen)
        return seen

    def add(self, tally: Tally) -> None:
        """One more."""
        self._tally += tally

    def answered(self, seen: Seen) -> None:
        """It waits for its first token no more."""
        self._waiting.discard(seen)


class Seen:
    """One request on its way."""

    def __init__(self, counts: Counts, objective: Objective, began_s: float, due_s: float) -> None:
        self._counts, self._objective, self._began_s, self._due_s = counts, objective, began_s, due_s
        self._first_s: float | None = None
        self._is_counted = False
        self.kept: bool | None = None
        """Whether it kept its objectives; None where that is not known yet, or where it does not count."""

    def is_overdue(self, now_s: float) -> bool:
        """Whether its first token should be there."""
        return now_s > self._due_s

    def is_late(self) -> None:
        """Counts as a missed TTFT, whatever comes of it."""
        self._counts.answered(self)
        self._count(_LATE)

    def first(self, now_s: float) -> None:
        """Its first token has come."""
        if self.is_overdue(now_s):
            self.is_late()
        self._counts.answered(self)
        self._first_s = now_s

    def failed(self) -> None:
        """No answer, or only the beginning of one."""
        self._counts.answered(self)
        self._count(_FAILED)

    def ended(self, now_s: float, tokens: float, *, is_whole: bool) -> None:
        """All of it is there: so many tokens of each sequence."""
        if is_whole:
            slow = now_s - self._began_s > self._objective.ttft_s + self._objective.tpot_s * max(0.0, tokens - 1.0)
        else:
            first_s = self._began_s if self._first_s is None else self._first_s
            slow = now_s - first_s > self._objective.tpot_s * max(0.0, tokens - 1.0) > 0.0
        self._counts.answered(self)
        self._count(_ONE)
        if slow:
            self._counts.add(_SLOW)
            self.kept = False

    def dropped(self, now_s: float) -> None:
        """The client left, or asked for what no engine answers: it counts only if it was late before that."""
        if self._first_s is None and self.is_overdue(now_s):
            self.is_late()
        self._counts.answered(self)

    def _count(self, tally: Tally) -> None:
        if not self._is_counted:
            self._counts.add(tally)
            self.kept = tally is _ONE
        self._is_counted = True

"""The ledger for an event loop: one thread enters what has come together since its last transaction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from raytide.services.awaited import Awaited
from raytide.services.ledger.account import Ask, Denied
from raytide.services.ledger.sheet import Admitted
from raytide.services.ledger.store import Operation
from raytide.services.ledger.usage import Outcome, Settlement

QUEUED_ASKS: Final = 10_000
"""Requests that may wait for the ledger; seconds of them, and then it is better to say no."""
BATCH: Final = 200
"""Operations in a transaction: SQLite takes a few hundred values in a statement of any age."""
KEEP_ALIVE_S: Final = 10.0
"""How often a gateway says that it lives."""
DEAD_AFTER_S: Final = 60.0
"""A gateway that was silent for so long holds nothing any more; a pause of the machine is shorter."""
RETRY_S: Final = 1.0
SETTLE_S: Final = 0.05
"""How long the end of a request waits for an ask. A client that goes on asks again at once, and both in one transaction
cost 1.0 ms where each alone cost 1.8."""

_log = logging.getLogger("ray.serve")


class Entering(Protocol):
    """What the clerk needs of a ledger."""

    def enter(self, operations: Sequence[Operation]) -> list[Admitted | Denied | None]:
        """Commit the operations, or raise and have done none of them."""

    def keep_alive(self, for_s: float) -> int:
        """Say that this gateway lives for so long."""


class LedgerSilent(Exception):
    """The ledger did not take a request: its database fails, or too many wait for it."""


class Clerk:
    """Asks wait for their answer; settlements are entered some time, again and again until the database takes them."""

    def __init__(self, ledger: Entering, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock_s = clock_s
        self._asks: queue.SimpleQueue[_Waiting | Settlement | None] = queue.SimpleQueue()
        self._unsettled: list[Settlement] = []
        self._kept_alive_s = float("-inf")
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """The ledger's answer.

        Raises:
            LedgerSilent: it has none.
        """
        if self._asks.qsize() >= QUEUED_ASKS:
            raise LedgerSilent("too many requests wait for the ledger")
        waiting = _Waiting(ask)
        self._asks.put(waiting)
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            # Whoever asked has left. The queue keeps the order, so this is entered after the ask.
            self.settle(Settlement(request_id=ask.request_id, outcome=Outcome.CANCELLED))
            raise

    def settle(self, ended: Settlement) -> None:
        """Take down the end of a request; returns at once."""
        self._asks.put(ended)

    def close(self, timeout_s: float = 10.0) -> None:
        """Enter what is left, and end."""
        self._asks.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        is_open = True
        while is_open:
            taken = self._take()
            is_open = None not in taken
            late, self._unsettled = self._unsettled[:BATCH], self._unsettled[BATCH:]
            self._enter([*late, *(each for each in taken if each is not None)])
            self._stay_alive()
        self._enter_what_is_left()

    def _enter_what_is_left(self) -> None:
        """Until the ledger takes one batch no more: what it then holds, the other gateways free."""
        left, self._unsettled = self._unsettled, []
        for start in range(0, len(left), BATCH):
            self._enter([*left[start : start + BATCH]])
            if self._unsettled:
                return

    def _take(self) -> list[_Waiting | Settlement | None]:
        """All that waits, once somebody does or the time has come to say that the gateway lives."""
        taken: list[_Waiting | Settlement | None] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._asks.get(timeout=RETRY_S if self._unsettled else KEEP_ALIVE_S))
            until_s = time.monotonic() + SETTLE_S
            while len(taken) < BATCH:
                if not isinstance(taken[-1], Settlement):
                    until_s = 0.0  # somebody waits
                taken.append(self._asks.get(timeout=max(0.0, until_s - time.monotonic())))
        return taken

    def _enter(self, operations: list[_Waiting | Settlement]) -> None:
        """In the order in which they came: what a request has freed is there for the next one of its key."""
        if not operations:
            return
        try:
            answers = self._ledger.enter([each.ask if isinstance(each, _Waiting) else each for each in operations])
        except Exception as error:
            _log.warning("raytide: the ledger takes nothing: %r", error)
            for each in operations:
                self._unsettled.append(_given_up(each, error) if isinstance(each, _Waiting) else each)
            return
        for each, answer in zip(operations, answers, strict=True):
            if isinstance(each, _Waiting) and answer is not None:
                each.give(answer)

    def _stay_alive(self) -> None:
        now_s = self._clock_s()
        if now_s - self._kept_alive_s < KEEP_ALIVE_S:
            return
        try:
            lost = self._ledger.keep_alive(DEAD_AFTER_S)
        except Exception as error:
            _log.warning("raytide: the ledger does not hear that this gateway lives: %r", error)
            return
        self._kept_alive_s = now_s
        if lost:
            _log.warning("raytide: %d requests of gateways that have ended are not charged", lost)


def _given_up(waiting: _Waiting, error: Exception) -> Settlement:
    """Where the commit came through and only its answer did not, the request holds what nobody uses."""
    waiting.fail(_silent(error))
    return Settlement(request_id=waiting.ask.request_id, outcome=Outcome.FAILED)


class _Waiting(Awaited[Admitted | Denied]):
    """An ask, and who waits for its answer."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.ask = ask


def _silent(why: Exception) -> LedgerSilent:
    silent = LedgerSilent("the ledger does not answer")
    silent.__cause__ = why
    return silent

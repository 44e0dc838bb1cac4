"""Answers and judgements on their way to the database: one thread, so that no request waits for its answer to be kept.

An answer that cannot be kept is let go and counted: what clients think is worth less than what they are served.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from raytide.services.awaited import Awaited
from raytide.services.feedback.answer import Answer, Judged, Judgement, Keeping, Unjudged
from raytide.services.feedback.transcript import asked_in, said_in

TOGETHER_S: Final = 0.25
"""How long the first answer waits for others to share its transaction."""
MOST_BYTES: Final = 64 * 2**20
"""Of exchanges that wait."""
FORGET_EVERY_S: Final = 60.0
BATCH: Final = 50
"""Answers in a transaction: SQLite takes a few hundred values in a statement of any age."""

_log = logging.getLogger("ray.serve")


class Unkept(StrEnum):
    """Why an answer cannot be judged."""

    TOO_LARGE = "too_large"
    NO_TEXT = "no_text"
    """Images, tool calls, several answers: nothing that a preference could be made of."""
    BUSY = "busy"
    """Too much waits, or the database takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An exchange as its bytes."""

    answer_id: str
    key_id: str
    service: str
    revision: str
    body: bytes
    answer: bytes
    is_stream: bool
    keeping: Keeping

    @property
    def num_bytes(self) -> int:
        """Of both."""
        return len(self.body) + len(self.answer)


class Storing(Protocol):
    """What the recorder needs of a store."""

    def keep(self, answers: Sequence[Answer]) -> None:
        """Write answers down, all or none."""

    def judge(self, judgement: Judgement) -> Judged | Unjudged:
        """The answer with its judgement, or why it has none."""

    def forget(self) -> int:
        """Delete what has been kept long enough."""


class RecorderSilent(Exception):
    """The database did not take a judgement."""


class Recorder:
    """`unkept` is told, in the recorder's thread or the caller's, of each answer of a service that was let go."""

    def __init__(self, store: Storing, unkept: Callable[[str, Unkept], None]) -> None:
        self._store, self._unkept = store, unkept
        self._queue: queue.SimpleQueue[Heard | _Waiting | None] = queue.SimpleQueue()
        self._lock, self._waiting_bytes = threading.Lock(), 0
        self._forgot_s = float("-inf")
        self._thread = threading.Thread(target=self._work, name="feedback", daemon=True)
        self._thread.start()

    def keep(self, heard: Heard) -> None:
        """Take an exchange down; returns at once."""
        if heard.num_bytes > heard.keeping.most_bytes:
            self._unkept(heard.service, Unkept.TOO_LARGE)
        elif self._has_room(heard.num_bytes):
            self._queue.put(heard)
        else:
            self._unkept(heard.service, Unkept.BUSY)

    async def judge(self, judgement: Judgement) -> Judged | Unjudged:
        """The answer with its judgement, or why it has none.

        Raises:
            RecorderSilent: the database fails.
        """
        waiting = _Waiting(judgement)
        self._queue.put(waiting)
        return await waiting.answer

    def close(self, timeout_s: float = 10.0) -> None:
        """Write down what is left, and end."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _has_room(self, num_bytes: int) -> bool:
        with self._lock:
            has_room = self._waiting_bytes + num_bytes <= MOST_BYTES
            self._waiting_bytes += num_bytes if has_room else 0
        return has_room

    def _work(self) -> None:
        is_open = True
        while is_open:
            taken = self._take()
            is_open = None not in taken
            # Answers first: whoever judges one has read it to its end.
            self._keep([each for each in taken if isinstance(each, Heard)])
            for each in taken:
                if isinstance(each, _Waiting):
                    self._judge(each)
            self._forget()

    def _take(self) -> list[Heard | _Waiting | None]:
        taken: list[Heard | _Waiting | None] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._queue.get(timeout=FORGET_EVERY_S))
            until_s = time.monotonic() + TOGETHER_S
            while len(taken) < BATCH:
                if not isinstance(taken[-1], Heard):
                    until_s = 0.0  # somebody waits
                taken.append(self._queue.get(timeout=max(0.0, until_s - time.monotonic())))
        return taken

    def _keep(self, heard: Sequence[Heard]) -> None:
        with self._lock:
            self._waiting_bytes -= sum(each.num_bytes for each in heard)
        answers = list(self._read(heard))
        if not answers:
            return
        try:
            self._store.keep(answers)
        except Exception as error:
            _log.warning("raytide: %d answers cannot be judged, for they are not kept: %r", len(answers), error)
            for answer in answers:
                self._unkept(answer.service, Unkept.BUSY)

    def _read(self, heard: Iterable[Heard]) -> Iterable[Answer]:
        for each in heard:
            asked, text = asked_in(each.body), said_in(each.answer, is_stream=each.is_stream)
            if asked is None or text is None:
                self._unkept(each.service, Unkept.NO_TEXT)
                continue
            yield Answer(
                answer_id=each.answer_id,
                key_id=each.key_id,
                service=each.service,
                revision=each.revision,
                asked=asked,
                text=text,
                answered_s=time.time(),
                keeping=each.keeping,
            )

    def _judge(self, waiting: _Waiting) -> None:
        try:
            waiting.give(self._store.judge(waiting.judgement))
        except Exception as error:
            _log.warning("raytide: a judgement is not kept: %r", error)
            waiting.fail(_silent(error))

    def _forget(self) -> None:
        now_s = time.monotonic()
        if now_s - self._forgot_s < FORGET_EVERY_S:
            return
        self._forgot_s = now_s
        try:
            self._store.forget()
        except Exception as error:
            _log.warning("raytide: answers are kept for longer than they should be: %r", error)


class _Waiting(Awaited[Judged | Unjudged]):
    """A judgement, and the client that waits to hear of it."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__()
        self.judgement = judgement


def _silent(why: Exception) -> RecorderSilent:
    silent = RecorderSilent("the judgement is not kept")
    silent.__cause__ = why
    return silent

"""Answers and judgements in the database."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, delete, func, select, update

from raytide.services.feedback.answer import Answer, Judged, Judgement, Rating, Unjudged
from raytide.services.feedback.tables import ANSWERS, METADATA
from raytide.services.ledger.database import reading
from raytide.services.ledger.tables import ANONYMOUS, KEYS

_SHOWN: Final = tuple(ANSWERS.c[name] for name in Judged.__dataclass_fields__)


class Store:
    """Of one database; its table is made where it is missing."""

    def __init__(self, engine: Engine, now_s: Callable[[], float] = time.time) -> None:
        METADATA.create_all(engine)
        self._engine, self._now_s = engine, now_s

    def keep(self, answers: Sequence[Answer]) -> None:
        """Write answers down, all or none."""
        with self._engine.begin() as connection:
            connection.execute(ANSWERS.insert(), [_values(answer) for answer in answers])

    def judge(self, judgement: Judgement) -> Judged | Unjudged:
        """The answer with its judgement, or why it has none."""
        now_s, of_answer = self._now_s(), ANSWERS.c.answer_id == judgement.answer_id
        with self._engine.begin() as connection:
            row = connection.execute(select(ANSWERS).where(of_answer).with_for_update()).mappings().first()
            if row is None:
                return Unjudged.NO_ANSWER
            if unjudged := _may_not(connection, row["key_id"], judgement.secret_hash):
                return unjudged
            judged = {"rating": judgement.rating, "edit": judgement.edit, "judged_s": now_s}
            connection.execute(update(ANSWERS).where(of_answer).values(**judged, forget_s=now_s + row["keep_s"]))
        return _judged({**row, **judged})

    def judged(self, service: str, since_s: float, until_s: float = math.inf) -> list[Judged]:
        """The answers of a service that were judged in that time, its end left out, in the order in which they were."""
        asked = select(*_SHOWN).where(ANSWERS.c.service == service, ANSWERS.c.judged_s >= since_s)
        if until_s < math.inf:
            asked = asked.where(ANSWERS.c.judged_s < until_s)
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(ANSWERS.c.judged_s, ANSWERS.c.answer_id)).mappings().all()
        return [_judged(row) for row in rows]

    def num_answers(self, service: str) -> int:
        """Of a service that are kept, judged or not."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.count()).where(ANSWERS.c.service == service)) or 0

    def forget(self) -> int:
        """Delete what has been kept long enough; returns how many."""
        with self._engine.begin() as connection:
            return connection.execute(delete(ANSWERS).where(ANSWERS.c.forget_s < self._now_s())).rowcount


def _may_not(connection: Connection, key_id: str, secret_hash: str | None) -> Unjudged | None:
    """An answer is judged by the key that asked; where none had to, by whoever knows its id."""
    if key_id == ANONYMOUS:
        return None
    if secret_hash is None:
        return Unjudged.NO_KEY
    key = connection.execute(select(KEYS).where(KEYS.c.secret_hash == secret_hash)).mappings().first()
    if key is None:
        return Unjudged.UNKNOWN_KEY
    if key["revoked_s"] is not None:
        return Unjudged.REVOKED_KEY
    return None if key["key_id"] == key_id else Unjudged.NO_ANSWER


def _values(answer: Answer) -> dict[str, Any]:
    names = ("answer_id", "key_id", "service", "revision", "asked", "text", "answered_s")
    forget_s = answer.answered_s + answer.keeping.judge_within_s
    return {name: getattr(answer, name) for name in names} | {"keep_s": answer.keeping.keep_s, "forget_s": forget_s}


def _judged(row: RowMapping | dict[str, Any]) -> Judged:
    fields = {name: row[name] for name in Judged.__dataclass_fields__}
    return Judged(**fields | {"rating": None if row["rating"] is None else Rating(row["rating"])})

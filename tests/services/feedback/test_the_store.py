"""Answers and judgements in SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raytide.services.feedback.answer import Answer, Judged, Judgement, Keeping, Rating, Unjudged
from raytide.services.feedback.store import Store
from raytide.services.ledger.database import connect
from raytide.services.ledger.keyring import Keyring
from raytide.services.ledger.secret import hash_of
from raytide.services.ledger.tables import ANONYMOUS

DAY_S = 86_400.0
ANSWER = Answer(
    answer_id="rt-1",
    key_id=ANONYMOUS,
    service="chat",
    revision="r1",
    asked='"2+2?"',
    text="fünf",
    answered_s=0.0,
    keeping=Keeping(judge_within_s=DAY_S, keep_s=10 * DAY_S, most_bytes=1000),
)
DOWN = Judgement(answer_id="rt-1", secret_hash=None, rating=Rating.DOWN, edit=None)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Store:
    return Store(connect(url), clock)


def test_the_last_judgement_is_the_one_that_counts(store: Store, clock: Clock) -> None:
    store.keep([ANSWER, replace(ANSWER, answer_id="rt-2"), replace(ANSWER, answer_id="rt-3", service="other")])
    clock.now_s = 5.0
    store.judge(DOWN)
    clock.now_s = 6.0
    store.judge(replace(DOWN, rating=None, edit="vier"))
    (judged,) = store.judged("chat", since_s=0.0)
    assert judged == Judged(
        answer_id="rt-1",
        service="chat",
        revision="r1",
        asked='"2+2?"',
        text="fünf",
        rating=None,
        edit="vier",
        judged_s=6.0,
    )
    assert store.judged("chat", since_s=6.5) == []
    assert store.judged("chat", since_s=0.0, until_s=6.0) == []
    assert store.num_answers("chat") == 2


def test_who_asked_judges_and_nobody_else(store: Store, url: str) -> None:
    keyring = Keyring(connect(url))
    asker, other, gone = (keyring.create(name) for name in ("asker", "other", "gone"))
    keyring.revoke("gone")
    store.keep([replace(ANSWER, key_id=asker.key_id), replace(ANSWER, answer_id="rt-gone", key_id=gone.key_id)])
    secrets = [None, "rt-guess", other.secret, asker.secret]
    said = [store.judge(replace(DOWN, secret_hash=secret and hash_of(secret))) for secret in secrets]
    assert said[:3] == [Unjudged.NO_KEY, Unjudged.UNKNOWN_KEY, Unjudged.NO_ANSWER]
    assert isinstance(said[3], Judged)
    revoked = Judgement(answer_id="rt-gone", secret_hash=hash_of(gone.secret), rating=Rating.UP, edit=None)
    assert store.judge(revoked) is Unjudged.REVOKED_KEY
    assert store.judge(replace(DOWN, answer_id="rt-unknown")) is Unjudged.NO_ANSWER


def test_an_answer_is_forgotten_in_its_time_and_later_where_it_was_judged(store: Store, clock: Clock) -> None:
    store.keep([ANSWER, replace(ANSWER, answer_id="rt-2")])
    clock.now_s = DAY_S - 1
    store.judge(DOWN)
    clock.now_s = DAY_S + 1
    assert (store.forget(), store.num_answers("chat")) == (1, 1)
    clock.now_s = 11 * DAY_S
    assert (store.forget(), store.num_answers("chat")) == (1, 0)

"""Answers and judgements on their way to a database, which may fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from raytide.services.feedback import recorder as module
from raytide.services.feedback.answer import Answer, Judged, Judgement, Keeping, Rating, Unjudged
from raytide.services.feedback.recorder import Heard, Recorder, RecorderSilent, Unkept
from raytide.services.feedback.store import Store
from raytide.services.ledger.database import connect, ledger_url
from raytide.services.ledger.tables import ANONYMOUS

HEARD = Heard(
    answer_id="rt-1",
    key_id=ANONYMOUS,
    service="chat",
    revision="r1",
    body=b'{"prompt": "2+2?"}',
    answer=b'{"choices": [{"text": "five"}]}',
    is_stream=False,
    keeping=Keeping(judge_within_s=60.0, keep_s=60.0, most_bytes=1000),
)
DOWN = Judgement(answer_id="rt-1", secret_hash=None, rating=Rating.DOWN, edit=None)


class Failing:
    """A store whose database is away."""

    def keep(self, answers: Sequence[Answer]) -> None:
        raise OperationalError("insert", {}, OSError("away"))

    def judge(self, judgement: Judgement) -> Judged | Unjudged:
        raise OperationalError("update", {}, OSError("away"))

    def forget(self) -> int:
        raise OperationalError("delete", {}, OSError("away"))


@pytest.fixture
def lost() -> list[tuple[str, Unkept]]:
    return []


@pytest.fixture
def recorder(tmp_path: Path, lost: list[tuple[str, Unkept]]) -> Iterator[Recorder]:
    running = Recorder(Store(connect(ledger_url(tmp_path))), lambda *each: lost.append(each))
    yield running
    running.close()


def test_an_answer_can_be_judged_as_soon_as_it_was_read(recorder: Recorder) -> None:
    recorder.keep(HEARD)
    judged = asyncio.run(recorder.judge(DOWN))
    assert isinstance(judged, Judged)
    assert (judged.asked, judged.text, judged.rating) == ('"2+2?"', "five", Rating.DOWN)


def test_what_is_left_is_written_down_before_the_end(tmp_path: Path, recorder: Recorder) -> None:
    for number in range(120):
        recorder.keep(replace(HEARD, answer_id=f"rt-{number}"))
    recorder.close()
    assert Store(connect(ledger_url(tmp_path))).num_answers("chat") == 120


def test_what_cannot_be_kept_is_counted(recorder: Recorder, lost: list[tuple[str, Unkept]]) -> None:
    recorder.keep(replace(HEARD, answer=b"x" * 1000))
    recorder.keep(replace(HEARD, body=b'{"prompt": ["one", "two"]}'))
    assert asyncio.run(recorder.judge(DOWN)) is Unjudged.NO_ANSWER
    assert lost == [("chat", Unkept.TOO_LARGE), ("chat", Unkept.NO_TEXT)]


def test_a_database_that_is_away_holds_nobody_up(lost: list[tuple[str, Unkept]]) -> None:
    recorder = Recorder(Failing(), lambda *each: lost.append(each))
    recorder.keep(HEARD)
    with pytest.raises(RecorderSilent):
        asyncio.run(recorder.judge(DOWN))
    assert lost == [("chat", Unkept.BUSY)]
    recorder.close()


def test_where_too_much_waits_answers_are_let_go(
    tmp_path: Path, lost: list[tuple[str, Unkept]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3 * HEARD.num_bytes)
    free, store = threading.Event(), Store(connect(ledger_url(tmp_path)))

    class Slow(Failing):
        def keep(self, answers: Sequence[Answer]) -> None:
            store.keep(answers)

        def forget(self) -> int:  # before it takes the first answer
            free.wait(30)
            return 0

    monkeypatch.setattr(module, "FORGET_EVERY_S", 0.01)
    recorder = Recorder(Slow(), lambda *each: lost.append(each))
    try:
        for number in range(10):
            recorder.keep(replace(HEARD, answer_id=f"rt-{number}"))
        assert {why for _, why in lost} == {Unkept.BUSY}
    finally:
        free.set()
        recorder.close()
    assert store.num_answers("chat") + len(lost) == 10

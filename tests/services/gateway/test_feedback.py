"""What a client thinks of an answer reaches the database, with the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raytide.core.spec.access import Access, Feedback
from raytide.services.feedback.answer import Judged, Rating
from raytide.services.feedback.store import Store
from raytide.services.ledger.database import connect, ledger_url

from .conftest import PAID, Replica, World, run, world

FEEDBACK = Feedback().model_dump()


def asking(at: World, access: Access | None = None, feedback: Feedback | None = None) -> World:
    """The service keeps what is thought of it."""
    plain = (access or Access()).model_dump() | {"feedback": feedback.model_dump() if feedback else FEEDBACK}
    at.serve(access=plain)
    return at


async def judge(at: World, answer: Any, key: str | None = None, **said: Any) -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    answer_id = answer if isinstance(answer, str) else answer.headers["x-request-id"]
    return await at.client.post("/v1/feedback", json={"id": answer_id} | said, headers=headers)


def kept(home: Path) -> list[Judged]:
    return Store(connect(ledger_url(home))).judged("chat", since_s=0.0)


def test_a_stream_and_a_whole_answer_are_judged_by_the_id_that_they_came_with(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            asking(at)
            whole, stream = await at.complete(), await at.complete(stream=True)
            first = await judge(at, f"cmpl-{whole.headers['x-request-id']}", rating="up")
            assert first.json() == {
                "id": whole.headers["x-request-id"],
                "object": "feedback",
                "service": "chat",
                "rating": "up",
                "edit": False,
            }
            assert (await judge(at, stream, rating="down", edit="none at all")).status_code == 200
            assert [(one.asked, one.text, one.rating, one.edit, one.revision) for one in kept(home)] == [
                ('"hello"', "word word word ", Rating.UP, None, "r1"),
                ('"hello"', "0 1 2 ", Rating.DOWN, "none at all", "r1"),
            ]
            text = at.metrics.text().decode()
            assert 'raytide_gateway_feedback_total{service="chat",verdict="edit"} 1.0' in text

    run(body())


def test_a_service_that_asks_for_no_feedback_keeps_no_answer(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            answer = await judge(at, await at.complete(), rating="up")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "answer_not_found")
        assert Store(connect(ledger_url(home))).num_answers("chat") == 0

    run(body())


def test_a_service_that_keeps_a_share_of_its_answers_keeps_those_that_are_drawn(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            asking(at, feedback=Feedback(share=0.5))
            answers = [await at.complete() for _ in range(40)]
            said = [(await judge(at, answer, rating="up")).status_code for answer in answers]
        assert set(said) == {200, 404}
        assert Store(connect(ledger_url(home))).num_answers("chat") == said.count(200)

    run(body())


def test_only_the_key_that_asked_judges(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            asking(at, PAID)
            asker, other = at.keyring.create("asker"), at.keyring.create("other")
            answer = await at.complete(asker.secret)
            said = [await judge(at, answer, key, rating="up") for key in (None, "rt-no", other.secret, asker.secret)]
            assert [each.status_code for each in said] == [401, 401, 404, 200]

    run(body())


@pytest.mark.parametrize(
    ("said", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"rating": "up"}', None),
        (b'{"id": "rt-1", "rating": "sideways"}', "rating"),
        (b'{"id": "rt-1", "thumb": "up"}', None),
        (b'{"id": "rt-1"}', "rating"),
        (b'{"id": "rt-1", "edit": "  "}', "edit"),
        (b'{"id": "rt-1", "edit": "a\\u0000b"}', "edit"),
        (b'{"id": "rt-1", "edit": "\xff"}', None),
    ],
)
def test_what_is_no_judgement_is_told_why(home: Path, said: bytes, param: str | None) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            answer = await at.client.post("/v1/feedback", content=said)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
            assert (await at.client.get("/v1/feedback")).status_code == 405
            large = await at.client.post("/v1/feedback", content=json.dumps({"id": "rt-1", "edit": "x" * 2**20}))
            assert large.status_code == 413

    run(body())


def test_an_answer_that_broke_off_or_was_refused_is_not_kept(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(fault="drop-late")) as at:
            asking(at)
            broken, refused = await at.complete(stream=True), await at.complete(prompt="refuse me")
            for answer in (broken, refused):
                assert (await judge(at, answer, rating="down")).status_code == 404
        assert Store(connect(ledger_url(home))).num_answers("chat") == 0

    run(body())

"""What is answered without a key, and with one that is wrong or revoked, at every route that the gateway has."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from raytide.autoscaling.live.summary import STATUS_PATH
from raytide.autoscaling.pools.wanted import WANTED_PATH
from raytide.core.spec.access import Feedback
from raytide.services.gateway.app import ENGINES, HEALTH, METRICS, MODELS, OPEN, ROUTES
from raytide.services.gateway.feedback import FEEDBACK
from raytide.services.ledger.secret import hash_of

from .conftest import PAID, Replica, run, world

WRONG = "rt-" + "0" * 43
BODIES = {
    "/v1/completions": {"model": "chat", "prompt": "hello", "max_tokens": 3},
    "/v1/chat/completions": {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3},
    "/v1/embeddings": {"model": "chat", "input": "hello"},
}


def test_every_route_that_reaches_an_engine_wants_a_key_and_no_refusal_repeats_it(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key, revoked = at.keyring.create("team"), at.keyring.create("gone")
            at.keyring.revoke("gone")
            for route in ENGINES:
                for secret in (None, WRONG, revoked.secret, key.secret.upper(), f"{key.secret}x"):
                    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
                    answer = await at.client.post(route, json=BODIES[route], headers=headers)
                    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (route, secret)
                    assert not secret or secret not in _told(answer)
                for beside in (
                    {"x-api-key": key.secret},
                    {"authorization": f"Basic {key.secret}"},
                    {"authorization": "Bearer"},
                ):
                    answer = await at.client.post(route, json=BODIES[route], headers=beside)
                    assert answer.status_code == 401
                    assert key.secret not in _told(answer)
                assert (await at.client.post(f"{route}?api_key={key.secret}", json=BODIES[route])).status_code == 401
            assert at.replicas[0].asked == []
            answer = await at.client.post(ENGINES[0], json=BODIES[ENGINES[0]], headers=_bearer(key.secret))
            assert answer.status_code == 200
            assert all(key.secret not in str(headers) for headers in at.replicas[0].headers)

    run(body())


def test_an_answer_is_judged_by_no_key_but_its_own(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            at.serve(access=PAID.model_dump() | {"feedback": Feedback().model_dump()})
            key, other, revoked = (at.keyring.create(name) for name in ("team", "other", "gone"))
            at.keyring.revoke("gone")
            answer = await at.complete(key.secret)
            judgement = {"id": answer.headers["x-request-id"], "rating": "up"}
            said = []
            for secret in (None, WRONG, revoked.secret, other.secret, key.secret):
                headers = {} if secret is None else _bearer(secret)
                judged = await at.client.post(FEEDBACK, json=judgement, headers=headers)
                assert not secret or secret not in _told(judged)
                said.append(judged.status_code)
            assert said == [401, 401, 401, 404, 200]

    run(body())


def test_a_replica_is_asked_with_its_own_key_and_never_with_the_clients(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            at.serve(upstreams=tuple(replace(each, key="of-the-replica") for each in at.routes.upstreams))
            key = at.keyring.create("team")
            assert (await at.complete(key.secret)).status_code == 200
            (headers,) = at.replicas[0].headers
            assert headers["authorization"] == "Bearer of-the-replica"
            assert key.secret not in str(headers)

    run(body())


def test_a_replica_that_wants_another_key_is_passed_over(home: Path) -> None:
    """Its port was another replica's, which the table still names."""

    async def body() -> None:
        stranger, other = Replica(name="a", fault="stranger"), Replica(name="b")
        async with world(home, stranger, other) as at:
            for _ in range(4):
                answer = await at.complete()
                assert (answer.status_code, answer.json()["by"]) == (200, "b")

    run(body())


def test_no_log_and_no_byte_of_the_ledger_holds_a_key(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def body() -> None:
        replica = Replica()
        async with world(home, replica, access=PAID) as at:
            key = at.keyring.create("team")
            for fault in ("", "drop", "refuse"):
                replica.fault = fault
                await at.complete(key.secret)
                await at.complete(key.secret, stream=True)
            with at.ledger._engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE raytide_reservations")
            assert (await at.complete(key.secret)).status_code == 503
            assert (await at.complete(WRONG)).status_code in (401, 503)
            written = _written(home)
            assert hash_of(key.secret).encode() in written
            assert not any(secret.encode() in written for secret in (key.secret, WRONG))
            assert "the ledger takes nothing" in caplog.text
            assert not any(secret in caplog.text for secret in (key.secret, WRONG))

    run(body())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_opens_no_route(home: Path, method: str) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            for route in (*ENGINES, FEEDBACK):
                assert (await at.client.request(method, route, json={})).status_code == 405
            assert at.replicas[0].asked == []

    run(body())


def test_what_asks_for_no_key_tells_of_no_key_and_of_no_request(home: Path) -> None:
    """These were judged one by one, as `docs/security.md` says; one that is new has to be, too."""
    assert set(OPEN) == {MODELS, HEALTH, METRICS, STATUS_PATH, WANTED_PATH}
    assert set(ROUTES) == {*ENGINES, FEEDBACK, *OPEN}

    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team-of-one")
            await at.complete(key.secret, prompt="a prompt of mine")
            await at.settled()
            for route in OPEN:
                answer = await at.client.get(route, params={"service": "chat"})
                assert answer.status_code == 200
                for private in (key.secret, key.secret[:11], key.key_id, "team-of-one", "a prompt of mine", "word"):
                    assert private not in _told(answer)

    run(body())


def _written(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def _bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def _told(answer: httpx.Response) -> str:
    return f"{answer.headers} {answer.text}"

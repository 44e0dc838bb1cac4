"""What a client of the gateway sees."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from raytide.core.spec.access import TokenPrices
from raytide.services.ledger.account import Budget, Limits, Period
from raytide.services.ledger.usage import UsageSum

from .conftest import FAST, PAID, Replica, World, run, world

ENOUGH = Budget(nano_usd=1_000_000, period=Period.TOTAL)
"""For one request at a time: its worst case is the tokens of its body and of a chat template, at 1,000 each."""

DEARER = PAID.model_copy(update={"prices": TokenPrices.model_construct(input=10.0, output=20.0)})


def events(text: str) -> list[Any]:
    return [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]


def test_an_answer_and_a_stream_pass_as_the_engine_gave_them(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            whole = await at.complete()
            assert (whole.status_code, whole.json()["choices"][0]["text"]) == (200, "word word word ")
            stream = await at.complete(stream=True)
            assert stream.headers["content-type"] == "text/event-stream"
            assert [each["choices"][0]["text"] for each in events(stream.text)] == ["0 ", "1 ", "2 "]
            assert stream.text.endswith("data: [DONE]\n\n")

    run(body())


def test_the_usage_of_a_stream_passes_only_to_whoever_asked_for_it(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            without = await at.complete(key.secret, stream=True)
            assert "usage" not in without.text
            wanted = await at.complete(key.secret, stream=True, stream_options={"include_usage": True})
            assert events(wanted.text)[-1]["usage"]["completion_tokens"] == 3
            await at.settled()
            assert at.ledger.usage() == [UsageSum(key.key_id, "chat", 2, 14, 6, 26_000)]

    run(body())


def test_a_wrong_a_revoked_and_a_missing_key_are_told_apart_and_reach_no_engine(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            at.keyring.revoke("team")
            answers = [await at.complete(secret) for secret in (None, "rt-guess", key.secret)]
            assert [(each.status_code, each.json()["error"]["code"]) for each in answers] == [
                (401, "invalid_api_key"),
                (401, "invalid_api_key"),
                (401, "revoked_api_key"),
            ]
            basic = await at.complete(headers={"authorization": "Basic abc"})
            assert basic.status_code == 401
            assert at.replicas[0].asked == []

    run(body())


def test_a_key_over_its_limit_is_told_when_to_come_back(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team", limits=Limits(requests_per_minute=2))
            answers = [await at.complete(key.secret) for _ in range(3)]
            assert [each.status_code for each in answers] == [200, 200, 429]
            assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
            assert 1 <= int(answers[2].headers["retry-after"]) <= 30

    run(body())


def test_a_budget_holds_under_concurrency_and_says_what_is_left(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica, access=PAID) as at:
            key = at.keyring.create("team", budget=Budget(nano_usd=2_000_000, period=Period.TOTAL))
            under_way = [asyncio.create_task(at.complete(key.secret)) for _ in range(6)]
            await at.until(lambda: sum(each.done() for each in under_way) == 3)
            replica.goes_on.set()
            answers = await asyncio.gather(*under_way)
            refused = [each for each in answers if each.status_code == 429]
            assert len(refused) == 3
            assert {each.json()["error"]["type"] for each in refused} == {"insufficient_quota"}
            assert "of the key's budget is left" in refused[0].json()["error"]["message"]
            await at.settled()

    run(body())


def test_a_client_that_leaves_ends_the_engines_work_and_pays_for_what_it_got(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica, access=PAID) as at:
            key = at.keyring.create("team", budget=ENOUGH)
            asked = {"model": "chat", "prompt": "hello", "stream": True, "max_tokens": 9}
            headers = {"authorization": f"Bearer {key.secret}"}
            async with at.client.stream("POST", "/v1/completions", json=asked, headers=headers) as answer:
                await anext(answer.aiter_bytes())
            await at.until(lambda: replica.num_cut == 1)
            ((spent, reserved),) = await at.settled()
            (used,) = at.ledger.usage()
            assert (used.output_tokens, reserved) == (1, 0)
            assert spent == used.prompt_tokens * 1000 + 2000

    run(body())


@pytest.mark.parametrize("access", [None, PAID.model_copy(update={"api_keys": "off"}), DEARER])
def test_a_request_is_settled_by_the_rules_that_it_was_let_in_by(home: Path, access: Any) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica, access=PAID) as at:
            key = at.keyring.create("team")
            asked = asyncio.create_task(at.complete(key.secret))
            await at.until(lambda: bool(replica.asked))
            at.serve(access=None if access is None else access.model_dump())
            replica.goes_on.set()
            assert (await asked).status_code == 200
            assert await at.settled() == [(7 * 1000 + 3 * 2000, 0)]

    run(body())


def test_a_client_that_leaves_before_the_first_byte_pays_nothing(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica, access=PAID) as at:
            key = at.keyring.create("team", budget=ENOUGH)
            waiting = asyncio.create_task(at.complete(key.secret))
            await at.until(lambda: len(replica.asked) == 1)
            waiting.cancel()
            assert await at.settled() == [(0, 0)]

    run(body())


@pytest.mark.parametrize("fault", ["refuse", "drop"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_replica_that_does_not_answer_is_replaced_before_the_first_byte(home: Path, fault: str, stream: bool) -> None:
    async def body() -> None:
        async with world(home, Replica("bad", fault=fault), Replica("good"), access=PAID) as at:
            key = at.keyring.create("team")
            answers = [await at.complete(key.secret, stream=stream) for _ in range(8)]
            assert {each.status_code for each in answers} == {200}
            await at.settled()
            assert at.ledger.usage()[0].num_requests == 8
            assert len(at.replicas[0].asked) <= 1  # a suspect is left alone for a while

    run(body())


def test_a_stream_that_breaks_off_ends_with_an_error_and_is_neither_repeated_nor_charged(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("bad", fault="drop-late"), access=PAID) as at:
            key = at.keyring.create("team")
            answer = await at.complete(key.secret, stream=True, max_tokens=5)
            said = events(answer.text)
            assert said[-1]["error"]["code"] == "replica_lost"
            assert "[DONE]" not in answer.text
            assert len(at.replicas[0].asked) == 1
            assert await at.settled() == [(0, 0)]

    run(body())


def test_without_any_replica_that_answers_it_is_a_bad_gateway_in_openais_shape(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a", fault="drop"), Replica("b", fault="drop"), access=PAID) as at:
            key = at.keyring.create("team")
            answer = await at.complete(key.secret)
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "replica_lost")
            assert int(answer.headers["retry-after"]) >= 1
            assert await at.settled() == [(0, 0)]

    run(body())


def test_what_the_engine_refuses_passes_and_costs_nothing(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            answer = await at.complete(key.secret, prompt="refuse me")
            assert (answer.status_code, answer.json()["error"]["message"]) == (400, "no such thing")
            assert await at.settled() == [(0, 0)]

    run(body())


def test_requests_are_held_until_a_replica_is_there(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            at.serve(upstreams=(), waking=True)
            waiting = [asyncio.create_task(at.complete()) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(each.done() for each in waiting)
            assert 'raytide_gateway_requests_held{service="chat"} 3.0' in (await at.client.get("/metrics")).text
            at.serve()
            assert {(await each).status_code for each in waiting} == {200}

    run(body())


def test_a_replica_hears_how_long_a_request_has_waited_for_it(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        async with world(home, replica) as at:
            at.serve(upstreams=(), waking=True)
            waiting = asyncio.create_task(at.complete())
            await asyncio.sleep(1.2)
            at.serve()
            await waiting
            await at.complete(headers={"x-raytide-held-s": "500"})
        held, straight = (each.get("x-raytide-held-s") for each in replica.headers)
        assert held is not None
        assert 1.0 <= float(held) < 20.0
        assert straight is None

    run(body())


def test_who_has_waited_for_a_replica_is_served_in_turn_and_a_newcomer_meanwhile_turned_away(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica, access=PAID.model_copy(update={"max_wait": 0.05})) as at:
            key = at.keyring.create("team").secret
            at.serve(upstreams=(), waking=True)
            waiting: list[asyncio.Task[httpx.Response]] = []
            for number in range(12):
                waiting.append(asyncio.create_task(at.complete(key, prompt=f"number {number}")))
                await at.until(lambda: at.held.num("chat") == len(waiting))
            at.serve()
            await at.until(lambda: at.held.num("chat") == 12 - FAST.max_num_seqs)
            await asyncio.sleep(0.2)
            assert at.held.num("chat") == 12 - FAST.max_num_seqs
            newcomer = await at.complete(key)
            assert (newcomer.status_code, newcomer.json()["error"]["code"]) == (429, "overloaded")
            replica.goes_on.set()
            assert {(await each).status_code for each in waiting} == {200}
            assert [asked["prompt"] for asked in replica.asked] == [f"number {number}" for number in range(12)]
            assert (await at.complete(key)).status_code == 200

    run(body())


def test_the_first_of_a_line_that_leaves_makes_way_for_the_next(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            at.serve(upstreams=(), waking=True)
            waiting = [asyncio.create_task(at.complete()) for _ in range(3)]
            await at.until(lambda: at.held.num("chat") == 3)
            waiting[0].cancel()
            await at.until(lambda: at.held.num("chat") == 2)
            at.serve()
            assert {(await each).status_code for each in waiting[1:]} == {200}

    run(body())


def test_a_held_request_is_billed_as_any_other(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            at.serve(upstreams=(), waking=True)
            waiting = asyncio.create_task(at.complete(key.secret))
            await at.until(lambda: len(at.ledger.reservations()) == 1)
            at.serve()
            assert (await waiting).status_code == 200
            assert await at.settled() == [(7 * 1000 + 3 * 2000, 0)]

    run(body())


def test_the_only_replica_dies_and_the_next_request_is_answered_once_another_has_come(home: Path) -> None:
    async def body() -> None:
        dead = Replica("a")
        async with world(home, dead, access=PAID) as at:
            key = at.keyring.create("team")
            await at.kill("a")
            asked = asyncio.create_task(at.complete(key.secret))
            await at.until(lambda: at.held.num("chat") == 1)
            for _ in range(4):  # the brain has not noticed yet
                await asyncio.sleep(0.5)
                at.serve_only(dead)
            assert not asked.done()
            at.serve_only(Replica("b"))
            assert ((await asked).status_code, (await asked).json()["by"]) == (200, "b")
            assert await at.settled() == [(7 * 1000 + 3 * 2000, 0)]
            assert at.ledger.usage()[0].num_requests == 1

    run(body())


@pytest.mark.parametrize("stream", [True, False])
def test_the_only_replica_dies_with_a_request_before_its_first_byte(home: Path, stream: bool) -> None:
    async def body() -> None:
        dead = Replica("a", fault="silent")
        dead.goes_on.clear()
        async with world(home, dead, access=PAID) as at:
            key = at.keyring.create("team")
            asked = asyncio.create_task(at.complete(key.secret, stream=stream))
            await at.until(lambda: len(dead.asked) == 1)
            await at.kill("a")
            await at.until(lambda: at.held.num("chat") == 1)
            at.serve_only(Replica("b"))
            answer = await asked
            assert answer.status_code == 200
            assert not stream or answer.text.endswith("data: [DONE]\n\n")
            assert await at.settled() == [(7 * 1000 + 3 * 2000, 0)]
            assert at.ledger.usage()[0].num_requests == 1

    run(body())


def test_a_replica_that_takes_connections_again_is_sent_to_once_it_reports(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a")) as at:
            await at.kill("a")
            asked = asyncio.create_task(at.complete())
            await at.until(lambda: at.held.num("chat") == 1)
            del at.ports["a"]
            at.serve_only(Replica("a"), report=2)
            assert (await asked).status_code == 200

    run(body())


def test_one_that_reports_and_takes_no_connection_is_not_waited_for_again_and_again(home: Path) -> None:
    async def body() -> None:
        cut_off = Replica("a")
        async with world(home, cut_off, access=PAID) as at:
            key = at.keyring.create("team")
            await at.kill("a")
            asked, report = asyncio.create_task(at.complete(key.secret)), 1
            while not asked.done():
                await asyncio.sleep(0.02)
                at.serve_only(cut_off, report=(report := report + 1))
            assert ((await asked).status_code, (await asked).json()["error"]["code"]) == (502, "replica_lost")
            assert await at.settled() == [(0, 0)]

    run(body())


def test_a_request_whose_only_replica_died_is_held_within_its_deadline(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), access=PAID) as at:
            key = at.keyring.create("team")
            await at.kill("a")
            answer = await at.complete(key.secret, headers={"x-deadline-ms": "300"})
            assert answer.status_code in (503, 504)
            assert await at.settled() == [(0, 0)]

    run(body())


def test_a_held_request_is_not_held_beyond_its_deadline(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            at.serve(upstreams=(), waking=True)
            answer = await at.complete(headers={"x-deadline-ms": "30"})
            assert answer.status_code in (503, 504)

    run(body())


def test_a_deadline_that_passes_before_the_first_byte_is_an_error_and_within_a_stream_an_event(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        replica.goes_on.clear()
        async with world(home, replica) as at:
            headers = {"x-deadline-ms": "150"}
            before = await at.complete(headers=headers)
            assert (before.status_code, before.json()["error"]["code"]) == (504, "deadline_exceeded")
            within = await at.complete(headers=headers, stream=True)
            assert events(within.text)[-1]["error"]["code"] == "deadline_exceeded"
            await at.until(lambda: replica.num_cut == 1)

    run(body())


def test_what_would_come_too_late_is_turned_away_at_once(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            busy = tuple(
                each.__class__(**{**_fields(each), "waiting_prompt_tokens": 10**7}) for each in at.routes.upstreams
            )
            at.serve(upstreams=busy)
            answer = await at.complete(key.secret)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
            assert int(answer.headers["retry-after"]) > 10
            assert await at.settled() == [(0, 0)]
            tight = await at.complete(key.secret, headers={"x-deadline-ms": "1"})
            assert tight.json()["error"]["code"] == "deadline_unreachable"

    run(body())


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_models_health_and_metrics_answer_without_a_key(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            await at.complete(key.secret)
            models = (await at.client.get("/v1/models")).json()
            assert [each["id"] for each in models["data"]] == ["chat"]
            assert (await at.client.get("/health")).json() == {"status": "ok", "replicas": {"chat": 1}}
            await at.settled()
            said = (await at.client.get("/metrics")).text
            assert 'raytide_gateway_requests_total{outcome="finished",service="chat"} 1.0' in said
            assert 'raytide_gateway_tokens_total{kind="output",service="chat"} 3.0' in said
            assert 'raytide_gateway_charged_usd_total{service="chat"} 1.3e-05' in said
            assert 'raytide_gateway_objectives_total{kept="yes",service="chat"} 1.0' in said
            assert 'raytide_gateway_objectives_total{kept="no",service="chat"} 0.0' in said

    run(body())


def test_ttft_and_tpot_are_of_streams_and_tpot_of_those_that_ended_well(home: Path) -> None:
    async def body() -> None:
        replica = Replica()
        async with world(home, replica) as at:
            await at.complete()
            replica.goes_on.clear()
            began_s = time.monotonic()
            slow = asyncio.ensure_future(at.complete(stream=True))
            await at.until(lambda: _total(at, "first_token") == 1)
            await asyncio.sleep(0.04)
            replica.goes_on.set()
            await slow
            took_s = time.monotonic() - began_s
            replica.fault = "drop-late"
            await at.complete(stream=True)
            assert _total(at, "first_token") == 2
            assert _total(at, "output_token") == 1
            # Two of three tokens came after the wait.
            assert 0.02 <= _total(at, "output_token", "sum") <= took_s / 2

    run(body())


def _total(at: World, which: str, of: str = "count") -> float:
    name = f"raytide_gateway_time_{'to' if which == 'first_token' else 'per'}_{which}_seconds_{of}"
    values = re.findall(rf'^{name}{{service="chat"}} (.*)$', at.metrics.text().decode(), re.MULTILINE)
    return float(values[0]) if values else 0.0


def test_a_database_that_fails_lets_nobody_in(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            key = at.keyring.create("team")
            with at.ledger._engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE raytide_reservations")
            answer = await at.complete(key.secret)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_silent")
            assert at.replicas[0].asked == []

    run(body())


def test_a_services_status_is_asked_of_its_brain_by_name(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica()) as at:
            known = await at.client.get("/raytide/status", params={"service": "chat"})
            assert (known.status_code, known.json()) == (200, {"of": "chat"})
            unknown = await at.client.get("/raytide/status")
            assert (unknown.status_code, unknown.json()["error"]["type"]) == (503, "service_unavailable_error")

    run(body())

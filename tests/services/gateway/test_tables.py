"""The directory, as it follows the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.codec import typed
from raytide.autoscaling.live.counted import ClassCount, GatewayCount
from raytide.autoscaling.rollout.evidence import Tally
from raytide.services.gateway.choose import Choice
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.held import Held
from raytide.services.gateway.predict import Prediction
from raytide.services.gateway.refusal import Refused
from raytide.services.gateway.tables import Tables
from raytide.services.gateway.upstream import UpstreamLost

from .conftest import FAST, PAID, routes_of

CARDS = b'{"data": [{"id": "chat", "max_model_len": 512}, {"id": "chat:poet"}]}'


class Brains:
    """Services whose brains can be away, and who was woken."""

    def __init__(self, **routes: Any) -> None:
        self.answers = routes
        self.woken: list[tuple[str, int]] = []
        self.counted: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def applications(self) -> list[str]:
        return list(self.answers)

    async def routes(self, service: str) -> Mapping[str, Any]:
        if self.answers[service] is None:
            raise RuntimeError("the brain restarts")
        plain: Mapping[str, Any] = self.answers[service].to_plain()
        return plain

    async def wake(self, service: str, num_waiting: int) -> None:
        self.woken.append((service, num_waiting))

    async def count(self, application: str, gateway: str, counted: Mapping[str, Any]) -> None:
        self.counted[application, gateway] = counted


class Cards:
    """Engines that say what they serve, or do not."""

    def __init__(self, answer: bytes | None = CARDS) -> None:
        self.answer = answer

    async def get(self, address: str, path: str, headers: Mapping[str, str]) -> bytes:
        if self.answer is None:
            raise UpstreamLost("gone")
        return self.answer

    async def post(self, address: str, path: str, body: bytes, headers: Any) -> Any:
        raise AssertionError("tables ask nothing of engines")


def service(name: str, *replicas: str, route: str = "/", **more: Any) -> Any:
    routes = routes_of({each: f"{each}:1" for each in replicas})
    return replace(routes, service=name, access={**PAID.model_dump(), "route": route}, **more)


def followed(brains: Brains, client: Any = None, held: Held | None = None) -> tuple[Directory, Tables]:
    directory = Directory()
    return directory, Tables("g", brains, directory, held or Held(), client or Cards())


def replicas_of(fleet: Fleet) -> set[str]:
    return {each.replica for each in fleet.candidates(0.0)}


def test_services_come_and_go_with_the_cluster() -> None:
    brains = Brains(chat=service("chat", "a", "b"), code=service("code", "c", route="/code"))
    directory, tables = followed(brains)
    asyncio.run(tables.look())
    assert [fleet.routes.service for fleet in directory] == ["chat", "code"]
    del brains.answers["code"]
    asyncio.run(tables.look())
    assert [fleet.routes.service for fleet in directory] == ["chat"]


def test_the_last_table_stays_while_a_brain_is_away() -> None:
    brains = Brains(chat=service("chat", "a"))
    directory, tables = followed(brains)
    asyncio.run(tables.look())
    brains.answers["chat"] = None
    asyncio.run(tables.look())
    assert replicas_of(directory.find("", "chat")) == {"a"}


def test_what_the_engines_call_their_models_is_learnt_once_for_each_revision() -> None:
    brains, cards = Brains(chat=service("chat", "a")), Cards(None)
    directory, tables = followed(brains, cards)
    asyncio.run(tables.look())
    fleet = directory.find("", "chat")
    assert fleet.context_tokens == FAST.kv_capacity_tokens
    cards.answer = CARDS
    asyncio.run(tables.look())
    assert (fleet.context_tokens, directory.find("", "chat:poet")) == (512, fleet)
    cards.answer = b'{"data": [{"id": "chat", "max_model_len": 99}]}'
    asyncio.run(tables.look())
    assert fleet.context_tokens == 512
    brains.answers["chat"] = service("chat", "a", revision="r2")
    asyncio.run(tables.look())
    assert fleet.context_tokens == 99


def test_the_brain_is_told_every_time_how_many_wait() -> None:
    async def body() -> None:
        brains, held = Brains(chat=service("chat")), Held()
        directory, tables = followed(brains, held=held)
        await tables.look()
        fleet, free = directory.find("", "chat"), Choice("a", Prediction(0.0, 0.0))

        def look() -> Choice | None:
            return free if fleet.is_ready else None

        waiting = [asyncio.create_task(held.until_room("chat", 30.0, 10, None, look)) for _ in range(3)]
        await asyncio.sleep(0)
        await tables.look()
        await tables.look()
        assert brains.woken == [("chat", 3), ("chat", 3)]
        brains.answers["chat"] = service("chat", "a")
        await tables.look()
        await asyncio.gather(*waiting)
        assert held.num("chat") == 0

    asyncio.run(body())


def test_too_many_and_too_large_requests_are_not_held() -> None:
    async def body() -> None:
        held = Held(most_requests=2, most_bytes=100)
        first = asyncio.create_task(held.until_room("chat", 30.0, 60, None, lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="too many wait"):
            await held.until_room("chat", 30.0, 60, None, lambda: None)
        second = asyncio.create_task(held.until_room("chat", 30.0, 30, None, lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="too many wait") as refused:
            await held.until_room("chat", 30.0, 1, None, lambda: None)
        assert refused.value.refusal.status == 503
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert held.num("chat") == 0

    asyncio.run(body())


def test_the_longest_prefix_that_fits_is_the_services_and_the_root_goes_by_model() -> None:
    directory = Directory()
    for name, route in (("chat", "/"), ("code", "/code"), ("small", "/code/small")):
        directory.see(name, service(name, "a", route=route), route)
    assert directory.split("/code/small/v1/models") == ("/code/small", "/v1/models")
    assert directory.split("/codex/v1/models") == ("", "/codex/v1/models")
    assert directory.find("/code", None).routes.service == "code"
    assert directory.find("", "small").routes.service == "small"
    with pytest.raises(Refused, match="names no model"):
        directory.find("", None)
    with pytest.raises(Refused, match="does not exist; these do: chat, code, small") as refused:
        directory.find("", "gpt-4")
    assert (refused.value.refusal.status, refused.value.refusal.code) == (404, "model_not_found")


def beside(share: float, *replicas: str) -> tuple[Directory, Fleet]:
    """The service `chat` with a canary of these replicas that takes this share."""
    directory = Directory()
    stable = directory.see("chat", service("chat", "a"), "/")
    directory.see("chat-new", service("chat", *replicas, is_canary=True, share=share, revision="new"), "/")
    return directory, stable


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 1.0])
def test_a_canary_gets_its_share_of_the_requests_and_never_more(share: float) -> None:
    directory, stable = beside(share, "b")
    taken = [directory.canary(stable, None) is not None for _ in range(1000)]
    assert all(sum(taken[:num]) <= num * share + 1e-6 for num in range(1, 1001))
    assert sum(taken) == 1000 * share
    assert [fleet.routes.revision for fleet in directory] == ["r1"]
    assert directory.find("", "chat") is stable


def test_a_session_stays_with_its_revision_and_the_share_of_sessions_only_grows() -> None:
    sessions = [f"user {number}" for number in range(2000)]
    before: set[str] = set()
    for share in (0.01, 0.25, 1.0):
        directory, stable = beside(share, "b")
        own = {each for each in sessions if directory.canary(stable, each) is not None}
        assert own == {each for each in sessions if directory.canary(stable, each) is not None}
        assert before <= own
        assert len(own) / len(sessions) == pytest.approx(share, abs=0.03)
        before = own


def test_a_canary_without_a_replica_gets_nothing_and_one_that_is_left_alone_is_the_service() -> None:
    directory, stable = beside(1.0)
    assert directory.canary(stable, None) is None
    directory.keep(["chat-new"])
    (alone,) = directory
    assert directory.find("", "chat") is alone
    assert directory.canary(alone, None) is None


def test_the_brains_are_told_what_the_gateway_counts_of_each_revision() -> None:
    brains = Brains(chat=service("chat", "a"), new=service("chat", "b", is_canary=True))
    directory, tables = followed(brains)
    asyncio.run(tables.look())
    (stable,) = directory
    stable.counts.begin(stable.routes.objective, 0.0, None).failed()
    asyncio.run(tables.look())
    with stable.classes.entering("paid", 1.0, 40):
        pass
    asyncio.run(tables.look())
    told = {gateway: typed(GatewayCount, counted) for gateway, counted in brains.counted.items()}
    paid = {"paid": ClassCount(num=1, prompt_tokens=40)}
    assert told == {
        ("chat", "g"): GatewayCount(tally=Tally(num=1, failed=1), classes=paid),
        ("new", "g"): GatewayCount(),
    }


def test_before_the_cluster_was_asked_nothing_is_unknown() -> None:
    with pytest.raises(Refused) as refused:
        Directory().find("", "chat")
    assert refused.value.refusal.status == 503


def test_what_was_sent_since_the_last_table_counts_at_once_and_never_twice() -> None:
    fleet = Fleet(service("chat", "a"))

    def sequences() -> float:
        (candidate,) = fleet.candidates(0.0)
        return candidate.standing.sequences

    sent = [fleet.replica("a").send(1, 100) for _ in range(3)]
    assert sequences() == 3
    busy = tuple(replace(each, running=4, waiting=1) for each in fleet.routes.upstreams)
    fleet.see(replace(fleet.routes, upstreams=busy))
    assert sequences() == 5  # two of others, three of ours
    sent[0].answers()
    sent[0].ended()
    assert sequences() == 4
    for each in sent[1:]:
        each.ended()
    (candidate,) = fleet.candidates(0.0)
    assert (candidate.standing.sequences, candidate.standing.unfilled_tokens) == (2, 0)


def test_a_suspect_is_left_alone_for_a_while_unless_there_is_nobody_else() -> None:
    fleet = Fleet(service("chat", "a", "b"))
    fleet.suspect("a", 100.0)
    assert {each.replica for each in fleet.candidates(101.0)} == {"b"}
    assert {each.replica for each in fleet.candidates(101.0, without={"b"})} == {"a"}
    assert {each.replica for each in fleet.candidates(106.0)} == {"a", "b"}

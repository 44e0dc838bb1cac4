"""Traffic classes at the gateway: of the lower one as many are let in as there is room for, the others hear why."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.counted import ClassCount
from raytide.autoscaling.rollout.evidence import Tally
from raytide.services.gateway.admission import class_of
from raytide.services.gateway.fleet import Fleet
from raytide.services.ledger.account import Budget, Period

from .conftest import PAID, Replica, World, run, world

PRIORITIES = {"paid": 1, "free": 0, "gratis": 0}
SHARES = {"paid": 1.0, "free": 0.25}


def _shedding(at: World, shares: dict[str, float], **more: Any) -> Fleet:
    """The brain says whom to let in."""
    assert at.routes.access
    at.serve(access={**at.routes.access, "priorities": PRIORITIES}, served=shares, **more)
    return at.directory.find("", "chat")


def _codes(answers: list[httpx.Response]) -> list[str]:
    return ["" if each.status_code == 200 else each.json()["error"]["code"] for each in answers]


def test_a_quarter_of_the_lower_class_is_let_in_and_the_others_are_told_why_and_pay_nothing(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            fleet = _shedding(at, SHARES)
            budget = Budget(nano_usd=10**9, period=Period.TOTAL)
            paid, free = (at.keyring.create(name, budget=budget, traffic_class=name) for name in ("paid", "free"))
            asked = [at.complete(key.secret) for _ in range(12) for key in (paid, free)]
            answers = [await each for each in asked]
            assert _codes(answers[::2]) == [""] * 12
            assert _codes(answers[1::2]) == ["class_shed", "class_shed", "class_shed", ""] * 3
            refused = answers[1]
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            error = refused.json()["error"]
            assert error["type"] == "rate_limit_error"
            assert error["message"] == "there is too little for all: 25% of the class 'free' is let in at present"
            assert len(at.replicas[0].asked) == 12 + 3
            assert sorted(await at.settled()) == [(3 * 13_000, 0), (12 * 13_000, 0)]
            assert fleet.counts.tally(time.monotonic()) == Tally(num=15)
            counts = fleet.classes.counts
            assert (counts["paid"].num, counts["paid"].num_shed) == (12, 0)
            assert (counts["free"].num, counts["free"].num_shed) == (12, 9)

    run(body())


def test_a_prompt_that_no_engine_sees_counts_as_many_tokens_as_engines_have_counted_of_such(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            fleet = _shedding(at, {"free": 0.0})
            paid, free = (at.keyring.create(name, traffic_class=name).secret for name in ("paid", "free"))
            await at.complete(free)
            estimated = fleet.classes.counts["free"].prompt_tokens
            assert estimated > 7  # which is what the replica says of every prompt
            await at.complete(paid)
            await at.settled()
            await at.complete(free)
            tokens = estimated + 7
            assert fleet.classes.counts["free"] == ClassCount(
                num=2, prompt_tokens=tokens, num_shed=2, shed_prompt_tokens=tokens
            )

    run(body())


def test_a_stream_that_is_not_let_in_is_refused_like_any_other(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            _shedding(at, {"free": 0.0})
            answer = await at.complete(at.keyring.create("k", traffic_class="free").secret, stream=True)
            assert (answer.status_code, answer.headers["content-type"]) == (429, "application/json")
            assert at.replicas[0].asked == []

    run(body())


@pytest.mark.parametrize("said", [None, "gold"])
def test_a_key_of_no_declared_class_is_of_the_lowest(home: Path, said: str | None) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            fleet = _shedding(at, {"free": 0.5})
            key = at.keyring.create("team", traffic_class=said)
            assert _codes([await at.complete(key.secret) for _ in range(2)]) == ["class_shed", ""]
            assert fleet.classes.counts["free"].num == 2

    run(body())


def test_who_needs_no_key_is_of_the_lowest_class_too(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID.model_copy(update={"api_keys": "off"})) as at:
            _shedding(at, {"free": 0.0})
            assert _codes([await at.complete()]) == ["class_shed"]

    run(body())


def test_where_the_brain_names_no_share_or_no_class_is_declared_everybody_is_let_in(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            fleet = _shedding(at, {})
            free = at.keyring.create("free", traffic_class="free")
            assert _codes([await at.complete(free.secret)]) == [""]
            at.serve(served={"free": 0.0})
            assert _codes([await at.complete(free.secret)]) == [""]
            assert fleet.classes.counts["free"].num == 1

    run(body())


def test_the_word_of_a_brain_that_is_away_turns_nobody_away_for_long(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            fleet = _shedding(at, {"free": 0.0})
            free = at.keyring.create("free", traffic_class="free")
            assert _codes([await at.complete(free.secret)]) == ["class_shed"]
            fleet._told_s -= 31.0
            assert _codes([await at.complete(free.secret)]) == [""]

    run(body())


def test_who_would_wait_too_long_for_the_class_counts_as_turned_away(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica(), access=PAID) as at:
            busy = tuple(replace(each, waiting_prompt_tokens=1_400_000) for each in at.routes.upstreams)
            fleet = _shedding(at, SHARES | {"free": 1.0}, upstreams=busy)
            keys = [at.keyring.create(name, traffic_class=name).secret for name in ("paid", "free")]
            assert _codes([await at.complete(key) for key in keys]) == ["", "overloaded"]
            counts = fleet.classes.counts
            assert (counts["paid"].num_shed, counts["free"].num_shed) == (0, 1)

    run(body())


def test_the_stable_revisions_brain_says_who_is_let_in_whatever_a_canarys_says(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b"), access=PAID) as at:
            stable = _shedding(at, {"free": 0.5})
            routes = replace(stable.routes, revision="new", is_canary=True, share=1.0, served={"free": 0.0})
            canary = at.directory.see("chat-new", routes, "/")
            free = at.keyring.create("free", traffic_class="free")
            answers = await asyncio.gather(*(at.complete(free.secret) for _ in range(8)))
            assert sorted(_codes(list(answers))) == [""] * 4 + ["class_shed"] * 4
            assert (stable.classes.counts["free"].num, canary.classes.counts) == (8, {})
            assert canary.counts.tally(time.monotonic()) == Tally(num=4)

    run(body())


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 3)), st.none() | st.text(min_size=1))
def test_every_request_is_of_a_declared_class_its_own_or_the_lowest(priorities: dict[str, int], said: str) -> None:
    found = class_of(said, priorities)
    assert (found is None) == (not priorities)
    assert found is None or found == said or priorities[found] == min(priorities.values())
    assert all(class_of(name, priorities) == name for name in priorities)

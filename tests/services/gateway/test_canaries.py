"""A canary behind the gateway: clients are answered whatever it does, and what it does is counted as its own."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.rollout.evidence import Tally
from raytide.services.gateway.fleet import Fleet

from .conftest import PAID, Replica, World, run, world


def _beside(at: World, share: float) -> tuple[Fleet, Fleet]:
    """The revision that serves on replica `a`, and a canary on `b`."""
    own, other = ([each for each in at.routes.upstreams if each.replica == name] for name in "ba")
    at.serve(upstreams=tuple(other))
    routes = replace(at.routes, upstreams=tuple(own), revision="new", is_canary=True, share=share)
    return at.directory.find("", "chat"), at.directory.see("chat-new", routes, "/")


def _counted(fleet: Fleet) -> Tally:
    return fleet.counts.tally(time.monotonic())


def test_every_fourth_request_is_the_canarys_and_each_is_counted_where_it_was_answered(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b")) as at:
            stable, canary = _beside(at, 0.25)
            answers = [(await at.complete(stream=number % 2 == 0)).text for number in range(8)]
            assert sum('"by": "b"' in text or '"by":"b"' in text for text in answers) == 2
            assert (_counted(canary), _counted(stable)) == (Tally(num=2), Tally(num=6))

    run(body())


@pytest.mark.parametrize("fault", ["refuse", "drop", "dead"])
def test_what_a_canary_fails_is_answered_by_the_other_revision_and_billed_once(home: Path, fault: str) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b", fault=fault), access=PAID) as at:
            stable, canary = _beside(at, 1.0)
            if fault == "dead":
                await at.kill("b")
            key = at.keyring.create("team")
            answer = await at.complete(key.secret)
            assert (answer.status_code, answer.json()["by"]) == (200, "a")
            ((spent, reserved),) = await at.settled()
            assert (spent, reserved) == (13_000, 0)
            assert (_counted(canary), _counted(stable)) == (Tally(num=1, failed=1), Tally(num=1))

    run(body())


def test_a_stream_that_breaks_off_is_the_canarys_failure_and_said_to_the_client(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b", fault="drop-late")) as at:
            _, canary = _beside(at, 1.0)
            answer = await at.complete(stream=True)
            assert "replica_lost" in answer.text
            assert "[DONE]" not in answer.text
            assert _counted(canary) == Tally(num=1, failed=1)

    run(body())


def test_a_canary_that_hangs_is_late_before_it_answers(home: Path) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b", fault="silent")) as at:
            _, canary = _beside(at, 1.0)
            at.replicas[1].goes_on.clear()
            late = await at.complete(stream=True, headers={"x-deadline-ms": "1300"})
            assert late.status_code == 504
            assert _counted(canary) == Tally(num=1, missed_ttft=1)

    run(body())


@pytest.mark.parametrize("asked", [{"prompt": "refuse me"}, {"prompt": "refuse me", "stream": True}])
def test_a_clients_mistake_speaks_against_no_revision(home: Path, asked: dict[str, Any]) -> None:
    async def body() -> None:
        async with world(home, Replica("a"), Replica("b")) as at:
            stable, canary = _beside(at, 0.5)
            for _ in range(4):
                assert (await at.complete(**asked)).status_code == 400
            assert (_counted(canary), _counted(stable)) == (Tally(), Tally())

    run(body())

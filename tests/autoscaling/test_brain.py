from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.live.brain import Brain, BrainSettings
from raytide.autoscaling.live.follow import AGE, TARGET
from raytide.autoscaling.live.reports import Fleet, ReplicaReport, RequestSample
from raytide.autoscaling.live.sizing import Limits
from raytide.autoscaling.missing import Missing

PATIENCE_S = 5.0


@dataclass
class Serve:
    """Serve's side of the brain: a fleet to see, a clock to read, and errors on request."""

    fleet: Fleet = field(
        default_factory=lambda: Fleet(variant="v", num_ready=1, num_starting=0, num_stopping=0, target=1)
    )
    now_s: float = 100.0
    error: Exception | None = None
    looks: int = 0

    def see(self, application: str, variants: tuple[str, ...], targets: dict[str, int]) -> tuple[Fleet, ...]:
        assert (application, variants) == ("chat", ("v",))
        self.looks += 1
        if self.error is not None:
            raise self.error
        return (replace(self.fleet, target=targets.get("v", self.fleet.num_ready)),)

    def brain(self) -> Brain:
        return Brain("chat", ("v",), see=self.see, now_s=lambda: self.now_s)


@pytest.fixture
def serve() -> Serve:
    return Serve()


@pytest.fixture
def config(limits: Limits) -> dict[str, Any]:
    knobs = {"usd_per_hour": 3600.0, "interval_s": 0.001, "stale_after_s": 15.0, "journal": None}
    return {"limits": limits.to_json(), **knobs}


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not reached():  # noqa: ASYNC110 (it offers no event: Serve asks it, too)
            await asyncio.sleep(0.001)


async def _look_again(serve: Serve) -> None:
    """Returns once a decision was made that began after this call."""
    seen = serve.looks
    await _until(lambda: serve.looks >= seen + 2)


def _busy(report: ReplicaReport) -> ReplicaReport:
    """Three requests a second that keep 1.5 replicas busy."""
    sample = RequestSample(prompt_tokens=100, output_tokens=80, ttft_s=0.1, tpot_s=0.01)
    return replace(report, arrivals=3, running=0, waiting=0, finished=(sample,))


def _idle(report: ReplicaReport) -> ReplicaReport:
    return replace(report, arrivals=0, running=0, waiting=0)


def test_settings_come_from_the_plain_data_of_a_config(limits: Limits, config: dict[str, Any]) -> None:
    settings = BrainSettings.from_user_config(json.loads(json.dumps(config)))
    assert settings == BrainSettings(
        limits=limits, usd_per_hour=3600.0, interval_s=0.001, stale_after_s=15.0, journal=None
    )
    unpriced = BrainSettings.from_user_config({**config, "usd_per_hour": None})
    assert unpriced.usd_per_hour == Missing(reason="no price is declared")


def test_reports_come_in_and_the_decision_goes_out(
    serve: Serve, config: dict[str, Any], report: ReplicaReport, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"

    async def story() -> None:
        brain = serve.brain()
        assert brain.record_autoscaling_stats() == {}
        await brain.reconfigure({**config, "journal": str(journal)})
        await brain.report(_busy(report))
        await _until(lambda: brain.record_autoscaling_stats().get(TARGET + "v") == 3.0)
        serve.now_s = 104.0
        await _look_again(serve)
        assert brain.record_autoscaling_stats() == {AGE: 0.0, TARGET + "v": 3.0}
        brain.check_health()
        status = await brain.status()
        assert (status["replica_seconds"], status["usd"]) == (4.0, 4.0)
        moves = [(entry["previous"], entry["target"]) for entry in status["decisions"]]
        assert (1, 3) in moves
        assert [json.loads(line) for line in journal.read_text().splitlines()] == status["decisions"]

    asyncio.run(story())


def test_a_decision_grows_old_while_serve_cannot_be_seen(serve: Serve, config: dict[str, Any]) -> None:
    async def story() -> None:
        brain = serve.brain()
        await brain.reconfigure(config)
        await _until(lambda: bool(brain.record_autoscaling_stats()))
        serve.error = RuntimeError("the controller is restarting")
        await _look_again(serve)
        serve.now_s = 130.0
        assert brain.record_autoscaling_stats()[AGE] == 30.0
        brain.check_health()
        serve.error = None
        await _until(lambda: brain.record_autoscaling_stats()[AGE] == 0.0)

    asyncio.run(story())


def test_it_resumes_from_the_replicas_that_run(serve: Serve, config: dict[str, Any], report: ReplicaReport) -> None:
    serve.fleet = replace(serve.fleet, num_ready=4)

    async def story() -> None:
        brain = serve.brain()
        await brain.reconfigure(config)
        await brain.report(_idle(report))
        await _look_again(serve)
        assert brain.record_autoscaling_stats()[TARGET + "v"] == 4.0
        serve.now_s = 220.0
        await brain.report(_idle(replace(report, at_s=220.0)))
        await _until(lambda: brain.record_autoscaling_stats()[TARGET + "v"] == 1.0)

    asyncio.run(story())


def test_new_limits_apply_and_nothing_is_forgotten(
    serve: Serve, config: dict[str, Any], limits: Limits, report: ReplicaReport
) -> None:
    async def story() -> None:
        brain = serve.brain()
        await brain.reconfigure(config)
        await brain.report(_busy(report))
        await _until(lambda: brain.record_autoscaling_stats().get(TARGET + "v") == 3.0)
        await brain.reconfigure({**config, "limits": replace(limits, max_replicas=2).to_json()})
        await _until(lambda: brain.record_autoscaling_stats()[TARGET + "v"] == 2.0)
        serve.now_s = 150.0
        await brain.report(_idle(replace(report, at_s=150.0)))
        await _look_again(serve)
        status = await brain.status()
        assert status["variants"][0]["traffic"]["arrivals_per_s"] == 0.0
        assert status["decisions"][-1]["rule"] == "stabilised"
        assert brain.record_autoscaling_stats()[TARGET + "v"] == 2.0

    asyncio.run(story())


def test_serve_hears_of_a_loop_that_has_ended(serve: Serve, config: dict[str, Any]) -> None:
    async def story() -> None:
        brain = serve.brain()
        brain.check_health()
        await brain.reconfigure({**config, "interval_s": "soon"})
        await _until(lambda: len(asyncio.all_tasks()) == 1)
        with pytest.raises(RuntimeError, match="the decision loop has ended"):
            brain.check_health()

    asyncio.run(story())

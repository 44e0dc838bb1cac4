from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.digest import digest
from raytide.autoscaling.journal import replay
from raytide.autoscaling.live.brain import SAVED_EVERY, Brain
from raytide.autoscaling.live.counted import ClassCount, GatewayCount
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.follow import AGE, TARGET
from raytide.autoscaling.live.measures import Measure
from raytide.autoscaling.live.memory import Memory, load
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import Routes
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.live.succession import TakesOver
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand
from raytide.autoscaling.rollout.rollout import Canary
from raytide.autoscaling.terms import Terms, TrafficClass

PATIENCE_S = 30.0
ReportOf = Callable[..., ReplicaReport]


class Ended(BaseException):
    """What no loop survives."""


@dataclass
class Serve:
    """Serve's side of the brain: a fleet to see, a clock that goes five seconds from look to look, and errors."""

    fleet: Fleet = field(default_factory=lambda: Fleet(variant="v", target=1, ready=frozenset("a")))
    now_s: float = 100.0
    error: BaseException | None = None
    looks: int = 0
    said: Callable[[float], tuple[ReplicaReport, ...]] = lambda _: ()
    """What the replicas report until a time."""
    counted: Callable[[float], dict[str, ClassCount]] | None = None
    """What the one gateway has counted by class until a time."""
    brain: Brain | None = None
    shown: list[Measure] = field(default_factory=list)
    """As metrics."""

    def see(self, variants: tuple[str, ...], targets: dict[str, int]) -> tuple[Fleet, ...]:
        assert variants == ("v",)
        self.looks += 1
        if self.error is not None:
            raise self.error
        self.now_s += 5.0
        assert self.brain
        asyncio.run(self.brain.report(self.said(self.now_s)))
        if self.counted:
            asyncio.run(self.brain.count("g", plain(GatewayCount(classes=self.counted(self.now_s)))))
        self.fleet = replace(self.fleet, target=targets.get("v", self.fleet.target))
        return (self.fleet,)

    def start(self, revision: str = "r") -> Brain:
        self.brain = Brain("chat", ("v",), revision, see=self.see, now_s=lambda: self.now_s, show=self.shown.extend)
        return self.brain


@pytest.fixture
def serve() -> Serve:
    return Serve()


@pytest.fixture
def settings(terms: Terms) -> BrainSettings:
    return BrainSettings(terms=terms, interval_s=0.001, scale_down_after_s=60.0, stale_after_s=15.0, journal=None)


@pytest.fixture
def reports(report_of: ReportOf) -> Callable[..., Callable[[float], tuple[ReplicaReport, ...]]]:
    """The reports of the five seconds before a time, with so many requests in each, from the one replica."""

    def make(arrived: int) -> Callable[[float], tuple[ReplicaReport, ...]]:
        return lambda now_s: tuple(report_of(now_s - ago, arrived) for ago in (4.0, 3.0, 2.0, 1.0, 0.0))

    return make


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not reached():  # noqa: ASYNC110 (it offers no event: Serve asks it, too)
            await asyncio.sleep(0.001)


async def _decisions(serve: Serve, num: int) -> None:
    """Returns once so many decisions were made that began after this call."""
    seen = serve.looks
    await _until(lambda: serve.looks >= seen + num + 1)


def _play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def _target(brain: Brain) -> float | None:
    return brain.record_autoscaling_stats().get(TARGET + "v")


def test_reports_come_in_and_the_policys_decision_goes_out(
    serve: Serve, settings: BrainSettings, reports: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"
    serve.said = reports(8)  # four seconds of a replica's decoding, each second

    async def story() -> None:
        brain = serve.start()
        assert brain.record_autoscaling_stats() == {}
        await brain.reconfigure(replace(settings, journal=str(journal)).to_user_config())
        await _until(lambda: (_target(brain) or 0) > 1)
        await _decisions(serve, 3)
        assert brain.record_autoscaling_stats()[AGE] <= 5.0
        brain.check_health()
        status = await brain.status()
        assert status["traffic"]["arrivals_per_s"] == pytest.approx(8, rel=0.3)
        assert status["replica_seconds"] == status["usd"] >= 15.0
        moves = [(entry["previous"], entry["target"]) for entry in status["decisions"]]
        assert moves[0] == (1, status["decisions"][0]["target"])
        assert all(reason["says"] for entry in status["decisions"] for reason in entry["reasons"])
        wanted = [measure.value for measure in serve.shown if measure.name == "raytide_desired_replicas"]
        assert wanted[-1] == _target(brain)

    _play(story())
    pairs = list(replay(journal.read_text().splitlines(keepends=True)))
    assert len(pairs) >= 4
    assert all((then.decision, then.state) == (now.decision, now.state) for then, now in pairs)


def test_a_decision_grows_old_while_serve_cannot_be_seen(serve: Serve, settings: BrainSettings) -> None:
    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        await _until(lambda: bool(brain.record_autoscaling_stats()))
        serve.error = RuntimeError("the controller is restarting")
        await _decisions(serve, 2)
        serve.now_s += 30.0
        assert brain.record_autoscaling_stats()[AGE] >= 30.0
        brain.check_health()
        serve.error = None
        await _until(lambda: brain.record_autoscaling_stats()[AGE] <= 5.0)

    _play(story())


def test_without_a_report_the_size_stays_and_the_reason_is_said(serve: Serve, settings: BrainSettings) -> None:
    serve.fleet = Fleet(variant="v", target=4, ready=frozenset("abcd"))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        await _decisions(serve, 30)
        assert _target(brain) == 4.0
        (entry,) = (await brain.status())["decisions"]
        assert (entry["rule"], entry["target"]) == ("held", 4)

    _play(story())


def test_what_runs_is_let_go_only_after_a_whole_hold(serve: Serve, settings: BrainSettings, reports: Any) -> None:
    serve.fleet, serve.said = Fleet(variant="v", target=4, ready=frozenset("abcd")), reports(0)

    async def story() -> None:
        brain = serve.start()
        began_s = serve.now_s
        await brain.reconfigure(settings.to_user_config())
        await _until(lambda: _target(brain) == 1.0)
        at_s = next(entry["at_s"] for entry in (await brain.status())["decisions"] if entry["target"] < 4)
        assert at_s - began_s >= settings.scale_down_after_s

    _play(story())


def test_new_bounds_apply_in_place(serve: Serve, settings: BrainSettings, terms: Terms, reports: Any) -> None:
    serve.said = reports(8)

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        await _until(lambda: (_target(brain) or 0) > 2)
        few = replace(settings, terms=replace(terms, max_replicas=2))
        await brain.reconfigure(few.to_user_config())
        await _until(lambda: _target(brain) == 2.0)
        assert (await brain.status())["traffic"]["arrivals_per_s"] > 0

    _play(story())


def test_after_a_restart_it_goes_on_from_what_it_had_learnt(
    serve: Serve, settings: BrainSettings, reports: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"
    config = replace(settings, journal=str(journal)).to_user_config()
    serve.said = reports(3)
    spent: list[float] = []

    async def life() -> None:
        brain = serve.start()
        await brain.reconfigure(config)
        spent.append((await brain.status())["usd"])
        await _decisions(serve, SAVED_EVERY + 5)

    _play(life())
    memory = load(tmp_path / "chat.state.json", "r")
    assert isinstance(memory, Memory)
    _play(life())
    entries = list(replay(journal.read_text().splitlines(keepends=True)))
    (resumed,) = [then for then, _ in entries if then.known is not None]
    assert digest(resumed.known) == digest(memory.known)
    assert sum(then.begins for then, _ in entries) == 1
    assert all((then.decision, then.state) == (now.decision, now.state) for then, now in entries)
    assert spent == [0.0, round(memory.spend.usd, 6)]


def test_another_revision_knows_nothing_of_the_one_before(
    serve: Serve, settings: BrainSettings, reports: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"
    serve.said = reports(3)

    async def life(revision: str) -> None:
        await serve.start(revision).reconfigure(replace(settings, journal=str(journal)).to_user_config())
        await _decisions(serve, SAVED_EVERY)

    for revision in ("one", "other"):
        _play(life(revision))
    pairs = list(replay(journal.read_text().splitlines(keepends=True)))
    assert sum(then.begins for then, _ in pairs) == 2


def test_a_service_that_may_grow_further_than_was_foreseen_begins_anew(
    serve: Serve, settings: BrainSettings, terms: Terms, reports: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"
    serve.said = reports(1)

    async def story() -> None:
        brain = serve.start()
        for most in (10, 5, 40):
            may = replace(settings, terms=replace(terms, max_replicas=most), journal=str(journal))
            await brain.reconfigure(may.to_user_config())
            await _decisions(serve, 3)

    _play(story())
    entries = [then for then, _ in replay(journal.read_text().splitlines(keepends=True))]
    assert [then.terms.max_replicas for then in entries if then.begins] == [10, 40]


def test_serve_hears_of_a_loop_that_has_ended(serve: Serve, settings: BrainSettings) -> None:
    async def story() -> None:
        brain = serve.start()
        brain.check_health()
        serve.error = Ended()
        await brain.reconfigure(settings.to_user_config())
        await _until(lambda: len(asyncio.all_tasks()) == 1)
        with pytest.raises(RuntimeError, match="the decision loop has ended"):
            brain.check_health()

    _play(story())


def test_a_status_is_plain_data_before_the_first_decision(serve: Serve, settings: BrainSettings) -> None:
    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        assert json.loads(json.dumps(await brain.status()))["variants"] == []

    _play(story())


def test_it_says_who_serves_and_how_long_a_newcomer_waits(
    serve: Serve, settings: BrainSettings, report_of: ReportOf
) -> None:
    serve.said = lambda now_s: (report_of(now_s, running=2), report_of(now_s - 1.0, replica="gone"))
    access = {"api_keys": "required"}

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(settings, access=access).to_user_config())
        await _decisions(serve, 2)
        routes = Routes.from_plain(await brain.routes())
        assert (routes.service, routes.revision, routes.access, routes.waking) == ("chat", "r", access, False)
        assert [(upstream.replica, upstream.running) for upstream in routes.upstreams] == [("a", 2)]
        assert routes.predicted_wait_s == 0.0

    _play(story())


def test_while_the_first_replica_starts_the_wait_is_what_is_left_of_its_start(
    serve: Serve, settings: BrainSettings
) -> None:
    serve.fleet = Fleet(variant="v", target=1, starting={"a": 100.0})  # a cold start takes 20 s

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(settings, interval_s=600.0).to_user_config())
        await _until(lambda: bool(brain.record_autoscaling_stats()))
        routes = Routes.from_plain(await brain.routes())
        assert (routes.upstreams, routes.waking, routes.predicted_wait_s) == ((), True, 15.0)

    _play(story())


def test_who_waits_for_a_service_that_is_asleep_hastens_the_next_decision(
    serve: Serve, settings: BrainSettings
) -> None:
    serve.fleet = Fleet(variant="v", target=0)

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(settings, interval_s=600.0).to_user_config())
        await _until(lambda: bool(brain.record_autoscaling_stats()))
        looks = serve.looks
        await brain.wake(3)
        await _until(lambda: serve.looks > looks)
        assert Routes.from_plain(await brain.routes()).waking

    _play(story())


def test_a_service_of_which_nothing_is_known_yet_wakes_for_the_first_who_waits(
    serve: Serve, settings: BrainSettings, terms: Terms
) -> None:
    serve.fleet = Fleet(variant="v", target=0)
    may_sleep = replace(settings, terms=replace(terms, min_replicas=0))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(may_sleep.to_user_config())
        await _decisions(serve, 2)
        assert _target(brain) == 0.0
        await brain.wake(1)
        await _until(lambda: _target(brain) == 1.0)

    _play(story())


def test_a_service_sleeps_after_a_long_calm_and_wakes_for_who_waits(
    serve: Serve, settings: BrainSettings, terms: Terms, reports: Any
) -> None:
    serve.said = reports(0)
    may_sleep = replace(settings, terms=replace(terms, min_replicas=0))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(may_sleep.to_user_config())
        await _until(lambda: _target(brain) == 0.0)
        serve.said, serve.fleet = (lambda _: ()), Fleet(variant="v", target=0)
        await _decisions(serve, 3)
        assert (_target(brain), Routes.from_plain(await brain.routes()).waking) == (0.0, False)
        await brain.wake(2)
        await _until(lambda: _target(brain) == 1.0)

    _play(story())


def test_a_brain_that_is_made_deaf_holds_and_then_hears_again(
    serve: Serve, settings: BrainSettings, reports: Any
) -> None:
    serve.said = reports(1)

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        await _decisions(serve, 3)
        await brain.deafen(60.0)
        await _decisions(serve, 5)
        assert "missing" in (await brain.status())["traffic"]
        await _decisions(serve, 12)
        assert (await brain.status())["traffic"]["arrivals_per_s"] > 0

    _play(story())


def test_a_canary_takes_what_it_is_allowed_and_keeps_the_replicas_of_its_next_step(
    serve: Serve, settings: BrainSettings
) -> None:
    canary = replace(settings, takes_over=TakesOver(rules=Canary(), applied_s=1.0))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(canary.to_user_config())
        await _until(lambda: _target(brain) == 1)
        assert Routes.from_plain(await brain.routes()).share == 0.0
        await brain.allow(0.25, 4, {"says": "grows"})
        await _until(lambda: _target(brain) == 4)
        routes = Routes.from_plain(await brain.routes())
        assert (routes.is_canary, routes.share) == (True, 0.25)
        assert (await brain.status())["rollout"] == {"says": "grows"}
        await brain.allow(0.25, 40, {"says": "grows"})
        await _until(lambda: _target(brain) == settings.terms.max_replicas)

    _play(story())


def test_a_brain_says_what_its_revision_is_judged_by(serve: Serve, settings: BrainSettings) -> None:
    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(settings.to_user_config())
        await _decisions(serve, 1)
        await brain.count("g1", {"tally": {"num": 3, "failed": 1, "missed_ttft": 0, "missed_tpot": 1}, "classes": {}})
        await brain.count("g2", {"tally": {"num": 4, "failed": 0, "missed_ttft": 0, "missed_tpot": 0}, "classes": {}})
        told = {"num": 7, "failed": 1, "missed_ttft": 0, "missed_tpot": 1}
        assert await brain.standing() == {"tally": told, "ready": 1, "most": 10}
        assert Routes.from_plain(await brain.routes()).share == 1.0
        assert (await brain.status())["rollout"] is None

    _play(story())


def test_a_journal_that_cannot_be_written_stops_no_decision(
    serve: Serve, settings: BrainSettings, tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(settings, journal=str(tmp_path / "journal" / "chat.jsonl")).to_user_config())
        await _until(lambda: _target(brain) == 1)
        await _decisions(serve, SAVED_EVERY + 2)
        assert brain.record_autoscaling_stats()[AGE] <= 5.0
        brain.check_health()

    _play(story())


def test_a_shadow_records_what_it_would_do_and_nobody_follows(
    serve: Serve, settings: BrainSettings, reports: Any, tmp_path: Path
) -> None:
    serve.said = reports(8)
    journal = tmp_path / "chat.jsonl"

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(settings, shadow=True, journal=str(journal)).to_user_config())
        await _decisions(serve, 12)
        assert brain.record_autoscaling_stats() == {}
        assert serve.fleet.target == 1
        status = await brain.status()
        assert status["shadow"]
        assert status["decisions"][-1]["target"] > 1
        await brain.reconfigure(settings.to_user_config())
        await _until(lambda: (_target(brain) or 0) > 1)

    _play(story())
    pairs = list(replay(journal.read_text().splitlines(keepends=True)))
    assert all((then.decision, then.state) == (now.decision, now.state) for then, now in pairs)


def _counted(**per_s: tuple[int, int]) -> Callable[[float], dict[str, ClassCount]]:
    """By class: requests per second since long ago, and how many of them were turned away."""

    def until(now_s: float) -> dict[str, ClassCount]:
        return {
            name: ClassCount(
                num=round(num * now_s),
                prompt_tokens=round(100 * num * now_s),
                num_shed=round(shed * now_s),
                shed_prompt_tokens=round(100 * shed * now_s),
            )
            for name, (num, shed) in per_s.items()
        }

    return until


@pytest.fixture
def narrow(settings: BrainSettings, terms: Terms) -> BrainSettings:
    """Two classes, and one replica for both."""
    classes = (TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0))
    return replace(settings, terms=replace(terms, max_replicas=1, classes=classes))


async def _served(brain: Brain) -> dict[str, float]:
    return dict(Routes.from_plain(await brain.routes()).served)


def test_where_one_replica_is_too_little_the_lower_class_is_turned_away_until_it_is_calm(
    serve: Serve, narrow: BrainSettings, reports: Any
) -> None:
    serve.said, serve.counted = reports(8), _counted(paid=(1, 0), free=(7, 0))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(narrow.to_user_config())
        assert await _served(brain) == {}
        await _until(lambda: bool(brain._decision and brain._decision.served["free"] < 1))
        served = await _served(brain)
        assert served["paid"] == 1.0 > served["free"]
        shown = {tuple(one.tags.items()): one.value for one in serve.shown if one.name == "raytide_served_share"}
        assert shown[(("class", "free"),)] < 1
        last_s = serve.now_s
        serve.said, serve.counted = reports(0), lambda _: _counted(paid=(1, 0), free=(7, 0))(last_s)
        await _until(lambda: bool(brain._decision and brain._decision.served == {"paid": 1.0, "free": 1.0}))

    _play(story())


def test_who_was_turned_away_is_demand_but_not_what_came_before_the_brain(
    serve: Serve, narrow: BrainSettings, reports: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "chat.jsonl"
    serve.said, serve.counted = reports(2), _counted(paid=(2, 0), free=(6, 6))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(narrow, journal=str(journal)).to_user_config())
        await _decisions(serve, 8)

    _play(story())
    demands = [then.observation.demand for then, _ in replay(journal.read_text().splitlines(keepends=True))]
    told = [demand for demand in demands if isinstance(demand, Demand) and not isinstance(demand.by_class, Missing)]
    assert len(told) >= 3
    for demand in told:
        assert isinstance(demand.by_class, tuple)
        paid, free = demand.by_class
        assert (paid.name, paid.num_arrivals, paid.num_shed) == ("paid", 10, 0)
        assert (free.name, free.num_arrivals, free.num_shed, free.prompt_tokens) == ("free", 30, 30, 3000)
        assert (demand.num_arrivals, int(demand.arrived_prompt_tokens.sum())) == (40, 4000)


@pytest.mark.parametrize("part", [{"takes_over": TakesOver(rules=Canary(), applied_s=1.0)}, {"shadow": True}])
def test_a_canary_or_a_shadow_turns_nobody_away(
    serve: Serve, narrow: BrainSettings, reports: Any, part: dict[str, Any]
) -> None:
    serve.said, serve.counted = reports(8), _counted(paid=(1, 0), free=(7, 0))

    async def story() -> None:
        brain = serve.start()
        await brain.reconfigure(replace(narrow, **part).to_user_config())
        await _decisions(serve, 12)
        assert await _served(brain) == {}
        await brain.reconfigure(narrow.to_user_config())
        await _until(lambda: bool(brain._decision and brain._decision.served.get("free", 1.0) < 1))
        assert (await _served(brain))["free"] < 1

    _play(story())

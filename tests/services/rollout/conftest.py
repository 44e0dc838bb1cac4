"""`application`: one of the service `chat`, as the operator would put it; `stage`: a cluster that plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.live.succession import TakesOver
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import Quality, Tally
from raytide.autoscaling.rollout.gate import Gate
from raytide.autoscaling.rollout.rollout import Canary
from raytide.autoscaling.terms import Objective, Terms, Variant
from raytide.services.rollout.revisions import IMPORT_PATH, Application, as_canary

UNSCORED = Missing(reason="not evaluated")
RULES = Canary(steps=(0.01, 0.25, 1.0), hold_s=10.0, patience_s=300.0, gate=Gate(quality=None))


def _application(revision: str, quality: Quality | Missing = UNSCORED) -> Application:
    variant = Variant(name="v", engine=Missing(reason="none ran"), usd_per_hour=1.0, cold_start_s=1.0)
    objective = Objective(ttft_s=1.0, tpot_s=0.1, attainment=0.99)
    terms = Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=4)
    settings = BrainSettings(
        terms=terms,
        interval_s=1.0,
        scale_down_after_s=5.0,
        stale_after_s=15.0,
        journal="/home/journal/chat.jsonl",
        quality=quality,
    )
    return {
        "name": "chat",
        "import_path": IMPORT_PATH,
        "args": {"service": "chat", "revision": revision, "model_version": f"chat {revision}"},
        "deployments": [{"name": "v"}, {"name": BRAIN, "user_config": settings.to_user_config()}],
    }


@pytest.fixture
def application() -> Callable[..., Application]:
    return _application


@pytest.fixture
def canary() -> Callable[..., Application]:
    def make(revision: str, applied_s: float = 0.0, quality: Quality | None = None) -> Application:
        rules = RULES if quality is None else replace(RULES, gate=Gate())
        return as_canary(_application(revision, quality or UNSCORED), TakesOver(rules=rules, applied_s=applied_s))

    return make


@dataclass
class PlayedStage:
    """A cluster whose gateways send a thousand requests a second, and whose brains grow as they are told."""

    running: list[Application]
    now_s: float = 0.0
    failing: float = 0.0
    """Share of the canary's requests that fail."""
    ready: dict[str, int] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    """Applications whose brains do not answer."""
    grows: bool = True
    puts: list[Sequence[Application]] = field(default_factory=list)

    async def applications(self) -> Sequence[Application]:
        return list(self.running)

    async def failure(self, application: str) -> str:
        return self.failed.get(application, "")

    async def put(self, applications: Sequence[Application]) -> None:
        self.running = list(applications)
        self.puts.append(applications)

    async def standing(self, application: str) -> Mapping[str, Any]:
        if application in self.deaf:
            raise LookupError(application)
        tally = plain(self.tallies.get(application, Tally()))
        return {"tally": tally, "ready": self.ready.get(application, 0), "most": 4}

    async def allow(self, application: str, share: float, replicas: int, rollout: Mapping[str, Any]) -> None:
        if application in self.deaf:
            raise LookupError(application)
        self.shares.append(share)
        self.told = rollout
        if self.grows:
            self.ready[application] = max(replicas, self.ready.get(application, 0))

    def serve(self, stable: str, canary: str, seconds: float) -> None:
        """So many seconds of traffic, split as was last told."""
        self.now_s += seconds
        num, share = round(1000 * seconds), self.shares[-1] if self.shares else 0.0
        own = round(num * share)
        seen = Tally(num=own, failed=round(own * self.failing))
        self.tallies[canary] = self.tallies.get(canary, Tally()) + seen
        self.tallies[stable] = self.tallies.get(stable, Tally()) + Tally(num=num - own)


@pytest.fixture
def stage() -> type[PlayedStage]:
    return PlayedStage

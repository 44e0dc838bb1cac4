"""A registered version that has to serve first, on a Serve that runs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raytide.autoscaling.live.rollout_file import FOLDER, RolloutFile
from raytide.autoscaling.rollout.rollout import Phase, begin
from raytide.core.errors import GateFailed, RaytideError, RunFailed
from raytide.core.spec import Service, read_as
from raytide.jobs import registry
from raytide.operator import apply as operator
from raytide.operator import change, promotion
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.plan.diff import Verb
from raytide.operator.promotion import pinned, serve
from raytide.operator.site import Site
from raytide.services.rollout.revisions import as_stable, live, revision_of, revisions_of, takes_over

from .conftest import rehearsed_site

CANARY = "spec.rollout={canary: {gate: {quality: any}}}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with two versions; MLflow takes seconds to make one."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYTIDE_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for number in (1, 2):
            export = home / f"export{number}"
            export.mkdir()
            (export / "config.json").write_text(f'{{"number": {number}}}')
            registry.register("chat", export, metrics={}, tags={}, alias="candidate")
        registry.promote("chat", "1")
    return home


@pytest.fixture
def where(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    monkeypatch.setenv("RAYTIDE_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(operator, "POLL_S", 0.001)
    monkeypatch.setattr(promotion, "POLL_S", 0.001)
    return rehearsed_site(tmp_path)


@pytest.fixture
def chat(repository: Path) -> Service:
    return read_as(Service, repository / "services" / "chat.yaml", (CANARY,))


def conduct(where: Site, phase: Phase | None) -> None:
    """The canary's rollout ends so; None where somebody else ends it."""
    found = revisions_of("chat", live(where.dashboard.serve_details()))
    assert found.canary
    assert found.stable
    if phase is not None:
        rollout = begin(revision_of(found.canary), revision_of(found.stable), takes_over(found.canary).applied_s)
        RolloutFile(where.home / FOLDER, "chat").add(replace(rollout, phase=phase, says="so it was seen"))
    stays = [as_stable(found.canary)] if phase is Phase.PROMOTED else []
    goes = found.stable if phase is Phase.PROMOTED else found.canary
    where.dashboard.put_applications(stays, {}, {goes["name"]})


def once(act: Callable[[], None]) -> Callable[[str], None]:
    """Acts when it is told of a canary for the first time."""
    told = threading.Event()

    def watch(line: str) -> None:
        if line.startswith("canary") and not told.is_set():
            told.set()
            act()

    return watch


def first(chat: Service, where: Site) -> None:
    serve(pinned(chat, "chat", 1, "production"), where, watch=lambda _: None, timeout_s=5)


def test_a_version_that_takes_all_requests_is_what_runs_and_the_alias_changes_nothing_then(
    chat: Service, where: Site
) -> None:
    first(chat, where)
    second = pinned(chat, "chat", 2, "production")
    serve(second, where, watch=once(lambda: conduct(where, Phase.PROMOTED)), timeout_s=5)
    registry.promote("chat", "2")
    assert operator.prepare(chat, where).verb is Verb.NOTHING
    registry.rollback("chat")


@pytest.mark.parametrize(
    ("phase", "error", "says"),
    [
        (Phase.ROLLED_BACK, GateFailed, "rolled back: so it was seen"),
        (Phase.UNDECIDED, RunFailed, "ended undecided: so it was seen"),
        (None, RunFailed, "was ended by another command"),
    ],
)
def test_a_version_that_does_not_take_over_is_an_error_that_says_why(
    chat: Service, where: Site, phase: Phase | None, error: type[RaytideError], says: str
) -> None:
    first(chat, where)
    second = pinned(chat, "chat", 2, "production")
    with pytest.raises(error, match=says):
        serve(second, where, watch=once(lambda: conduct(where, phase)), timeout_s=5)
    assert operator.prepare(chat, where).verb is Verb.NOTHING


def test_a_killed_promotion_waits_for_the_canary_that_is_under_way(chat: Service, where: Site) -> None:
    first(chat, where)
    second = pinned(chat, "chat", 2, "production")

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(second, where, watch=once(killed), timeout_s=5)
    serve(second, where, watch=once(lambda: conduct(where, Phase.PROMOTED)), timeout_s=5)
    found = revisions_of("chat", live(where.dashboard.serve_details()))
    assert found.stable
    assert found.stable["args"]["model_version"] == "chat v2"


def test_a_canary_that_was_applied_from_elsewhere_is_said(chat: Service, where: Site) -> None:
    first(chat, where)
    second = pinned(chat, "chat", 2, "production")
    change.carry_out(operator.prepare(second, where), where, watch=lambda _: None, timeout_s=5)
    HistoryFile(where.home, "chat").path.unlink()
    with pytest.raises(RunFailed, match="applied from another storage folder"):
        serve(second, where, watch=lambda _: None, timeout_s=5)


def test_a_service_that_runs_another_model_is_refused(chat: Service) -> None:
    with pytest.raises(RaytideError, match="runs registry:chat@production, so its canary says nothing"):
        pinned(chat, "code", 1, "production")

"""Changes on record, on a Serve that runs nothing: interrupted anywhere, taken up again, gone back from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.core.errors import ClusterUnreachable, RaytideError
from raytide.core.spec import Service, read_as
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.drift import drift_of
from raytide.operator.history import NoSuchRevision, Outcome, Record
from raytide.operator.local.ports import free_ports
from raytide.operator.plan.diff import Verb
from raytide.operator.site import Site

from .conftest import rehearsed_site
from .rehearsed_serve import RehearsedServe

Apply = Callable[..., None]


class Killed(BaseException):
    """What ends a command between two steps."""


class KilledServe(RehearsedServe):
    """Ends whoever asks it for the so-manieth time, before or after it did what was asked."""

    def __init__(self, *, at: int, after: bool) -> None:
        super().__init__(looks_until_running=3)
        self.at, self.after, self.calls = at, after, 0

    def _ask(self, act: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise Killed
        answer = act()
        if self.calls == self.at:
            raise Killed
        return answer

    def serve_details(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(super().serve_details)
        return answer

    def put_applications(
        self,
        applications: Sequence[Mapping[str, Any]],
        http_options: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> None:
        self._ask(lambda: RehearsedServe.put_applications(self, applications, http_options, without))


@pytest.fixture(autouse=True)
def _poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "POLL_S", 0.001)


@pytest.fixture
def where(tmp_path: Path) -> Site:
    return rehearsed_site(tmp_path)


@pytest.fixture
def folder(model_folder: Callable[[], Path]) -> Path:
    return model_folder()


@pytest.fixture
def chat(repository: Path, folder: Path) -> Callable[..., Service]:
    def declare(*overrides: str) -> Service:
        said = (f"spec.model.source={folder}", *overrides)
        return read_as(Service, repository / "services" / "chat.yaml", said)

    return declare


OTHER = "spec.engine.args.max_num_seqs=8"
ROUTE = "deployments.Brain.user_config.access.route"


def _apply(service: Service, where: Site) -> None:
    change.carry_out(operator.prepare(service, where), where, watch=lambda _: None, timeout_s=5.0)


def _records(where: Site) -> tuple[Record, ...]:
    return HistoryFile(where.home, "chat").records()


def _outcomes(where: Site) -> list[tuple[str, Outcome]]:
    return [(record.verb, record.outcome) for record in _records(where)]


def test_every_change_is_on_record_and_a_second_apply_is_none(chat: Callable[..., Service], where: Site) -> None:
    for service in (chat(), chat(), chat("spec.scaling.max_replicas=4"), chat(OTHER)):
        _apply(service, where)
    change.delete("chat", where, timeout_s=1.0)
    assert _outcomes(where) == [
        ("create", Outcome.APPLIED),
        ("update", Outcome.APPLIED),
        ("restart", Outcome.APPLIED),
        ("delete", Outcome.DELETED),
    ]
    assert [record.number for record in _records(where)] == [1, 2, 3, 4]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_delete_that_was_killed_anywhere_is_completed_by_the_next_one(
    chat: Callable[..., Service], where: Site, at: int, after: bool
) -> None:
    serve = KilledServe(at=0, after=after)
    where = replace(where, serve=serve)
    _apply(chat(), where)
    serve.at = serve.calls + at
    try:
        change.delete("chat", where, timeout_s=1.0)
    except Killed:
        assert change.delete("chat", where, timeout_s=1.0)
    assert not change.delete("chat", where, timeout_s=1.0)
    assert _outcomes(where) == [("create", Outcome.APPLIED), ("delete", Outcome.DELETED)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
def test_an_apply_that_was_killed_anywhere_is_completed_by_the_next_one(
    chat: Callable[..., Service], where: Site, at: int, after: bool
) -> None:
    serve = KilledServe(at=at, after=after)
    where = replace(where, serve=serve)
    try:
        _apply(chat(), where)
    except Killed:
        serve.at = 0
    for _ in range(2):
        _apply(chat(), where)
    assert serve.num_deployed == 2  # the service and the gateway, each once
    assert operator.declared("chat", where) == operator.desired(chat(), where)
    assert serve.serve_details()["applications"]["chat"]["status"] == "RUNNING"
    assert _records(where)[-1].outcome is Outcome.APPLIED
    assert drift_of("chat", where) == ()


@pytest.mark.parametrize("keep", [0, 1, 30, -1])
def test_a_record_that_was_cut_off_while_it_was_written_does_no_harm(
    chat: Callable[..., Service], where: Site, keep: int
) -> None:
    _apply(chat(), where)
    path = HistoryFile(where.home, "chat").path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:keep])
    _apply(chat(OTHER), where)
    assert _outcomes(where)[-1] == ("restart", Outcome.APPLIED)
    assert len(_records(where)) == 2


def test_two_commands_do_not_change_one_service_at_the_same_time(chat: Callable[..., Service], where: Site) -> None:
    with HistoryFile(where.home, "chat").held(), pytest.raises(RaytideError, match="another command changes chat"):
        _apply(chat(), where)
    _apply(chat(), where)


def test_without_a_revision_it_goes_back_to_the_last_other_one(chat: Callable[..., Service], where: Site) -> None:
    for service in (chat(), chat(OTHER), chat(OTHER, "spec.scaling.max_replicas=4")):
        _apply(service, where)
    before = _records(where)
    step, record = change.rollback("chat", None, where)
    assert (record, step.verb) == (before[0], Verb.RESTART)
    change.carry_out(step, where, watch=lambda _: None, timeout_s=5.0, command="rollback")
    assert operator.declared("chat", where) == before[0].application
    assert _records(where)[-1].command == "rollback"
    again, _ = change.rollback("chat", before[0].revision, where)
    assert again.verb is Verb.NOTHING


def test_a_revision_is_named_by_its_beginning_and_an_unknown_one_is_one_sentence(
    chat: Callable[..., Service], where: Site
) -> None:
    _apply(chat(), where)
    with pytest.raises(NoSuchRevision, match="no other revision of it ran before"):
        change.rollback("chat", None, where)
    _apply(chat(OTHER), where)
    first = _records(where)[0].revision
    assert change.rollback("chat", first[:4], where)[1].revision == first
    with pytest.raises(NoSuchRevision, match=f"no revision 'zz' of it ran before; these did: {first}, "):
        change.rollback("chat", "zz", where)


def test_what_never_ran_is_not_gone_back_to(chat: Callable[..., Service], where: Site) -> None:
    history = HistoryFile(where.home, "chat")
    _apply(chat(), where)
    for number, outcome in enumerate((Outcome.FAILED, Outcome.REFUSED), start=2):
        record = replace(_records(where)[0], number=number, revision=f"bad{number}")
        history.begin(record)
        history.end(number, outcome, "no")
    with pytest.raises(NoSuchRevision):
        change.rollback("chat", None, where)


class Unreachable(RehearsedServe):
    def put_applications(
        self,
        applications: Sequence[Mapping[str, Any]],
        http_options: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> None:
        super().put_applications(applications, http_options, without)
        raise ClusterUnreachable("gone")


def test_a_cluster_that_vanishes_leaves_the_record_open(chat: Callable[..., Service], where: Site) -> None:
    where = replace(where, serve=Unreachable())
    with pytest.raises(ClusterUnreachable):
        _apply(chat(), where)
    assert _outcomes(where) == [("create", Outcome.INTERRUPTED)]
    _apply(chat(), where)
    assert _outcomes(where) == [("create", Outcome.APPLIED)]


def test_what_somebody_else_deployed_is_drift(chat: Callable[..., Service], where: Site) -> None:
    assert isinstance(drift_of("chat", where), Missing)
    _apply(chat(), where)
    assert drift_of("chat", where) == ()
    where.dashboard.put_applications([operator.desired(chat("spec.route=/other"), where)], {})
    (drift,) = drift_of("chat", where)  # type: ignore[misc]
    assert (drift.path, drift.live, drift.desired) == ("deployments.Brain.user_config.access.route", "/other", "/")


def test_a_history_that_cannot_be_read_is_one_sentence(where: Site) -> None:
    history = HistoryFile(where.home, "chat")
    assert history.records() == ()
    history.path.parent.mkdir()
    history.path.write_text("nothing\n{}\n")
    with pytest.raises(RaytideError, match=r"line 1 of .* is no event of a history"):
        history.records()


@pytest.mark.parametrize("line", ["5", "{}", '{"number": 1}', '{"number": 1, "outcome": "eaten"}', '{"number": "x"}'])
def test_a_line_of_another_kind_is_named(where: Site, line: str) -> None:
    history = HistoryFile(where.home, "chat")
    history.path.parent.mkdir()
    history.path.write_text(f"{line}\n")
    with pytest.raises(RaytideError, match=r"line 1 of .* is no event of a history"):
        history.records()


def test_a_folder_that_cannot_be_written_is_one_sentence(where: Site) -> None:
    (where.home / "history").write_text("")
    with pytest.raises(RaytideError, match="set RAYTIDE_HOME"), HistoryFile(where.home, "chat").held():
        pass


def test_a_process_that_is_killed_while_it_waits_is_completed_by_another(
    where: Site, recorded: Any, folder: Path, tmp_path: Path, repository: Path
) -> None:
    """A real process and a real signal, against a real HTTP server that plays a dashboard."""
    recorded.plays({})
    ports = f"http: {{port: {free_ports(1)[0]}}}\n  gateway: {{port: {where.gateway.port}}}"
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text((repository / "platform" / "cluster.yaml").read_text().replace("spec:", f"spec:\n  {ports}", 1))
    args = [
        "apply",
        str(repository / "services" / "chat.yaml"),
        "--address",
        recorded.address,
        "--cluster",
        str(cluster),
    ]
    command = [sys.executable, "-c", "from raytide.cli import main; main()", *args]
    source = ["--set", f"spec.model.source={folder}"]
    environment = os.environ | {"RAYTIDE_HOME": str(tmp_path)}
    with subprocess.Popen([*command, *source], env=environment, stdout=subprocess.PIPE, text=True) as process:
        while not recorded.puts:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert _outcomes(where) == [("create", Outcome.INTERRUPTED)]
    (put,) = recorded.puts
    running = {"status": "RUNNING", "last_deployed_time_s": 1.0}
    recorded.plays({app["name"]: running | {"deployed_app_config": app} for app in put["applications"]})
    again = subprocess.run([*command, *source], env=environment, capture_output=True, text=True, check=False)
    assert "nothing to do" in again.stdout, again.stderr
    assert recorded.puts == [put]
    assert _outcomes(where) == [("create", Outcome.APPLIED)]

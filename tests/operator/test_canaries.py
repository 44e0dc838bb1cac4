"""A new revision beside the one that serves, on a Serve that runs nothing: tried, promoted, rolled back, given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raytide.autoscaling.live.rollout_file import FOLDER, RolloutFile
from raytide.autoscaling.rollout.rollout import Phase, begin
from raytide.core.errors import RaytideError
from raytide.core.spec import Service, read_as
from raytide.core.spec.cluster import Gateway, Http
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.drift import drift_of
from raytide.operator.history import Outcome
from raytide.operator.local.ports import free_ports
from raytide.operator.plan.diff import Plan, Verb
from raytide.operator.site import Site
from raytide.services.rollout.revisions import (
    as_stable,
    is_canary,
    live,
    revision_of,
    revisions_of,
    settings_of,
    takes_over,
)

from .rehearsed_serve import RehearsedServe

CANARY = "spec.rollout={canary: {gate: {quality: any}}}"
NEXT = "spec.engine.args.max_num_seqs=2"
OTHER = "spec.engine.args.max_num_seqs=3"


@pytest.fixture(autouse=True)
def _poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "POLL_S", 0.001)


class Play:
    """Commands of a user, and what a conductor does to the cluster and its files."""

    def __init__(self, home: Path, declare: Callable[..., Service]) -> None:
        http, front = free_ports(2)
        self.where = Site(
            address="http://127.0.0.1:1",
            home=home,
            cluster=None,
            http=Http(port=http),
            gateway=Gateway(port=front),
            serve=RehearsedServe(),
        )
        self._declare = declare

    def prepare(self, *overrides: str) -> Plan:
        return operator.prepare(self._declare(*overrides), self.where)

    def apply(self, *overrides: str) -> Plan:
        step = self.prepare(*overrides)
        change.carry_out(step, self.where, watch=lambda _: None, timeout_s=5.0)
        return step

    def rollback(self, revision: str | None = None) -> Plan:
        step, _ = change.rollback("chat", revision, self.where)
        change.carry_out(step, self.where, watch=lambda _: None, timeout_s=5.0, command="rollback")
        return step

    def conduct(self, phase: Phase) -> None:
        """The canary's rollout ends so."""
        found = self.running
        began_s = takes_over(found.canary).applied_s
        rollout = begin(revision_of(found.canary), revision_of(found.stable), began_s)
        RolloutFile(self.where.home / FOLDER, "chat").add(replace(rollout, phase=phase, says="so it was seen"))
        if phase is Phase.PROMOTED:
            self.where.dashboard.put_applications([as_stable(found.canary)], {}, {found.stable["name"]})
        else:
            self.where.dashboard.put_applications((), {}, {found.canary["name"]})

    @property
    def running(self) -> Any:
        return revisions_of("chat", live(self.where.dashboard.serve_details()))

    @property
    def names(self) -> set[str]:
        return set(self.where.dashboard.serve_details()["applications"]) - {"raytide-gateway"}

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        return [(one.verb, one.outcome) for one in HistoryFile(self.where.home, "chat").records()]


@pytest.fixture
def play(tmp_path: Path, repository: Path, model_folder: Callable[[], Path]) -> Play:
    folder = model_folder()
    said = (f"spec.model.source={folder}",)
    return Play(tmp_path, lambda *more: read_as(Service, repository / "services" / "chat.yaml", (*said, *more)))


def test_the_first_revision_is_no_canary_and_the_next_one_runs_beside_it(play: Play) -> None:
    assert play.apply(CANARY).verb is Verb.CREATE
    stable = play.running.stable
    step = play.apply(CANARY, NEXT)
    assert (step.verb, step.service) == (Verb.CANARY, "chat")
    assert play.running.stable == stable
    assert play.running.canary["name"] == f"chat-{revision_of(step.desired)}"
    assert play.names == {"chat", play.running.canary["name"]}
    assert settings_of(play.running.canary).journal == str(play.where.home / "journal" / f"{step.application}.jsonl")
    assert play.outcomes == [("create", Outcome.APPLIED), ("canary", Outcome.CANARY)]


def test_a_second_apply_does_nothing_and_a_knob_changes_the_canary_in_place(play: Play) -> None:
    play.apply(CANARY)
    play.apply(CANARY, NEXT)
    assert play.apply(CANARY, NEXT).verb is Verb.NOTHING
    assert play.apply(CANARY, NEXT, "spec.rollout.canary.hold=1m").verb is Verb.UPDATE
    assert takes_over(play.running.canary).rules.hold_s == 60.0
    assert len(play.names) == 2


def test_after_its_promotion_it_is_what_was_applied_and_the_next_one_stands_beside_it(play: Play) -> None:
    play.apply(CANARY)
    first = revision_of(play.running.stable)
    play.apply(CANARY, NEXT)
    play.conduct(Phase.PROMOTED)
    assert play.outcomes[-1] == ("canary", Outcome.APPLIED)
    assert drift_of("chat", play.where) == ()
    assert play.apply(CANARY, NEXT).verb is Verb.NOTHING
    name = play.running.stable["name"]
    assert play.apply(CANARY, NEXT, "spec.scaling.max_replicas=4").application == name
    assert play.rollback(first).verb is Verb.RESTART
    assert (play.names, revision_of(play.running.stable)) == ({name}, first)


def test_a_canary_that_was_rolled_back_is_told_with_its_reason_and_never_gone_back_to(play: Play) -> None:
    play.apply(CANARY)
    play.apply(CANARY, NEXT)
    play.conduct(Phase.ROLLED_BACK)
    record = HistoryFile(play.where.home, "chat").records()[-1]
    assert (record.outcome, record.why) == (Outcome.ROLLED_BACK, "so it was seen")
    assert drift_of("chat", play.where) == ()
    with pytest.raises(RaytideError, match="no other revision of it ran before"):
        play.rollback()
    assert play.apply(CANARY, NEXT).verb is Verb.CANARY


@pytest.mark.parametrize("end", ["rollback", "declared as before", "another canary", "at once"])
def test_a_canary_that_is_no_longer_wanted_ends(play: Play, end: str) -> None:
    play.apply(CANARY)
    play.apply(CANARY, NEXT)
    given_up = play.running.canary["name"]
    if end == "rollback":
        assert play.rollback().ends == given_up
    else:
        asked = {"declared as before": (CANARY,), "another canary": (CANARY, OTHER), "at once": (OTHER,)}
        assert play.apply(*asked[end]).ends == given_up
    assert given_up not in play.names
    assert (play.running.canary is not None) == (end == "another canary")


def test_a_service_is_deleted_with_its_canary(play: Play) -> None:
    play.apply(CANARY)
    play.apply(CANARY, NEXT)
    assert change.delete("chat", play.where, timeout_s=5.0)
    assert play.names == set()


def test_a_model_without_a_score_is_refused_where_the_gate_asks_for_one(play: Play) -> None:
    play.apply("spec.rollout={}")
    with pytest.raises(RaytideError, match=r"gate.quality: no-worse, and its model is in no registry: register"):
        play.prepare("spec.rollout={}", NEXT)
    assert is_canary(play.prepare(CANARY, NEXT).desired)

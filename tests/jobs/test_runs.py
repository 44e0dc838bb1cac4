"""A run of one worker, without the cluster around it: interrupted, resumed, led astray, and out of room."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from raytide.core.errors import RaytideError
from raytide.core.spec.train import Anomalies, TrainSpec
from raytide.jobs.train import loop as module
from raytide.jobs.train import run
from raytide.jobs.train.checkpoints import Found
from raytide.jobs.train.dataset import Dataset, packed
from raytide.jobs.train.events import read_events
from raytide.jobs.train.goodput import begin
from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Gradient, Learner
from raytide.jobs.train.loop import Loop
from raytide.jobs.train.metrics import read_metrics
from raytide.jobs.train.model import new_model
from raytide.jobs.train.objective import NextToken
from raytide.jobs.train.plan import Plan

ALONE = Group(rank=0, size=1, device=torch.device("cpu"), preempted=lambda: False)
DATASET = packed(np.random.default_rng(0).integers(32, size=(50, 8), dtype=np.int32))


class Killed(Exception):
    """What a test does to a worker in the place of a signal."""


class Struck(Learner):
    """A learner that meets something on its way: at some of its calls, counted from 0."""

    killed_at: int | None = None
    broken: tuple[int, ...] = ()
    _calls = -1

    def gradient(self, passes: Any, *, targets: int, workers: int) -> Gradient:
        self._calls += 1
        if self._calls == self.killed_at:
            raise Killed
        found = super().gradient(passes, targets=targets, workers=workers)
        return found._replace(loss=float("nan")) if self._calls in self.broken else found


def plan(output: Path, **settings: Any) -> Plan:
    spec = TrainSpec(
        task="train", data="data", output="run", workers=1, batch_size_per_worker=3, steps=23, warmup_steps=2,
        checkpoint_every=5, **settings,
    )  # fmt: skip
    return Plan(spec=spec, output=output, lineage={}, data=output)


def test_a_run_whose_first_file_was_cut_in_half_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.json").write_text('{"steps": 2')
    declared = plan(tmp_path)
    monkeypatch.setattr(run, "plan_of", lambda spec: declared)
    with pytest.raises(RaytideError, match=r"run.json is damaged .* name another folder"):
        run.run(declared.spec)


def learner(of: Plan) -> Struck:
    config = LlamaConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1,
        intermediate_size=16, attention_dropout=0.1, tie_word_embeddings=True,
    )  # fmt: skip
    model = new_model(config, of.spec.seed).train()
    return Struck(model, model, of.spec)


def trained(of: Plan, killed_at: int | None = None, broken: tuple[int, ...] = (), data: Dataset = DATASET) -> str:
    """Why the run ended early, if it did."""
    worker = learner(of)
    worker.killed_at, worker.broken = killed_at, broken
    loop = Loop(of, ALONE, worker, NextToken(data))
    try:
        return loop.run()
    finally:
        loop._checkpoints.wait()  # its process would have ended; its thread would write into the next attempt


def told(of: Plan) -> list[dict[str, Any]]:
    """The run's metrics, without what a clock measured."""
    timed = {"elapsed_s", "tokens_per_s", "worker_s", "memory_bytes"}
    return [{key: value for key, value in entry.items() if key not in timed} for entry in read_metrics(of.output)]


def final_state(of: Plan) -> list[bytes]:
    saved = torch.load(of.checkpoints / "step-00000023" / "state.pt", weights_only=True)
    return [tensor.numpy().tobytes() for tensor in saved["learner"]["model"].values()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    of = plan(tmp_path_factory.mktemp("uninterrupted"))
    assert trained(of) == ""
    return of


@pytest.mark.parametrize("kills", [(0,), (4,), (5,), (6, 3), (22,), (7, 7, 7, 1)])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path, uninterrupted: Plan, kills: tuple[int, ...]
) -> None:
    of = plan(tmp_path)
    for killed_at in kills:
        with pytest.raises(Killed):
            trained(of, killed_at)
    assert trained(of) == ""
    assert told(of) == told(uninterrupted)
    assert final_state(of) == final_state(uninterrupted)


def test_steps_that_are_done_again_are_no_goodput(tmp_path: Path) -> None:
    of, began_s = plan(tmp_path), time.time() - 60.0
    begin(tmp_path, began_s)
    with pytest.raises(Killed):
        trained(of, 17)
    assert trained(of) == ""
    last, now_s = read_metrics(of.output)[-1], time.time()
    assert last["goodput"] == pytest.approx(last["elapsed_s"] / (now_s - began_s), abs=2e-3)
    assert last["elapsed_s"] < now_s - began_s - 60.0


def test_a_checkpoint_cut_in_half_costs_the_steps_since_the_one_before(tmp_path: Path, uninterrupted: Plan) -> None:
    of = plan(tmp_path)
    with pytest.raises(Killed):
        trained(of, 17)
    newest = of.checkpoints / "step-00000015" / "state.pt"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    assert trained(of) == ""
    assert final_state(of) == final_state(uninterrupted)
    (event,) = read_events(of.output)
    assert event["says"].startswith("the checkpoint of step 15 is damaged")


def test_one_broken_batch_is_skipped_and_said(tmp_path: Path, uninterrupted: Plan) -> None:
    of = plan(tmp_path)
    assert trained(of, broken=(3,)) == ""
    assert [event["says"] for event in read_events(of.output)] == ["step 4 changed nothing: its loss is not finite"]
    seen, undisturbed = told(of)[-1], told(uninterrupted)[-1]
    assert seen["samples_checksum"] == undisturbed["samples_checksum"]
    assert seen["loss"] != undisturbed["loss"]


def test_batches_that_stay_broken_are_left_behind_from_the_latest_checkpoint(tmp_path: Path) -> None:
    of = plan(tmp_path, anomalies=Anomalies(patience=2))
    assert trained(of, broken=(7, 8, 9)) == ""
    *skips, back = [event["says"] for event in read_events(of.output)]
    assert len(skips) == 2
    assert back == (
        "3 batches in a row could not be learnt from, the last because its loss is not finite; "
        "back to step 5, and on with the batches after them"
    )
    last = told(of)[-1]
    # Back from step 9 to 5, past ten batches.
    assert (last["step"], last["position"]) == (23, 28)


def test_a_run_that_finds_no_whole_checkpoint_to_go_back_to_ends_instead_of_going_on_as_if_at_step_0(
    tmp_path: Path,
) -> None:
    of = plan(tmp_path, anomalies=Anomalies(patience=2))
    worker = learner(of)
    worker.broken = (7, 8, 9)
    loop = Loop(of, ALONE, worker, NextToken(DATASET))
    newest = loop._checkpoints.newest

    def after_the_disk_has_lost_them() -> Found:
        for state in of.checkpoints.glob("*/state.pt"):
            state.write_bytes(b"")
        return newest()

    loop._checkpoints.newest = after_the_disk_has_lost_them  # type: ignore[method-assign]
    assert loop.run() == (
        f"Training cannot go on at step 10: its loss is not finite, and no checkpoint in {of.checkpoints} is whole; "
        "choose a new spec.output."
    )


def test_a_run_that_cannot_be_saved_from_diverging_says_so(tmp_path: Path) -> None:
    of = plan(tmp_path, anomalies=Anomalies(patience=2, rollbacks=1))
    ended = trained(of, broken=tuple(range(7, 100)))
    assert ended.startswith("Training diverged at step 8: its loss is not finite; lower spec.learning_rate")


def test_a_full_disk_ends_a_run_with_a_sentence_and_it_goes_on_from_the_checkpoint_before(
    tmp_path: Path, uninterrupted: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, save = plan(tmp_path), torch.save

    def until_the_disk_is_full(state: Any, file: Any) -> None:
        if state["progress"]["step"] > 10:
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")
        save(state, file)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", until_the_disk_is_full)
        ended = trained(of)
    assert ended == (
        "The checkpoint of step 15 could not be written (No space left on device); that of step 10 is kept."
    )
    assert trained(of) == ""
    assert final_state(of) == final_state(uninterrupted)


def test_the_checksum_of_an_epoch_is_that_of_the_data(tmp_path: Path) -> None:
    of = plan(tmp_path, anomalies=Anomalies())
    assert trained(of, data=DATASET.rows(np.arange(30))) == ""
    tenth = told(of)[0]  # ten steps of three sequences
    assert tenth["samples_checksum"] == DATASET.rows(np.arange(30)).checksum % 2**32


def test_a_run_whose_node_is_taken_back_saves_itself_at_once_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NOTICE_EVERY_S", 0.0)
    of, taken_back = plan(tmp_path, keep_checkpoints=9), replace(ALONE, preempted=lambda: True)
    assert Loop(of, taken_back, learner(of), NextToken(DATASET)).run() == ""
    assert [event["says"] for event in read_events(of.output)] == [
        "a node is about to be taken back; checkpoint at step 1"
    ]
    assert [path.name for path in sorted(of.checkpoints.glob("step-*"))][:2] == ["step-00000001", "step-00000005"]

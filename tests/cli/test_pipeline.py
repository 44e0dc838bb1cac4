from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PIPELINE = """\
apiVersion: raytide/v1
kind: Pipeline
metadata: {name: flow}
spec:
  steps:
    - {name: data, spec: {task: preprocess, corpus: {source: corpus}, output: data/flow}}
    - {name: train, spec: {task: train, data: data/flow, output: runs/flow, steps: 3}}
    - {name: lost, spec: {task: train, data: data/absent, output: runs/lost, steps: 3}}
    - {name: after, spec: {task: train, data: data/flow, output: runs/after, steps: 3}, needs: [lost]}
"""
ORDER = ("data", "train", "lost", "after")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("first")
    written = tmp_path / "flow.yaml"
    written.write_text(PIPELINE)
    return written


def test_the_plan_says_what_would_run_wait_and_never_run_and_writes_nothing(
    file: Path, here: Callable[..., Any]
) -> None:
    before = sorted(file.parent.rglob("*"))
    said = here("pipeline", "plan", file)
    data, train, lost, after = sorted(said.out.splitlines(), key=lambda line: ORDER.index(line.split()[0]))
    assert data == "data   run       new"
    assert train == "train  waiting   for data"
    assert lost.startswith("lost   failed    No preprocessed data in ")
    assert after == "after  blocked   lost failed"
    assert sorted(file.parent.rglob("*")) == before


def test_the_plan_is_data_for_machines(file: Path, here: Callable[..., Any]) -> None:
    told = json.loads(here("pipeline", "plan", file, "--json").out)
    assert told["pipeline"] == "flow"
    assert {"name": "train", "would": "waiting", "why": "for data"} in told["steps"]


def test_a_pipeline_that_is_none_is_said_at_its_place(file: Path, here: Callable[..., Any]) -> None:
    file.write_text(PIPELINE.replace("needs: [lost]", "needs: [loss]"))
    refused = here("pipeline", "plan", file)
    assert refused.exit_code == 2
    assert "loss does not; data, train, lost, after do" in refused.err

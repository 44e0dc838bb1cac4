from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: models/chat}
  hardware:
    - {accelerator: CPU}
  objectives:
    ttft: {p95: 500ms}
    tpot: {p95: 50ms}
"""
BAD = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: Chat}
spec:
  model: {source: registry:chat}
  hardware:
    - {acelerator: CPU}
  objectives:
    ttft: {p95: 500}
"""


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)


@pytest.mark.usefixtures("files")
def test_five_mistakes_are_five_located_findings(raytide: Raytide) -> None:
    ran = raytide("check", "bad.yaml")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.splitlines() == [
        "bad.yaml:3:18: metadata.name: wrong value; found 'Chat', expected a name of at most 47 lower-case letters, "
        "digits and dashes that starts with a letter",
        "bad.yaml:5:19: spec.model.source: wrong value; found 'registry:chat', expected text such as "
        "registry:chat@production, hf://org/name or models/chat",
        "bad.yaml:7:8: spec.hardware.0.acelerator: unknown key; did you mean 'accelerator'?",
        "bad.yaml:8:3: spec.objectives.tpot: missing; expected a map with p50, p90, p95, p99",
        "bad.yaml:9:17: spec.objectives.ttft.p95: wrong value; found 500, expected a duration such as "
        "500ms, 10s, 5m or 2h",
    ]


@pytest.mark.usefixtures("files")
def test_every_file_is_checked_and_one_wrong_file_is_enough(raytide: Raytide) -> None:
    ran = raytide("check", "none.yaml", "good.yaml")
    assert (ran.returncode, ran.stdout) == (2, "ok  good.yaml  Service chat\n")
    assert ran.stderr == "none.yaml: no such file\n"


@pytest.mark.usefixtures("files")
def test_an_excerpt_points_at_the_column(raytide: Raytide) -> None:
    lines = raytide("check", "--excerpt", "bad.yaml").stderr.splitlines()
    assert lines[1:3] == ["     3 | metadata: {name: Chat}", "       |                  ^"]


def test_a_mistake_after_the_last_line_has_no_excerpt(raytide: Raytide, tmp_path: Path) -> None:
    (tmp_path / "cut.yaml").write_text("a: 1\nb\n")
    ran = raytide("check", "--excerpt", "cut.yaml")
    assert ran.stderr == "cut.yaml:3:1: a key without a colon; write key: value\n"


@pytest.mark.usefixtures("files")
def test_a_machine_reads_json(raytide: Raytide) -> None:
    ran = raytide("check", "--json", "good.yaml", "bad.yaml")
    good, bad = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr) == (2, "")
    assert good == {"file": "good.yaml", "kind": "Service", "name": "chat", "findings": []}
    assert [finding["line"] for finding in bad["findings"]] == [3, 5, 7, 8, 9]


@pytest.mark.usefixtures("files")
def test_all_files_right_is_exit_0(raytide: Raytide) -> None:
    assert raytide("check", "good.yaml").returncode == 0


def test_no_file_is_a_usage_error(raytide: Raytide) -> None:
    assert raytide("check").returncode == 2

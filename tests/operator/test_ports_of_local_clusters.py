"""A port that another cluster of this machine will open later is not taken, though nothing listens there yet."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from raytide.operator.local.ports import TEMP_PREFIX, claim, claimed, free_ports, preferred


@pytest.fixture
def temp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"{TEMP_PREFIX}one"
    folder.mkdir()
    return folder


def test_a_port_is_kept_while_its_cluster_runs(temp_dir: Path) -> None:
    (port,) = free_ports(1)
    assert preferred(port) == port
    claim(temp_dir, (port,), os.getpid())
    assert claimed() == {port}
    assert preferred(port) != port


def test_a_cluster_that_was_killed_keeps_nothing(temp_dir: Path) -> None:
    (port,) = free_ports(1)
    with subprocess.Popen(["sleep", "0"]) as ended:
        pass
    claim(temp_dir, (port,), ended.pid)
    assert preferred(port) == port


@pytest.mark.parametrize("text", ["", "[]", '{"ports": 8080, "pid": 1}', '{"ports": ["x"], "pid": 1}', "null"])
def test_what_is_no_claim_is_passed_over(temp_dir: Path, text: str) -> None:
    (temp_dir / "ports.json").write_text(text)
    assert claimed() == frozenset()

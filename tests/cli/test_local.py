"""`raytide local up`, as far as no Ray is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytide.cli import local
from raytide.operator.local.record import LocalCluster, remember

Here = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "start", lambda *_, **__: pytest.fail("started"))
    return tmp_path / "home"


def test_without_a_cluster_file_there_is_nothing_to_rehearse(here: Here) -> None:
    ran = here("local", "up", "--rehearse")
    assert (ran.exit_code, "name it with --cluster" in ran.err) == (1, True)


@pytest.mark.parametrize("is_rehearsing", [False, True])
def test_a_cluster_that_runs_is_kept_unless_it_was_to_rehearse_and_does_not(
    here: Here, home: Path, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, is_rehearsing: bool
) -> None:
    (tmp_path / "ray").mkdir()
    if is_rehearsing:
        (tmp_path / "ray/pools.json").write_text("{}")
    remember(home, LocalCluster(marker="m", temp_dir=str(tmp_path / "ray"), dashboard="http://here", http_port=1))
    monkeypatch.setattr(local, "belonging", lambda _: ["a process"])
    file = str(repository / "platform/cluster.yaml")
    assert here("local", "up", "--cluster", file).exit_code == 0
    ran = here("local", "up", "--rehearse", "--cluster", file)
    assert (ran.exit_code, "--fresh" in ran.err) == ((0, False) if is_rehearsing else (1, True))

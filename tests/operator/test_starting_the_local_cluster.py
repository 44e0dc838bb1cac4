from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.operator.local import head
from raytide.operator.local.end import end
from raytide.operator.local.head import MIN_CPUS, environment, start
from raytide.operator.local.record import MARKER, LocalCluster, recall

CLUSTER = LocalCluster(marker="m", temp_dir="/tmp/raytide-x", dashboard="http://127.0.0.1:1", http_port=1)


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program of ours beside the interpreter as `ray`."""

    def is_a(script: str) -> None:
        program = tmp_path / "ray"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setattr(time, "sleep", lambda _: None)

    return is_a


def test_a_head_that_ends_is_said_with_its_log_and_can_be_cleaned_up(
    ray: Callable[[str], None], tmp_path: Path
) -> None:
    ray('echo "$@"; echo "no memory" >&2; exit 7')
    home = tmp_path / "home"
    with pytest.raises(RaytideError, match=rf"Ray ended with code 7 while starting: the reason is in {home}/ray.log"):
        start(home, 8000)
    options, reason = (home / "ray.log").read_text().splitlines()
    assert reason == "no memory"
    assert options.startswith("start --head --block --port=0 --node-ip-address=127.0.0.1 --dashboard-host=127.0.0.1")
    assert int(options.split("--num-cpus=")[1].split()[0]) >= MIN_CPUS
    left = recall(home)
    assert left is not None
    assert f"--temp-dir={left.temp_dir}" in options
    assert end(home, left) == 0
    assert not Path(left.temp_dir).exists()


def test_a_host_without_a_network_says_why_it_rehearses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    class Offline(socket.socket):
        connect = unreachable

    monkeypatch.setattr(socket, "socket", Offline)
    with pytest.raises(RaytideError, match="leave --rehearse out"):
        head._own_address()


def test_its_processes_inherit_the_marker_the_home_and_this_python(tmp_path: Path) -> None:
    inherited = environment(tmp_path, CLUSTER)
    assert inherited[MARKER] == "m"
    assert inherited["RAYTIDE_HOME"] == str(tmp_path)
    assert inherited["PATH"].startswith(str(Path(sys.executable).parent))
    assert inherited["RAY_AUTH_MODE"] == "disabled"


def test_a_users_own_authentication_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert environment(tmp_path, CLUSTER)["RAY_AUTH_MODE"] == "token"


def test_a_grafana_with_rays_configuration_finds_our_graphs_beside_rays(
    ray: Callable[[str], None], tmp_path: Path
) -> None:
    ray('ls "$RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR"; exit 7')
    home = tmp_path / "home"
    with pytest.raises(RaytideError):
        start(home, 8000)
    assert (home / "ray.log").read_text() == "raytide.json\n"
    left = recall(home)
    assert left is not None
    end(home, left)

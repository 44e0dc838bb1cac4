from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from raytide.core.errors import ClusterUnreachable, RaytideError
from raytide.operator.local.ports import free_ports, is_free, preferred
from raytide.operator.local.record import LocalCluster, forget, recall, record_file, remember
from raytide.operator.site import site

CLUSTER = LocalCluster(marker="raytide-1", temp_dir="/tmp/raytide-x", dashboard="http://127.0.0.1:8266", http_port=8001)


def test_what_is_remembered_is_recalled_until_it_is_forgotten(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    assert recall(home) is None
    remember(home, CLUSTER)
    assert recall(home) == CLUSTER
    remember(home, replace(CLUSTER, http_port=8002))
    assert recall(home) == replace(CLUSTER, http_port=8002)
    assert [file.name for file in home.iterdir()] == ["cluster.json"]
    forget(home)
    forget(home)
    assert recall(home) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "\xff",
        json.dumps(asdict(CLUSTER) | {"more": 1}),
        json.dumps(asdict(CLUSTER) | {"temp_dir": ""}),
        json.dumps(asdict(CLUSTER) | {"temp_dir": "/"}),
        json.dumps(asdict(CLUSTER) | {"temp_dir": 1}),
        json.dumps(asdict(CLUSTER) | {"marker": ""}),
    ],
)
def test_what_is_no_record_is_no_cluster(tmp_path: Path, text: str) -> None:
    record_file(tmp_path).write_bytes(text.encode("latin-1"))
    assert recall(tmp_path) is None


def test_a_storage_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    with pytest.raises(RaytideError, match="Not a directory; set RAYTIDE_HOME to a folder"):
        recall(home)
    with pytest.raises(RaytideError, match="set RAYTIDE_HOME to a folder"):
        remember(home, CLUSTER)


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, CLUSTER)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RaytideError, match="no space left on device; set RAYTIDE_HOME"):
        remember(tmp_path, replace(CLUSTER, http_port=1))
    assert recall(tmp_path) == CLUSTER


def test_a_port_is_free_until_someone_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert preferred(port) != port
    assert is_free(port)
    assert preferred(port) == port


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(map(is_free, ports))


@pytest.fixture
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("_at_home")
def test_an_address_is_the_given_one_else_the_environments_else_the_local_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site(None, None).address == "http://127.0.0.1:8265"
    remember(tmp_path / "home", CLUSTER)
    assert site(None, None).address == CLUSTER.dashboard
    assert site(None, None).http.port == CLUSTER.http_port
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:1")
    assert site(None, None).address == "http://head:1"
    assert site("http://other:2/", None).address == "http://other:2"


@pytest.mark.usefixtures("_at_home")
def test_only_a_loopback_address_is_here() -> None:
    here = [site(address, None).is_here for address in ("http://localhost:1", "http://127.0.0.1:1", "http://head:1")]
    assert here == [True, True, False]


@pytest.mark.usefixtures("_at_home")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says without privileges who listens")
@pytest.mark.parametrize(("program", "is_here"), [("kubectl", False), ("ssh", False), ("python3", True)])
def test_a_dashboard_that_is_forwarded_from_elsewhere_is_not_here(tmp_path: Path, program: str, is_here: bool) -> None:
    (tmp_path / program).symlink_to(Path(sys.executable).resolve())  # whose name the process takes
    listen = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen(
        [tmp_path / program, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        assert site(f"http://127.0.0.1:{port}", None).is_here is is_here
        process.communicate("\n")


@pytest.mark.usefixtures("_at_home")
@pytest.mark.parametrize("address", ["127.0.0.1:8265", "ray://127.0.0.1:10001", "http://", "http://a:b", "http://["])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(ClusterUnreachable, match="is no address of a dashboard: write it as http://"):
        site(address, None)


@pytest.mark.usefixtures("_at_home")
def test_the_http_port_is_the_declared_one(repository: Path, tmp_path: Path) -> None:
    declared = tmp_path / "cluster.yaml"
    declared.write_text((repository / "platform" / "cluster.yaml").read_text() + "  http: {port: 9000}\n")
    assert site(None, declared).http.port == 9000
    (tmp_path / "platform").mkdir()
    declared.rename(tmp_path / "platform" / "cluster.yaml")
    found = site(None, None)
    assert (found.http.port, found.cluster is not None) == (9000, True)

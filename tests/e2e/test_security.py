"""Doors and secrets of clusters that run: who is refused, what listens where, and that no secret is written down."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from raytide.operator.local.end import belonging, end
from raytide.operator.local.head import environment, start
from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import LocalCluster, recall
from raytide.services.gateway.app import ENGINES, OPEN
from raytide.services.gateway.feedback import FEEDBACK
from raytide.services.ledger.secret import hash_of

from .conftest import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SEALED = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: sealed}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 8}}
  route: /sealed
  hardware:
    - accelerator: CPU
      cpus: 0.1
      performance: {iteration: {base: 5ms, per_prefill_token: 10us}, kv_capacity_tokens: 100000}
  objectives: {ttft: {p95: 3s}, tpot: {p95: 200ms}}
  scaling: {min_replicas: 1, max_replicas: 1, interval: 1s}
  access: {api_keys: required, prices: {input: $1/Mtok, output: $2/Mtok}}
"""
BODIES: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": "sealed", "prompt": [1, 2], "max_tokens": 3},
    "/v1/chat/completions": {"model": "sealed", "messages": [{"role": "user", "content": "a"}], "max_tokens": 3},
    "/v1/embeddings": {"model": "sealed", "input": "a"},
    FEEDBACK: {"id": "rt-0", "rating": "up"},
}
WRONG = "rt-wrong" + "0" * 38
TOKEN = "token-of-a-test-0123456789abcdef"
RAYS_ROUTES = (
    ("GET", "/api/jobs/"),
    ("POST", "/api/jobs/"),
    ("GET", "/api/serve/applications/"),
    ("PUT", "/api/serve/applications/"),
    ("DELETE", "/api/serve/applications/"),
    ("GET", "/api/cluster_status"),
    ("GET", "/nodes?view=summary"),
    ("GET", "/api/v0/actors"),
    ("GET", "/api/v0/logs"),
    ("GET", "/api/version"),
)
HTTP = httpx.Client(timeout=60, trust_env=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A service that asks for keys, and two of them."""

    local: LocalCluster
    key: str
    revoked: str

    @property
    def doors(self) -> tuple[str, str]:
        """The gateway's own port, and Serve's."""
        return f"http://127.0.0.1:{self.local.gateway_port}", f"http://127.0.0.1:{self.local.http_port}"


@pytest.fixture(scope="module")
def sealed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    key, revoked = (_created(cluster, name) for name in ("sealed-a", "sealed-b"))
    assert cluster.run(["raytide", "keys", "revoke", "sealed-b"]).returncode == 0
    local = recall(cluster.home)
    assert local
    with cluster.serving("sealed", SEALED, tmp_path_factory.mktemp("sealed")):
        yield Sealed(local, key, revoked)


def _created(cluster: Cluster, name: str) -> str:
    secret: str = json.loads(cluster.run(["raytide", "keys", "create", name, "--json"]).stdout)["secret"]
    return secret


def _ask(url: str, secret: str | None, body: dict[str, Any], **headers: str) -> httpx.Response:
    bearer = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return HTTP.post(url, json=body, headers=bearer | headers)


def test_no_route_of_the_gateway_works_without_a_key_that_is_good(sealed: Sealed) -> None:
    for door in sealed.doors:
        for route in ENGINES:
            for prefix in ("", "/sealed"):
                for secret in (None, WRONG, sealed.revoked):
                    assert _ask(f"{door}{prefix}{route}", secret, BODIES[route]).status_code == 401, (door, route)
        assert _ask(f"{door}{ENGINES[0]}", sealed.key, BODIES[ENGINES[0]]).status_code == 200
        for secret in (None, WRONG, sealed.revoked):
            assert _ask(f"{door}{FEEDBACK}", secret, BODIES[FEEDBACK]).status_code in (401, 404)


def test_gateway_serve_and_dashboard_listen_on_the_loopback_address_alone(sealed: Sealed) -> None:
    """Ray's own protocol does not: ray 2.60 makes the host's address of a loopback one, and binds to all."""
    port = int(sealed.local.dashboard.rpartition(":")[2])
    ours = {sealed.local.gateway_port, sealed.local.http_port, port}
    found = {(port, address) for address, port, _ in _listening(sealed.local) if port in ours}
    assert found == {(port, "127.0.0.1") for port in ours}


def _listening(local: LocalCluster) -> Iterator[tuple[str, int, str]]:
    """Address, port and process."""
    for process in belonging(local):
        try:
            for socket in process.net_connections("inet"):
                if socket.status == psutil.CONN_LISTEN:
                    yield socket.laddr.ip, socket.laddr.port, " ".join(process.cmdline())[:100]
        except psutil.NoSuchProcess:
            continue


def test_no_key_is_found_in_any_file_process_answer_or_output(cluster: Cluster, sealed: Sealed) -> None:
    answers = [answer for door in sealed.doors for answer in _answers(door, sealed)]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404}
    shown = [f"{answer.headers} {answer.text}" for answer in (*answers, *_pages(cluster, sealed))]
    for command in ("status", "keys list", "cost --by owner", "cost --by job", "history sealed", "explain sealed"):
        ran = cluster.run(["raytide", *command.split(), "--json"])
        assert ran.returncode == 0 or "nothing was accounted" in ran.stderr, ran.stderr
        shown += [ran.stdout, ran.stderr]
    _wait_for_bills(cluster)
    places = {
        "an answer or an output": shown,
        "a command line": [word for each in psutil.process_iter() for word in _of(each, psutil.Process.cmdline)],
        "an environment": [value for each in belonging(sealed.local) for value in _environment(each)],
    }
    secrets = (sealed.key, sealed.revoked, WRONG)
    found = [place for place, texts in places.items() for text in texts if any(secret in text for secret in secrets)]
    files = [*_files(Path(sealed.local.temp_dir)), *_files(cluster.home)]
    found += [str(file) for file in files if _holds(file, secrets)]
    assert found == []
    # The search sees what there is: hashes in the ledger, and the service in logs.
    assert any(_holds(file, (hash_of(sealed.key),)) for file in files if file.name.startswith("ledger.db"))
    assert any(_holds(file, ("sealed",)) for file in files if file.suffix == ".log")


def _answers(door: str, sealed: Sealed) -> Iterator[httpx.Response]:
    """What is asked rightly, and wrongly in each way that there is."""
    url, body = f"{door}{ENGINES[0]}", BODIES[ENGINES[0]]
    yield _ask(url, sealed.key, body)
    yield _ask(url, sealed.key, body | {"stream": True})
    yield _ask(url, sealed.key, body | {"model": "another"})
    yield _ask(url, sealed.key, body | {"max_tokens": -1})
    yield _ask(url, sealed.key, body, **{"x-deadline-ms": "soon"})
    yield _ask(f"{door}/v1/none", sealed.key, body)
    yield _ask(url, None, body, authorization=f"Basic {sealed.key}")
    for secret in (WRONG, sealed.revoked):
        yield _ask(url, secret, body)
    yield HTTP.post(url, content=b"{", headers={"authorization": f"Bearer {sealed.key}"})


def _pages(cluster: Cluster, sealed: Sealed) -> Iterator[httpx.Response]:
    for route in OPEN:
        yield HTTP.get(f"{sealed.doors[0]}{route}", params={"service": "sealed"})
    for page in ("/api/serve/applications/", "/api/jobs/", "/api/v0/actors?detail=1"):
        yield HTTP.get(f"{cluster.address}{page}")


def _wait_for_bills(cluster: Cluster) -> None:
    """Until what was asked is in the ledger's file, in its write-ahead log at least."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with sqlite3.connect(f"file:{cluster.home / 'ledger.db'}?mode=ro", uri=True) as ledger:
            if ledger.execute("SELECT count(*) FROM raytide_usage WHERE service = 'sealed'").fetchone()[0] >= 4:
                return
        time.sleep(0.5)
    raise AssertionError("the ledger has no bills")


def _of(process: psutil.Process, ask: Any) -> list[str]:
    try:
        found: list[str] = ask(process)
    except psutil.Error:
        return []
    return found


def _environment(process: psutil.Process) -> list[str]:
    return _of(process, lambda each: list(each.environ().values()))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _holds(file: Path, texts: tuple[str, ...]) -> bool:
    try:
        content = file.read_bytes()
    except FileNotFoundError:  # a file that was rotated meanwhile
        return False
    return any(text.encode() in content for text in texts)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCluster, dict[str, str]]]:
    """A cluster that asks for Ray's token, and the environment of whoever has it."""
    home = tmp_path_factory.mktemp("guarded")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_AUTH_MODE", "token")
        patched.setenv("RAY_AUTH_TOKEN", TOKEN)
        try:
            local = start(home, free_ports(1)[0])
            yield local, environment(home, local)
        finally:
            if left := recall(home):
                end(home, left)


def test_ray_refuses_whoever_has_no_token(guarded: tuple[LocalCluster, dict[str, str]]) -> None:
    local, env = guarded
    for method, route in RAYS_ROUTES:
        for token, refused in ((None, 401), (TOKEN[:-1], 403)):
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            answer = HTTP.request(method, f"{local.dashboard}{route}", headers=headers, json={"entrypoint": "true"})
            assert answer.status_code == refused, (method, route)
            assert TOKEN not in answer.text
    without = {name: value for name, value in env.items() if not name.startswith("RAY_AUTH")} | {
        "HOME": local.temp_dir,
        "RAY_AUTH_MODE": "disabled",
    }
    assert _raytide(without, local).returncode == 3
    assert "wants a token" in _raytide(without, local).stderr
    assert _answers_in_time(env, local)
    address = (Path(local.temp_dir) / "ray_current_cluster").read_text().strip()
    joined = subprocess.run(
        ["ray", "status", "--address", address], env=without, capture_output=True, text=True, check=False, timeout=120
    )
    assert joined.returncode != 0, joined.stdout


def _answers_in_time(env: dict[str, str], local: LocalCluster) -> bool:
    """Whether the token lets in; a dashboard that has just begun refuses before it can answer."""
    deadline_s = time.monotonic() + 90
    while _raytide(env, local).returncode != 0:
        if time.monotonic() > deadline_s:
            return False
        time.sleep(1)
    return True


def _raytide(env: dict[str, str], local: LocalCluster) -> subprocess.CompletedProcess[str]:
    command = ["raytide", "status", "--address", local.dashboard, "--json"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_rays_token_is_in_no_log_and_on_no_command_line(guarded: tuple[LocalCluster, dict[str, str]]) -> None:
    local, env = guarded
    home = Path(env["RAYTIDE_HOME"])
    assert [str(file) for file in (*_files(Path(local.temp_dir)), *_files(home)) if _holds(file, (TOKEN,))] == []
    assert [word for each in belonging(local) for word in _of(each, psutil.Process.cmdline) if TOKEN in word] == []

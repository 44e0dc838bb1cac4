"""Starting the local head node: `ray start --head` on free ports, with a temporary folder of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import httpx

from raytide.core.errors import RaytideError
from raytide.core.spec.cluster import Cluster
from raytide.manifests.render.dashboard import dashboard_json
from raytide.operator.local.pools import ENVIRONMENT, HEAD_ENVIRONMENT, autoscaling_config
from raytide.operator.local.ports import LOOPBACK, TEMP_PREFIX, claim, free_ports, preferred
from raytide.operator.local.record import MARKER, LocalCluster, remember

DASHBOARD_PORT = 8265
START_TIMEOUT_S = 90.0
OBJECT_STORE_BYTES = 512 * 2**20
"""A laptop's share: corpora stream through it block by block."""
MIN_CPUS = 4
"""Ray's CPUs are bookkeeping: two training workers, or two replicas and a job, must fit on a laptop with two cores."""
_POOLS = "pools.json"
"""In the temporary folder; JSON is YAML."""
IDLE_NODE_S = 10.0
"""After which a rehearsed node without work is removed."""


def start(home: Path, http_port: int, rehearsed: Cluster | None = None, *, gateway_port: int = 8080) -> LocalCluster:
    """A running head node, remembered in `home` before its first process starts, so that it can always be ended.

    With a cluster to rehearse, its pools are nodes of this machine that come and go with what is asked of them.

    Raises:
        RaytideError: Ray did not come up; the log's place is named.
    """
    cluster = LocalCluster(
        marker=f"raytide-{uuid.uuid4().hex}",
        temp_dir=tempfile.mkdtemp(prefix=TEMP_PREFIX),
        dashboard=f"http://{LOOPBACK}:{preferred(DASHBOARD_PORT)}",
        http_port=preferred(http_port),
        gateway_port=preferred(gateway_port),
    )
    remember(home, cluster)
    _write_graphs(cluster)
    log = home / "ray.log"
    env, command = environment(home, cluster), _command(cluster)
    if rehearsed is not None:
        env, command = {**env, **ENVIRONMENT, **HEAD_ENVIRONMENT}, [*command, *_rehearsing(rehearsed, cluster)]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command, env=env, stdout=output, stderr=output, start_new_session=True
        )
    claim(Path(cluster.temp_dir), (cluster.http_port, cluster.gateway_port), process.pid)
    _wait(cluster, process, log)
    return cluster


def environment(home: Path, cluster: LocalCluster) -> dict[str, str]:
    """The environment of the cluster's processes; jobs and replicas inherit it."""
    return {
        **os.environ,
        MARKER: cluster.marker,
        "RAYTIDE_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled"),  # loopback only; on by default in some calls
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # the dashboard's Train page is empty without it
        "RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR": str(_graphs(cluster)),
        "VLLM_NO_USAGE_STATS": "1",
    }


def _graphs(cluster: LocalCluster) -> Path:
    """Where Ray writes what a Grafana with its configuration loads; the folder of its own choice it empties first."""
    return Path(cluster.temp_dir) / "dashboards"


def _write_graphs(cluster: LocalCluster) -> None:
    _graphs(cluster).mkdir()
    (_graphs(cluster) / "raytide.json").write_text(dashboard_json("local"), encoding="utf-8")


def _command(cluster: LocalCluster) -> list[str]:
    client, metrics, agent, agent_grpc, runtime_env = map(str, free_ports(5))
    options: Mapping[str, str] = {
        "--port": "0",
        "--node-ip-address": LOOPBACK,
        "--dashboard-host": LOOPBACK,
        "--dashboard-port": cluster.dashboard.rsplit(":", 1)[1],
        "--temp-dir": cluster.temp_dir,
        "--num-cpus": str(_num_cpus()),
        "--object-store-memory": str(OBJECT_STORE_BYTES),
        "--ray-client-server-port": client,
        "--metrics-export-port": metrics,
        "--dashboard-agent-listen-port": agent,
        "--dashboard-agent-grpc-port": agent_grpc,
        "--runtime-env-agent-port": runtime_env,
        "--min-worker-port": "0",
        "--max-worker-port": "0",
    }
    ray = str(Path(sys.executable).parent / "ray")
    return [ray, "start", "--head", "--block", *(f"{name}={value}" for name, value in options.items())]


def _rehearsing(rehearsed: Cluster, cluster: LocalCluster) -> list[str]:
    """Options after which the head's address is one that nodes of its own can reach: the last of each name counts."""
    host, port = _own_address(), free_ports(1)[0]
    config = autoscaling_config(rehearsed, f"{host}:{port}", head_cpus=_num_cpus(), idle_s=IDLE_NODE_S)
    file = Path(cluster.temp_dir) / _POOLS
    file.write_text(json.dumps(config), encoding="utf-8")
    return [f"--node-ip-address={host}", f"--port={port}", "--num-gpus=0", f"--autoscaling-config={file}"]


def rehearses(cluster: LocalCluster) -> bool:
    """Whether it was started with pools to rehearse."""
    return (Path(cluster.temp_dir) / _POOLS).is_file()


def _own_address() -> str:
    """An address of this host beside the loopback's; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: any route will do
        except OSError as error:
            says = "rehearsed nodes meet at an address beside the loopback's, and this host has none"
            raise RaytideError(f"{says}: connect it to a network, or leave --rehearse out") from error
        address: str = probe.getsockname()[0]
    return address


def _num_cpus() -> int:
    return max(MIN_CPUS, os.cpu_count() or 1)


def _wait(cluster: LocalCluster, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RaytideError(f"Ray ended with code {process.returncode} while starting: the reason is in {log}")
        if _answers(cluster.dashboard):
            return
        time.sleep(0.5)
    raise RaytideError(f"Ray did not answer within {START_TIMEOUT_S:g} s: see {log}, and `raytide local down`")


def _answers(dashboard: str) -> bool:
    """Whether jobs can be submitted: the dashboard's agent comes up after the dashboard."""
    try:
        return httpx.get(f"{dashboard}/api/jobs/", timeout=2, trust_env=False).status_code in (200, 401)
    except httpx.TransportError:
        return False

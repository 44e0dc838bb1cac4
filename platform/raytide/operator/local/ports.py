"""Free ports on the loopback address, and those that a cluster of this machine will open later.

Gateways open their port with the first service, and those of one user share it (`SO_REUSEPORT`): two clusters that both
found it free would each answer half of the other's requests.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
TEMP_PREFIX = "raytide-"
"""Of a cluster's temporary folder; short, because Ray's sockets live there: 107 bytes at most."""
_CLAIM = "ports.json"
_FORWARDERS = frozenset({"kubectl", "oc", "k9s", "ssh", "socat", "docker-proxy"})
"""Programs through which a port of this machine is one of another."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(num_ports: int) -> list[int]:
    """Distinct ports that were free a moment ago."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(num_ports)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def preferred(port: int) -> int:
    """The port itself where it is free and nobody's to open later, another one otherwise."""
    return port if port not in claimed() and is_free(port) else free_ports(1)[0]


def is_forwarded(port: int) -> bool:
    """Whether a program listens there that forwards to other machines; False where the system does not say who does."""
    try:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        return any(
            psutil.Process(each.pid).name() in _FORWARDERS
            for each in listening
            if each.pid is not None and each.laddr.port == port
        )
    except psutil.Error:
        return False


def claim(temp_dir: Path, ports: Iterable[int], pid: int) -> None:
    """Keep these ports for the cluster of this folder, for as long as its first process runs."""
    (temp_dir / _CLAIM).write_text(json.dumps({"ports": list(ports), "pid": pid}), encoding="utf-8")


def claimed() -> frozenset[int]:
    """The ports of this user's clusters that run on this machine, whether they are open yet or not."""
    claims = map(_claim_of, Path(tempfile.gettempdir()).glob(f"{TEMP_PREFIX}*/{_CLAIM}"))
    return frozenset(port for ports, pid in claims if psutil.pid_exists(pid) for port in ports)


def _claim_of(file: Path) -> tuple[list[int], int]:
    """Its ports and process; none where the cluster ends just now, or somebody else wrote there."""
    try:
        if file.lstat().st_uid != os.geteuid():
            return [], 0
        content = json.loads(file.read_text(encoding="utf-8"))
        return [int(port) for port in content["ports"]], int(content["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return [], 0

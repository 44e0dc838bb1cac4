"""What is remembered of the local cluster: enough to use it, and to end exactly its processes later."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from raytide.core.home import stored

MARKER = "RAYTIDE_CLUSTER"
"""Environment variable that every process of the cluster inherits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCluster:
    """One local head node."""

    marker: str
    """Unique value of the marker variable."""
    temp_dir: str
    dashboard: str
    """As `http://127.0.0.1:8265`; what `ray job submit --address` takes."""
    http_port: int
    """Where Ray Serve will answer."""
    gateway_port: int = 8080
    """Where the gateway will."""


def record_file(home: Path) -> Path:
    """Where the local cluster of a storage folder is remembered."""
    return home / "cluster.json"


def remember(home: Path, cluster: LocalCluster) -> None:
    """Write the record at once or not at all.

    Raises:
        RaytideError: the storage folder cannot be written.
    """
    with stored():
        home.mkdir(parents=True, exist_ok=True)
        temporary = record_file(home).with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(asdict(cluster), indent=2) + "\n", encoding="utf-8")
        temporary.replace(record_file(home))


def recall(home: Path) -> LocalCluster | None:
    """The remembered cluster; None where there is none, or where the record is not readable as one.

    Raises:
        RaytideError: the storage folder is none, or cannot be read.
    """
    with stored():
        try:
            text = record_file(home).read_bytes()
        except FileNotFoundError:
            return None
    try:
        cluster = LocalCluster(**json.loads(text))
        # Processes are found by these two, and an empty one would find every process.
        return cluster if cluster.marker and Path(cluster.temp_dir).name else None
    except (ValueError, TypeError):
        return None


def forget(home: Path) -> None:
    """Remove the record."""
    record_file(home).unlink(missing_ok=True)

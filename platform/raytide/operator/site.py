"""Where a command works: the cluster's address, its declared pools, the storage folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from raytide.core.errors import ClusterUnreachable
from raytide.core.home import home
from raytide.core.spec import Cluster, read_as
from raytide.core.spec.cluster import Gateway, Http
from raytide.operator.adapters.dashboard import Dashboard
from raytide.operator.local.ports import LOOPBACK, is_forwarded
from raytide.operator.local.record import LocalCluster, recall
from raytide.operator.serve_api import ServeApi

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
DEFAULT_CLUSTER_FILE = Path("platform/cluster.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One cluster as this command sees it."""

    address: str
    home: Path
    cluster: Cluster | None
    """The declared cluster; None where no file declares it, and then nothing has a price."""
    http: Http
    """Where Serve answers, or will."""
    gateway: Gateway = Gateway()  # noqa: RUF009 (frozen)
    """The gateway as declared."""
    serve: ServeApi | None = None
    """In the place of the dashboard's, where there is no cluster."""

    @property
    def dashboard(self) -> ServeApi:
        """Serve's applications, through the cluster's dashboard."""
        return self.serve or Dashboard(self.address)

    @property
    def is_here(self) -> bool:
        """Whether the cluster runs on this machine, so that its files are ours to look at."""
        parts = urlsplit(self.address)
        if parts.hostname not in (LOOPBACK, "localhost", "::1"):
            return False
        return not is_forwarded(parts.port or (443 if parts.scheme == "https" else 80))


def site(address: str | None, cluster_file: Path | None) -> Site:
    """The site of an address, else of `RAY_API_SERVER_ADDRESS`, else of the local cluster, else of Ray's default port.

    Raises:
        SpecError: the cluster file has mistakes.
        ClusterUnreachable: the address is none of a dashboard.
    """
    local = recall(home())
    file = cluster_file or (DEFAULT_CLUSTER_FILE if DEFAULT_CLUSTER_FILE.is_file() else None)
    cluster = read_as(Cluster, file) if file else None
    given = address or os.environ.get("RAY_API_SERVER_ADDRESS") or (local.dashboard if local else DEFAULT_ADDRESS)
    found = _checked(given.rstrip("/"))
    return Site(
        address=found,
        home=home(),
        cluster=cluster,
        http=_http(cluster, local, found),
        gateway=_gateway(cluster, local, found),
    )


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, for one
        is_one = False
    if not is_one:
        raise ClusterUnreachable(f"{address!r} is no address of a dashboard: write it as {DEFAULT_ADDRESS}")
    return address


def _gateway(cluster: Cluster | None, local: LocalCluster | None, address: str) -> Gateway:
    declared = cluster.spec.gateway if cluster else Gateway()
    if local and local.dashboard == address:
        return declared.model_copy(update={"port": local.gateway_port})
    return declared


def _http(cluster: Cluster | None, local: LocalCluster | None, address: str) -> Http:
    if local and local.dashboard == address:
        return Http(port=local.http_port)
    return cluster.spec.http if cluster else Http()

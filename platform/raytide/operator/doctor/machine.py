"""Reading the facts: files, sockets, the environment, and one request to the dashboard."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from raytide.autoscaling.missing import Missing
from raytide.operator.doctor.facts import Facts, Port
from raytide.operator.local.end import belonging
from raytide.operator.local.ports import is_free
from raytide.operator.local.record import recall
from raytide.operator.site import Site

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_TIMEOUT_S = 3.0


def facts_of(site: Site) -> Facts:
    """What is known now."""
    ahead_s = _clock_ahead_s(site.address)
    answers = not isinstance(ahead_s, Missing)
    return Facts(
        python=sys.version_info[:2],
        requirements=tuple(_requirements()),
        installed={canonicalize_name(one.name): one.version for one in metadata.distributions()},
        nvidia_driver=_driver(),
        ports=tuple(_ports(site, is_running=answers or _runs_here(site))),
        shared_memory_bytes=_size(Path("/dev/shm")),  # noqa: S108 (its size alone)
        free_disk_bytes=shutil.disk_usage(_existing(site.home)).free,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        proxies={name: value for name, value in os.environ.items() if name.lower() in _PROXIES and value},
        clock_ahead_s=ahead_s,
    )


def _requirements() -> Iterator[str]:
    """Those that apply here, without the ones of extras."""
    from packaging.requirements import Requirement

    for text in metadata.requires("raytide") or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield f"{needed.name}{needed.specifier}"


def _driver() -> str | Missing:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return Missing(reason="no NVIDIA driver on this machine")
    found = re.search(r"\s([0-9]{3}\.[0-9.]+)\s", text)
    return found[1] if found else Missing(reason="an NVIDIA driver of unknown version")


def _ports(site: Site, *, is_running: bool) -> Iterator[Port]:
    if not site.is_here:  # they are the cluster's, and not this machine's
        return
    dashboard = urlsplit(site.address).port or 8265
    for number, listener, setting in (
        (dashboard, "the dashboard", "RAY_API_SERVER_ADDRESS"),
        (site.http.port, "Serve", "spec.http.port of the cluster file"),
        (site.gateway.port, "the gateway", "spec.gateway.port of the cluster file"),
    ):
        yield Port(number=number, listener=listener, is_free=is_free(number), is_ours=is_running, setting=setting)


def _runs_here(site: Site) -> bool:
    """Whether the local cluster runs; a record alone outlives a restart of the machine."""
    local = recall(site.home)
    return local is not None and bool(belonging(local))


def _size(folder: Path) -> int | Missing:
    try:
        return shutil.disk_usage(folder).total
    except OSError:
        return Missing(reason=f"no {folder} on this machine")


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _clock_ahead_s(address: str) -> float | Missing:
    """By the date of an answer, which is cut to seconds: half a second off at most in the mean."""
    import httpx

    try:
        answer = httpx.get(f"{address}/api/version", timeout=_TIMEOUT_S, trust_env=False)
        return time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp() - 0.5
    except (httpx.HTTPError, KeyError, ValueError):
        return Missing(reason="no cluster answers to compare with")

"""What is known of the machine and of the cluster that its commands would reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raytide.autoscaling.missing import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One that raytide or Ray listens on."""

    number: int
    listener: str
    """As a sentence calls it: `Serve`."""
    is_free: bool
    is_ours: bool
    """Whether the local cluster of the storage folder is what listens there."""
    setting: str
    """What to change to have another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules ask for."""

    python: tuple[int, int]
    requirements: tuple[str, ...]
    """Of the installed raytide for this machine, as its metadata writes them: `ray[serve]==2.60.0`."""
    installed: Mapping[str, str]
    """Version by package."""
    nvidia_driver: str | Missing
    ports: tuple[Port, ...]
    shared_memory_bytes: int | Missing
    """Size of /dev/shm."""
    free_disk_bytes: int
    """Where the storage folder is, or will be."""
    open_files: int
    """Soft limit of a process."""
    proxies: Mapping[str, str]
    """Environment variables that name an HTTP proxy, or what goes past it."""
    clock_ahead_s: float | Missing
    """How far this machine's clock is ahead of the cluster's."""

"""The difference between the application that should run and the one that runs, as steps a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_IN_PLACE: Final = ("deployments.", "route_prefix")
"""Where a change leaves the code version that Serve compares alone (ray 2.60, `get_app_code_version`)."""


class Verb(StrEnum):
    """What a step does to the running service."""

    CREATE = "create"
    RESTART = "restart"
    """The replicas are replaced one after the other."""
    UPDATE = "update"
    """Changed in place; no replica notices."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs."""

    path: str
    live: Any
    desired: Any

    def __str__(self) -> str:
        """`path: live → desired`."""
        return f"{self.path}: {_show(self.live)} → {_show(self.desired)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The one step that makes a service what its file says."""

    service: str
    verb: Verb
    changes: tuple[Change, ...]
    desired: Mapping[str, Any]
    min_replicas: int
    max_replicas: int
    usd_per_hour: float | None
    """Price of one replica; None where no declared pool fits."""


def plan(desired: Mapping[str, Any], live: Mapping[str, Any] | None) -> Plan:
    """The step from `live`, the application's config as Serve knows it (None where absent), to `desired`."""
    replicas, brain = desired["deployments"]
    price = brain["user_config"]["terms"]["variants"][0]["usd_per_hour"]
    changes = () if live is None else tuple(differences(desired, live))
    return Plan(
        service=desired["name"],
        verb=_verb(live, changes),
        changes=changes,
        desired=desired,
        min_replicas=replicas["autoscaling_config"]["min_replicas"],
        max_replicas=replicas["autoscaling_config"]["max_replicas"],
        usd_per_hour=None if isinstance(price, Mapping) else price,  # a mapping says why it is missing
    )


def differences(desired: Any, live: Any, path: str = "") -> Iterator[Change]:
    """Every desired value that the live state lacks or has otherwise; keys that only Serve fills in are not ours."""
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        for key in sorted(set(desired) | (set(live) if path.startswith("args") else set())):
            yield from differences(desired.get(key), live.get(key), f"{path}.{key}" if path else key)
    elif _named(desired) and _named(live):
        by_name = {entry["name"]: entry for entry in live}
        for entry in desired:
            yield from differences(entry, by_name.get(entry["name"]), f"{path}.{entry['name']}")
    elif desired != live:
        yield Change(path=path, live=live, desired=desired)


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, Mapping) and "name" in e for e in value)


def _verb(live: Mapping[str, Any] | None, changes: tuple[Change, ...]) -> Verb:
    if live is None:
        return Verb.CREATE
    if not changes:
        return Verb.NOTHING
    in_place = all(change.path.startswith(_IN_PLACE) for change in changes)
    return Verb.UPDATE if in_place else Verb.RESTART


def _show(value: Any) -> str:
    return "(none)" if value is None else str(value)

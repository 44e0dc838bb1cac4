"""The difference between the application that should run and the one that runs, as steps a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Terms
from raytide.services.rollout.revisions import service_of

_IN_PLACE: Final = ("deployments.", "route_prefix")
"""Where a change leaves the code version that Serve compares alone (ray 2.60, `get_app_code_version`)."""


class Verb(StrEnum):
    """What a step does to the running service."""

    CREATE = "create"
    RESTART = "restart"
    """The replicas are replaced one after the other."""
    UPDATE = "update"
    """Changed in place; no replica notices."""
    CANARY = "canary"
    """It runs beside the one that serves, and takes its requests step by step."""
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
    usd_per_hour: tuple[float, float] | None
    """What the fewest and the most replicas cost together; None where no declared pool fits one of the variants."""
    ends: str | None = None
    """Name of the application of a canary that is under way, and ends with this step."""

    @property
    def application(self) -> str:
        """The name of the application that the step puts."""
        return str(self.desired["name"])


def plan(desired: Mapping[str, Any], live: Mapping[str, Any] | None) -> Plan:
    """The step from `live`, the application's config as Serve knows it (None where absent), to `desired`."""
    terms = _terms(desired)
    changes = () if live is None else tuple(differences(desired, live))
    return Plan(
        service=service_of(desired),
        verb=_verb(live, changes),
        changes=changes,
        desired=desired,
        min_replicas=terms.min_replicas,
        max_replicas=min(terms.max_replicas, sum(_quotas(terms))),
        usd_per_hour=_usd_per_hour(terms),
    )


def differences(desired: Any, live: Any, path: str = "") -> Iterator[Change]:
    """Every desired value that the live state lacks or has otherwise; keys that only Serve fills in are not ours."""
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        for key in sorted(set(desired) | (set(live) if path.startswith("args") else set())):
            yield from differences(desired.get(key), live.get(key), f"{path}.{key}" if path else key)
    elif _named(desired) and _named(live):
        wanted, found = ({entry["name"]: entry for entry in entries} for entries in (desired, live))
        for name in (*wanted, *(set(found) - set(wanted) if path.startswith("args") else ())):
            yield from differences(wanted.get(name), found.get(name), f"{path}.{name}")
    elif desired != live:
        yield Change(path=path, live=live, desired=desired)


def _terms(desired: Mapping[str, Any]) -> Terms:
    brain = next(entry for entry in desired["deployments"] if entry["name"] == BRAIN)
    return BrainSettings.from_user_config(brain["user_config"]).terms


def _quotas(terms: Terms) -> list[int]:
    return [terms.max_replicas if one.max_replicas is None else one.max_replicas for one in terms.variants]


def _usd_per_hour(terms: Terms) -> tuple[float, float] | None:
    """Of the cheapest way to run the fewest replicas, and of the dearest to run the most, within the budget."""
    prices = [variant.usd_per_hour for variant in terms.variants]
    known = [price for price in prices if not isinstance(price, Missing)]
    if len(known) < len(prices):
        return None
    offers = sorted(zip(known, _quotas(terms), strict=True))
    most = _filled(reversed(offers), terms.max_replicas)
    budget = most if terms.max_usd_per_hour is None else terms.max_usd_per_hour
    return _filled(offers, terms.min_replicas), min(most, budget)


def _filled(offers: Iterable[tuple[float, int]], num: int) -> float:
    """The price of so many replicas, from these offers in their order as far as each goes."""
    usd = 0.0
    for price, quota in offers:
        taken = min(num, quota)
        usd, num = usd + taken * price, num - taken
    return usd


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

"""The Serve applications of a service: the revision that serves, and a canary beside it while there is one.

Which is which stands in the applications themselves, in what they tell their brains. So one `PUT` of Serve's config
promotes or ends a canary, no replica restarts for it, and whoever reads the cluster sees the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raytide.autoscaling.codec import plain
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.live.succession import TakesOver

IMPORT_PATH: Final = "raytide.services.app:build"
Application = Mapping[str, Any]
"""An entry under `applications:` of a Serve config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """What of a service is deployed."""

    service: str
    stable: Application | None
    canary: Application | None
    is_down: bool = False
    """Whether Serve has given the stable one up."""


def live(details: Mapping[str, Any]) -> list[Application]:
    """The declared applications of a cluster, by Serve's own account of it; those that are being deleted left out."""
    found = details.get("applications", {}).values()
    return [app["deployed_app_config"] for app in found if app.get("deployed_app_config") and not is_going(app)]


def every_revision(applications: Iterable[Application]) -> tuple[Revisions, ...]:
    """Of each service among the applications."""
    ours = [app for app in applications if is_ours(app)]
    return tuple(revisions_of(service, ours) for service in dict.fromkeys(service_of(app) for app in ours))


def revisions_of(service: str, applications: Iterable[Application]) -> Revisions:
    """Of one service; of two canaries the one that was asked for last."""
    own = [app for app in applications if is_ours(app) and service_of(app) == service]
    stable = [app for app in own if not is_canary(app)]
    canaries = sorted((app for app in own if is_canary(app)), key=lambda app: takes_over(app).applied_s)
    return Revisions(service=service, stable=stable[0] if stable else None, canary=canaries[-1] if canaries else None)


def is_ours(application: Application) -> bool:
    """Whether it is of a service, and not the gateway's or somebody else's."""
    return bool(application.get("import_path") == IMPORT_PATH)


def service_of(application: Application) -> str:
    """The name that clients know."""
    return str(application["args"]["service"])


def revision_of(application: Application) -> str:
    """The hash of everything that a replica is started with."""
    return str(application["args"]["revision"])


def settings_of(application: Application) -> BrainSettings:
    """What its brain is told."""
    return BrainSettings.from_user_config(_brain(application)["user_config"])


def team_of(application: Application) -> str:
    """Whose the service is, whichever version of this program applied it; empty where nobody said."""
    return str(_brain(application)["user_config"].get("team", ""))


def is_canary(application: Application) -> bool:
    """Whether it is to take over from another one."""
    return _brain(application)["user_config"].get("takes_over") is not None


def takes_over(application: Application) -> TakesOver:
    """The rules of a canary."""
    found = settings_of(application).takes_over
    assert found is not None
    return found


def named(application: Application, name: str) -> Application:
    """The same under another name: a service goes on under the name of the canary that took it over."""
    return {**application, "name": name}


def as_canary(application: Application, rules: TakesOver) -> Application:
    """Beside the one that serves: with a name and a journal of its own."""
    name = f"{service_of(application)}-{revision_of(application)}"
    return _told(named(application, name), journal=name, takes_over=plain(rules))


def as_stable(application: Application) -> Application:
    """The canary as what serves: its brain goes on in the service's journal, and is a canary's no more."""
    return _told(application, journal=service_of(application), takes_over=None)


def _told(application: Application, *, journal: str, **told: Any) -> Application:
    brain = _brain(application)
    path = brain["user_config"]["journal"]
    moved = str(Path(path).with_name(f"{journal}.jsonl")) if path else None
    changed = {**brain, "user_config": {**brain["user_config"], "journal": moved, **told}}
    return {**application, "deployments": [changed if one is brain else one for one in application["deployments"]]}


def _brain(application: Application) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in application["deployments"] if one["name"] == BRAIN)
    return found


def is_going(app: Mapping[str, Any]) -> bool:
    """Whether Serve deletes it, by its own account of it."""
    return str(app.get("status", "")).rpartition(".")[2] == "DELETING"

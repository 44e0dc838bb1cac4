"""Bringing a declared service to life and seeing it through."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from raytide.autoscaling.live.rollout_file import FOLDER as ROLLOUTS
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.declared import canary_of
from raytide.core.errors import RaytideError, RunFailed
from raytide.core.spec import Service
from raytide.operator.local.ports import is_free
from raytide.operator.model import resolve, resolve_adapter
from raytide.operator.plan.desired import ServedModel, application
from raytide.operator.plan.diff import Plan, Verb, differences
from raytide.operator.plan.gateway import GATEWAY_APP, gateway_application
from raytide.operator.plan.price import replica_usd_per_hour
from raytide.operator.plan.runnable import nowhere, require_runnable
from raytide.operator.plan.stage import step_to
from raytide.operator.site import Site
from raytide.services.ledger.database import ledger_url
from raytide.services.rollout.revisions import (
    Application,
    Revisions,
    is_ours,
    live,
    revisions_of,
    service_of,
    settings_of,
)

POLL_S = 1.0
FAILED = "DEPLOY_FAILED"
_ANY = -1.0
"""The time of no deployment: whichever runs will do."""
_OUR_SENTENCE = re.compile(r"^\s*raytide\.[\w.]+: (.+)$", re.MULTILINE)
"""The last line of a replica's traceback where one of our errors ended it."""
_ANY_ERROR = re.compile(r"^\s*((?:[\w.]+)?(?:Error|Exception): .+)$", re.MULTILINE)


def prepare(service: Service, site: Site) -> Plan:
    """The step that makes the cluster run the service as declared.

    Raises:
        RaytideError: as `desired`, or the cluster does not answer, or the model of a canary has no score to be judged
            by.
    """
    step = step_to(desired(service, site), canary_of(service), revisions(service.metadata.name, site), time.time())
    if step.verb is Verb.CANARY:
        _require_score(step.desired)
    return step


def _require_score(canary: Application) -> None:
    """A canary without a score would end undecided at once; better said before it is started."""
    settings = settings_of(canary)
    asks = settings.takes_over is not None and settings.takes_over.rules.gate.quality is not None
    if asks and isinstance(settings.quality, Missing):
        raise RaytideError(
            f"spec.rollout.canary.gate.quality: no-worse, and {settings.quality.reason}: register the model with an "
            "evaluate job, or set it to any"
        )


def desired(service: Service, site: Site) -> dict[str, Any]:
    """The Serve application that runs the service; asks the registry, not the cluster.

    Raises:
        RaytideError: the model is missing, or a budget has no prices to be kept with.
        SpecError: it declares what only the simulator runs.
    """
    require_runnable(service, nowhere(service))
    prices = [replica_usd_per_hour(hardware, site.cluster) for hardware in service.spec.hardware]
    if service.spec.budget and None in prices:
        raise RaytideError(
            f"spec.budget: no declared pool has a price for spec.hardware[{prices.index(None)}]: declare one in the "
            "cluster file (--cluster)"
        )
    journal = site.home / "journal" / f"{service.metadata.name}.jsonl"
    model = _model(service, site)
    return application(service, model, prices=prices, journal=str(journal))


def gateway(site: Site) -> dict[str, Any]:
    """The Serve application that stands in front of all services."""
    pools = site.cluster.spec.pools if site.cluster else ()
    return gateway_application(site.gateway, pools, ledger_url(site.home), str(site.home / ROLLOUTS))


def _model(service: Service, site: Site) -> ServedModel:
    """The model with its adapters; an emulated engine loads none, so that any name will do."""
    declared = service.spec.model
    if service.spec.engine.kind == "emulated":
        return ServedModel(path=declared.source, label=declared.source, adapters=declared.adapters)
    adapters = {name: resolve_adapter(source, site) for name, source in declared.adapters.items()}
    return replace(resolve(declared.source, site), adapters=adapters)


def apply(step: Plan, site: Site, *, watch: Callable[[str], None], timeout_s: float) -> None:
    """Carry a plan out and return once the service runs as planned.

    Raises:
        RunFailed: the service did not come up; the sentence says why as far as Serve knows.
    """
    front = gateway(site)
    if step.verb is Verb.NOTHING and not any(differences(front, declared(GATEWAY_APP, site))):
        return
    _require_free_ports(site)
    is_new = bool(step.changes) or step.verb in (Verb.CREATE, Verb.CANARY)
    before = _application(step.application, site).get("last_deployed_time_s") if is_new else _ANY
    without = (step.ends,) if step.ends else ()
    site.dashboard.put_applications((front, step.desired), site.http.model_dump(), without)
    _wait_running(step.application, site, watch, before=before, timeout_s=timeout_s)
    _wait_running(GATEWAY_APP, site, watch, before=_ANY, timeout_s=timeout_s)


def delete(name: str, site: Site, *, timeout_s: float) -> bool:
    """Remove a service with its canary and return once both are gone; False where there was none."""
    names = {app["name"] for app in applications(name, site)}
    if not names:
        return False
    site.dashboard.put_applications((), {}, names)
    deadline_s = time.monotonic() + timeout_s
    while names & site.dashboard.serve_details().get("applications", {}).keys():
        if time.monotonic() > deadline_s:
            raise RunFailed(f"{name} is still draining after {timeout_s:g} s: see `raytide status`")
        time.sleep(POLL_S)
    return True


def see_through(name: str, site: Site, watch: Callable[[str], None], *, timeout_s: float) -> None:
    """Return once an application that was put before runs; at once where it does.

    Raises:
        RunFailed: it did not come up.
    """
    if _application(name, site).get("status") != "RUNNING":
        _wait_running(name, site, watch, before=None, timeout_s=timeout_s)


def revisions(service: str, site: Site) -> Revisions:
    """What of a service is deployed; a canary that Serve gave up counts as absent."""
    details = site.dashboard.serve_details()
    given_up = {name for name, app in details.get("applications", {}).items() if app.get("status") == FAILED}
    found = revisions_of(service, live(details))
    is_lost = found.canary is not None and found.canary["name"] in given_up
    is_down = found.stable is not None and found.stable["name"] in given_up
    return replace(found, canary=None if is_lost else found.canary, is_down=is_down)


def applications(service: str, site: Site) -> list[Application]:
    """All of a service, in whatever state they are."""
    known = (app.get("deployed_app_config") for app in site.dashboard.serve_details().get("applications", {}).values())
    return [app for app in known if app and is_ours(app) and service_of(app) == service]


def declared(name: str, site: Site) -> dict[str, Any] | None:
    """The declared config of a running application; a failed one counts as absent, so that it is deployed anew."""
    live = _application(name, site)
    declared: dict[str, Any] | None = live.get("deployed_app_config")
    return None if live.get("status") == FAILED else declared


def _require_free_ports(site: Site) -> None:
    """Serve itself reports a taken port only in a log, and then never becomes healthy."""
    details = site.dashboard.serve_details()
    if not details.get("proxies"):
        _require_free(site, "http", site.http.host, site.http.port)
    if GATEWAY_APP not in details.get("applications", {}):
        _require_free(site, "gateway", site.gateway.host, site.gateway.port)


def _require_free(site: Site, section: str, host: str, port: int) -> None:
    if site.is_here and not is_free(port, host):
        raise RaytideError(
            f"port {port} on {host} is in use: stop what listens there, or set another one as spec.{section}.port in "
            "the cluster file"
        )


def _application(name: str, site: Site) -> dict[str, Any]:
    live: dict[str, Any] = site.dashboard.serve_details().get("applications", {}).get(name, {})
    return live


def _wait_running(
    name: str, site: Site, watch: Callable[[str], None], *, before: float | None, timeout_s: float
) -> None:
    """Waits for the deployment that replaces the one of `before`, whose state is still shown for a moment."""
    deadline_s = time.monotonic() + timeout_s
    seen: Mapping[str, Any] = {}
    while time.monotonic() < deadline_s:
        time.sleep(POLL_S)
        now = _application(name, site)
        if seen and not now:
            raise RunFailed(f"{name} was ended before it ran; `raytide history` says why")
        seen = now
        if seen.get("last_deployed_time_s") == before:
            continue
        if seen.get("status") == "RUNNING":
            return
        failure = _failure(seen)
        if failure:
            raise RunFailed(f"{name} did not start: {failure}")
        watch(_progress(seen))
    raise RunFailed(
        f"{name} is not running after {timeout_s:g} s ({_progress(seen)}): the cluster may lack the hardware; see the "
        f"Serve page of {site.address}, and `raytide delete {name}`"
    )


def _failure(live: Mapping[str, Any]) -> str:
    """Why a deployment fails: our own sentence as soon as a replica says it, else Serve's once it gives up."""
    messages = [live.get("message", ""), *(d.get("message", "") for d in live.get("deployments", {}).values())]
    if said := _OUR_SENTENCE.search("\n".join(messages)):
        return said[1]
    if live.get("status") != FAILED:
        return ""
    errors = _ANY_ERROR.findall("\n".join(messages))
    return errors[-1] if errors else messages[0].strip() or "Serve gives no reason; see its page on the dashboard"


def _progress(live: Mapping[str, Any]) -> str:
    states = [
        f"{name}: {replica['state'].lower()}"
        for name, deployment in live.get("deployments", {}).items()
        for replica in deployment.get("replicas", ())
    ]
    return ", ".join(states) or live.get("status", "starting").lower()

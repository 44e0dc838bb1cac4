"""Which service a request is for, by the path that it was sent to, else by the model that its body names; and which of
its revisions answers, where a canary takes a share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raytide.autoscaling.live.routes import Routes
from raytide.services.gateway.choose import share_of
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.refusal import Refused, invalid, unavailable

_SOON_S = 5.0


class Directory:
    """The services of the cluster."""

    def __init__(self) -> None:
        self._fleets: dict[str, Fleet] = {}
        self.is_filled = False
        """Whether the cluster was asked for its services at all."""

    def see(self, application: str, routes: Routes, prefix: str) -> Fleet:
        """Take over an application's latest table; `prefix` is where its service answers, as `/chat` or `/`."""
        fleet = self._fleets.get(application)
        if fleet is None:
            fleet = self._fleets[application] = Fleet(routes)
        else:
            fleet.see(routes)
        fleet.prefix = prefix.rstrip("/")
        self.is_filled = True
        return fleet

    def keep(self, applications: Iterable[str]) -> None:
        """Forget the others: they are gone from the cluster."""
        kept = set(applications)
        self._fleets = {name: fleet for name, fleet in self._fleets.items() if name in kept}
        self.is_filled = True

    def __iter__(self) -> Iterator[Fleet]:
        """The services, by name: the revision of each that serves, or a canary that is left alone."""
        found = {fleet.routes.service: fleet for fleet in self._fleets.values() if fleet.routes.is_canary}
        found |= {fleet.routes.service: fleet for fleet in self._fleets.values() if not fleet.routes.is_canary}
        return (found[name] for name in sorted(found))

    def split(self, path: str) -> tuple[str, str]:
        """The prefix of a service, the longest that fits, and the rest of the path, as `("/chat", "/v1/models")`."""
        fitting = [fleet.prefix for fleet in self._fleets.values() if path.startswith(f"{fleet.prefix}/")]
        prefix = max(fitting, key=len, default="")
        return prefix, path.removeprefix(prefix)

    def below(self, prefix: str) -> list[Fleet]:
        """The services that answer there; all of them at the root."""
        return [fleet for fleet in self if not prefix or fleet.prefix == prefix]

    def find(self, prefix: str, model: str | None) -> Fleet:
        """The service that a request to this prefix for this model is for.

        Raises:
            Refused: there is none.
        """
        there = self.below(prefix)
        if model is None and len(there) == 1:  # what a server of one model answers, too
            return there[0]
        if model is None and there:
            raise Refused(invalid("the body names no model", param="model"))
        named = [fleet for fleet in there if _answers_to(fleet, model)]
        if named:
            return named[0]
        if not self.is_filled:
            raise Refused(unavailable("the gateway has just started and knows no service yet", "starting", _SOON_S))
        known = ", ".join(fleet.routes.service for fleet in there) or "none"
        message = f"the model {model!r} does not exist; these do: {known}"
        raise Refused(invalid(message, param="model", status=404, code="model_not_found"))

    def latest(self, fleet: Fleet) -> Fleet:
        """Who serves this one's service now: itself, or the application that took its place.

        Raises:
            Refused: the service is gone.
        """
        if any(each is fleet for each in self._fleets.values()):
            return fleet
        service = fleet.routes.service
        for each in self:
            if each.routes.service == service:
                return each
        message = f"the service {service!r} was deleted"
        raise Refused(invalid(message, param="model", status=404, code="model_not_found"))

    def canary(self, stable: Fleet, session: str | None) -> Fleet | None:
        """The canary of the service, where it has one that serves and the next request is its.

        A session stays with its revision: the canary's share of them is fixed by their names, and only grows.
        """
        if stable.routes.is_canary:
            return None
        for fleet in self._fleets.values():
            if fleet.routes.is_canary and fleet.routes.service == stable.routes.service and fleet.is_ready:
                is_next = fleet.is_next() if session is None else share_of(session) < fleet.routes.share
                return fleet if is_next else None
        return None


def _answers_to(fleet: Fleet, model: str | None) -> bool:
    return model == fleet.routes.service or model in fleet.models

"""Which service a request is for: by the path that it was sent to, else by the model that its body names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raytide.autoscaling.live.routes import Routes
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.refusal import Refused, invalid, unavailable

_SOON_S = 5.0


class Directory:
    """The services of the cluster."""

    def __init__(self) -> None:
        self._fleets: dict[str, Fleet] = {}
        self._prefixes: dict[str, str] = {}
        self.is_filled = False
        """Whether the cluster was asked for its services at all."""

    def see(self, routes: Routes, prefix: str) -> Fleet:
        """Take over a service's latest table; `prefix` is where it answers, as `/chat` or `/`."""
        fleet = self._fleets.get(routes.service)
        if fleet is None:
            fleet = self._fleets[routes.service] = Fleet(routes)
        else:
            fleet.see(routes)
        self._prefixes[routes.service] = prefix.rstrip("/")
        self.is_filled = True
        return fleet

    def keep(self, services: Iterable[str]) -> None:
        """Forget the others: they are gone from the cluster."""
        kept = set(services)
        self._fleets = {name: fleet for name, fleet in self._fleets.items() if name in kept}
        self.is_filled = True

    def __iter__(self) -> Iterator[Fleet]:
        """The services, by name."""
        return (self._fleets[name] for name in sorted(self._fleets))

    def split(self, path: str) -> tuple[str, str]:
        """The prefix of a service, the longest that fits, and the rest of the path, as `("/chat", "/v1/models")`."""
        fitting = [self._prefixes[name] for name in self._fleets if path.startswith(f"{self._prefixes[name]}/")]
        prefix = max(fitting, key=len, default="")
        return prefix, path.removeprefix(prefix)

    def below(self, prefix: str) -> list[Fleet]:
        """The services that answer there; all of them at the root."""
        return [fleet for fleet in self if not prefix or self._prefixes[fleet.routes.service] == prefix]

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


def _answers_to(fleet: Fleet, model: str | None) -> bool:
    return model == fleet.routes.service or model in fleet.models

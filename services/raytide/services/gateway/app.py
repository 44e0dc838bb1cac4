"""The gateway as an ASGI application: every OpenAI route of every service behind one address."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from raytide.autoscaling.codec import plain
from raytide.autoscaling.live.summary import STATUS_PATH
from raytide.autoscaling.pools.wanted import WANTED_PATH, PoolUse
from raytide.services.gateway import metrics
from raytide.services.gateway.asked import CHAT, COMPLETIONS, EMBEDDINGS
from raytide.services.gateway.exchange import Desk, Exchange
from raytide.services.gateway.feedback import FEEDBACK, judged
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.incoming import ClientLeft, Headers, throw_away
from raytide.services.gateway.outlet import outlet_of
from raytide.services.gateway.refusal import Refusal, Refused, invalid, unavailable

MODELS: Final = "/v1/models"
HEALTH: Final = "/health"
METRICS: Final = "/metrics"
ENGINES: Final = (COMPLETIONS, CHAT, EMBEDDINGS)
"""Routes that ask for a key where the service does; so does FEEDBACK, for the key of the answer."""
OPEN: Final = (MODELS, HEALTH, METRICS, STATUS_PATH, WANTED_PATH)
"""Routes that ask nobody: the names of services, and numbers. `docs/security.md` says who reaches them."""
ROUTES: Final = (*ENGINES, FEEDBACK, *OPEN)
_SOON_S: Final = 5.0
_TOO_LARGE: Final = 413
_JSON: Final = b"application/json"
_FAULT: Final = Refusal(
    status=500, kind="internal_error", code="internal_error", message="the gateway failed; its log says where"
)

_log = logging.getLogger("ray.serve")
Status = Callable[[str], Awaitable[dict[str, Any]]]
"""A service's own summary, from its brain; raises `LookupError` where nobody answers."""
Use = Callable[[], Awaitable[PoolUse]]
"""What the pools are for, from Serve and Ray; raises `LookupError` where nobody answers."""


class Gateway:
    """Answers clients of all services."""

    def __init__(self, desk: Desk, status: Status, use: Use) -> None:
        self._desk, self._status, self._use = desk, status, use

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or the lifespan events of a server."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """No traceback reaches a client, and none is the end of the connection's other requests."""
        has_begun = False

        async def watched(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._answer(scope, receive, watched)
        except ClientLeft:
            return
        except Refused as refused:
            await self._refuse(refused.refusal, receive, send)
        except Exception:
            _log.exception("raytide: a request failed in the gateway")
            if not has_begun:
                await self._refuse(_FAULT, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        prefix, rest = self._desk.directory.split(path)
        method = scope["method"]
        if rest in ENGINES:
            _require(method, "POST", rest)
            exchange = Exchange(self._desk, Headers(scope["headers"]), receive, send, outlet_of(scope))
            await exchange.run(prefix, rest)
            return
        if rest == FEEDBACK:
            _require(method, "POST", rest)
            told = await judged(self._desk.recorder, self._desk.metrics, Headers(scope["headers"]), receive)
            await _answered(send, _JSON, told)
            return
        if rest not in OPEN:
            message = f"there is no {rest[:100]!r} here; the routes are {', '.join(ROUTES)}"
            raise Refused(invalid(message, status=404, code="unknown_route"))
        _require(method, "GET", rest)
        if rest == STATUS_PATH:
            prefix = parse_qs(scope["query_string"].decode("latin-1")).get("service", [""])[0]
        answers = {
            HEALTH: self._health,
            METRICS: self._metrics,
            MODELS: self._models,
            STATUS_PATH: self._status_of,
            WANTED_PATH: self._pool_use,
        }
        content_type, body = await answers[rest](prefix)
        await _answered(send, content_type, body)

    async def _health(self, _prefix: str) -> tuple[bytes, bytes]:
        services = {fleet.routes.service: len(fleet.routes.upstreams) for fleet in self._desk.directory}
        return _JSON, json.dumps({"status": "ok", "replicas": services}).encode()

    async def _metrics(self, _prefix: str) -> tuple[bytes, bytes]:
        self._desk.metrics.held.clear()  # of services that are gone, too
        for fleet in self._desk.directory:
            service = fleet.routes.service
            self._desk.metrics.held.labels(service).set(self._desk.held.num(service))
        return metrics.CONTENT_TYPE, self._desk.metrics.text()

    async def _models(self, prefix: str) -> tuple[bytes, bytes]:
        cards = [card for fleet in self._desk.directory.below(prefix) for card in _cards(fleet)]
        return _JSON, json.dumps({"object": "list", "data": cards}).encode()

    async def _status_of(self, service: str) -> tuple[bytes, bytes]:
        try:
            return _JSON, json.dumps(await self._status(service)).encode()
        except LookupError as error:
            raise Refused(
                unavailable(f"the brain of {service!r} does not answer: {error}", "no_brain", _SOON_S)
            ) from error

    async def _pool_use(self, _prefix: str) -> tuple[bytes, bytes]:
        try:
            return _JSON, json.dumps(plain(await self._use())).encode()
        except LookupError as error:
            raise Refused(
                unavailable(f"Ray does not say what its pools are for: {error}", "no_serve", _SOON_S)
            ) from error

    async def _refuse(self, refusal: Refusal, receive: Receive, send: Send) -> None:
        self._desk.metrics.refused.labels(refusal.code).inc()
        if refusal.status != _TOO_LARGE:
            await _send(send, refusal.status, refusal.headers, refusal.body)
            return
        headers = [*refusal.headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": refusal.body, "more_body": True})
        await throw_away(receive)
        await send({"type": "http.response.body", "body": b""})


def _cards(fleet: Fleet) -> list[dict[str, Any]]:
    names = {fleet.routes.service} | fleet.models
    facts = {"object": "model", "created": 0, "owned_by": "raytide", "max_model_len": fleet.max_model_len}
    return [{"id": name, **facts} for name in sorted(names)]


def _require(method: str, wanted: str, path: str) -> None:
    if method != wanted and not (wanted == "GET" and method == "HEAD"):
        message = f"{path} takes {wanted}, not {method[:20]}"
        raise Refused(invalid(message, status=405, code="method_not_allowed"))


async def _answered(send: Send, content_type: bytes, body: bytes) -> None:
    await _send(send, 200, [(b"content-type", content_type), (b"content-length", str(len(body)).encode())], body)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})

"""The first thing in a replica that sees a request: lets gateways in alone, and counts what fails."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raytide.autoscaling.live.routes import HELD_HEADER
from raytide.services.engines.arrived import note_held
from raytide.services.engines.meter import ReplicaMeter

GENERATING_PATHS: Final = ("/v1/completions", "/v1/chat/completions")
_HELD: Final = HELD_HEADER.encode()

_REFUSAL: Final = JSONResponse(
    {"error": {"message": "replicas answer gateways alone", "type": "authentication_error", "code": "invalid_api_key"}},
    status_code=401,
    headers={"www-authenticate": "Bearer"},
)


class Edge:
    """An ASGI application around the engine's routes, for whoever brings the key."""

    def __init__(self, routes: ASGIApp, meter: ReplicaMeter, key: str) -> None:
        self._routes = routes
        self._bearer = f"Bearer {key}".encode()
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or the lifespan events of the engine's application."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "lifespan" and not self._is_let_in(scope):
            await _REFUSAL(scope, receive, send)
        elif path in GENERATING_PATHS:
            note_held(_header(scope, _HELD))
            await self._routes(scope, receive, self._counting_errors(send))
        else:
            await self._routes(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        return hmac.compare_digest(_header(scope, b"authorization") or b"", self._bearer)

    def _counting_errors(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                self._meter.count_error()
            await send(message)

        return counted


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)

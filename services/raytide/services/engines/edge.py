"""The first thing in a replica that sees a request: counts what fails, and answers the operator's question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raytide.services.engines.meter import ReplicaMeter

STATUS_PATH: Final = "/raytide/status"
"""Observation and decisions of the service's brain, read-only."""
GENERATING_PATHS: Final = ("/v1/completions", "/v1/chat/completions")


class Edge:
    """An ASGI application around the engine's routes."""

    def __init__(self, routes: ASGIApp, meter: ReplicaMeter, status: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._routes = routes
        self._meter = meter
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or the lifespan events of the engine's application."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if path == STATUS_PATH:
            await JSONResponse(await self._status())(scope, receive, send)
        elif path in GENERATING_PATHS:
            await self._routes(scope, receive, self._counting_errors(send))
        else:
            await self._routes(scope, receive, send)

    def _counting_errors(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                self._meter.count_error()
            await send(message)

        return counted

"""The gateway's own HTTP server: the address that clients use, without Ray Serve's proxy in between.

Several gateways of one node share the port (`SO_REUSEPORT`): the kernel gives each new connection to one of them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from raytide.services.gateway.outlet import EXTENSION, Outlet
from raytide.services.gateway.refusal import Refusal, invalid
from raytide.services.http_server import HttpServer

MOST_HEAD_BYTES: Final = 2**15
"""Of a request's line and headers together; browsers and proxies send a few kilobytes."""
MOST_HEADERS: Final = 100
HEAD_S: Final = 10.0
"""For a request's head to be complete once its first byte has come; a client that drips it holds a connection."""
KEEP_ALIVE_S: Final = 75
BACKLOG: Final = 2048
LINGER_S: Final = 1.0
"""How long what a refused client still sends is thrown away: a connection that is closed with unread bytes is reset,
and then the client may never read why."""
DRAIN_S: Final = 300.0
"""How long open answers may go on when the gateway is to stop."""


class Port(HttpServer):
    """On the declared port of the node."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        listening = _listening(host, port)
        self.port: int = listening.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(DRAIN_S),
            server_header=False,
            proxy_headers=False,  # nothing here asks where a request came from
        )
        super().__init__(config, listening)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on a request's head, and OpenAI's shape for what is no HTTP at all.

    Its parser has no bounds of its own: a header without an end would fill the memory.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._is_refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._outlets: set[Outlet] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection on which nothing is ever said is closed as one that has been idle."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(KEEP_ALIVE_S, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Counts what comes until the head is complete."""
        if self._is_refused:
            return
        if not self._in_head and (self.cycle is None or not self.cycle.more_body):
            self._end_head()
            self._in_head, self._head_bytes = True, 0
            self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(_too_large())

    def on_headers_complete(self) -> None:
        """The head is here: within bounds it is a request."""
        self._end_head()
        num_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if num_bytes > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refuse(_too_large())
        else:
            super().on_headers_complete()
            # Its task begins only when this call has ended.
            self.scope["extensions"] = {EXTENSION: Outlet(self.cycle, self._outlets)}  # type: ignore[dict-item]

    def pause_writing(self) -> None:
        """The client takes less than comes."""
        super().pause_writing()
        for outlet in tuple(self._outlets):
            outlet.when_full()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        for outlet in tuple(self._outlets):
            outlet.when_free()

    def on_body(self, body: bytes) -> None:
        """Of a request that was taken."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Of a request that was taken."""
        if not self._is_refused:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._end_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take."""
        self._end_head()
        self._refuse(invalid(msg.rstrip("."), code="malformed_http"))

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    @property
    def _is_answering(self) -> bool:
        """Whether a request that was taken whole waits for its answer, or has a part of it."""
        return bool(self.pipeline) or not (self.cycle is None or self.cycle.more_body or self.cycle.response_complete)

    def _too_slow(self) -> None:
        if self._in_head and self._is_answering:  # clients may send an empty line after a request, and wait
            self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)
        elif self._in_head:
            self._refuse(invalid(f"no complete request within {HEAD_S:g} s", status=408, code="head_timeout"))

    def _refuse(self, refusal: Refusal) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        if self._is_answering:  # what is said now would stand within that answer
            self.transport.close()
            return
        headers = [*refusal.headers, (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[refusal.status] + lines + b"\r\n" + refusal.body)
        self.loop.call_later(LINGER_S, self.transport.close)


def _too_large() -> Refusal:
    message = f"the request's headers are more than {MOST_HEADERS}, or larger than {MOST_HEAD_BYTES:,} bytes"
    return invalid(message, status=431, code="headers_too_large")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)

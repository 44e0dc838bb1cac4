"""An engine's routes on a port of their own: what clients stream passes no Ray actor on its way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 75
"""Longer than a client keeps an idle connection, so that the client closes it and never writes into a closed one."""


class Listener:
    """An HTTP server in this process's event loop, on a port that the kernel chooses."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family, backlog=_BACKLOG)
        port = self._socket.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        """`host:port`, as it stands in a URL; still known once the socket is closed."""
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_keep_alive=_KEEP_ALIVE_S)
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Answers from now on; the socket has taken connections since it was made."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))

    def check_health(self) -> None:
        """Raises where the server has ended unasked."""
        if self._serving is not None and self._serving.done() and not self._server.should_exit:
            raise RuntimeError("the replica's HTTP server has ended")

    async def drain(self) -> None:
        """Takes no more connections, closes the idle ones, and returns once every open answer is complete."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the process, which is Ray's."""
        yield

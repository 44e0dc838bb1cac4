"""An HTTP server in a process that is Ray's: in its event loop, on a socket that is open already."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn


class HttpServer:
    """Answers on a socket from `start` to `drain`."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        self._server, self._socket = _Server(config), listening
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Answers from now on; the socket has taken connections since it was made."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))

    def check_health(self) -> None:
        """Raises where the server has ended unasked."""
        if self._serving is not None and self._serving.done() and not self._server.should_exit:
            raise RuntimeError("this process's HTTP server has ended")

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

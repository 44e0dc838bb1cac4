"""An engine's routes on a port of their own: what clients stream passes no Ray actor on its way."""

from __future__ import annotations

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from raytide.services.http_server import HttpServer

_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 75
"""Longer than a client keeps an idle connection, so that the client closes it and never writes into a closed one."""


class Listener(HttpServer):
    """On a port that the kernel chooses."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, 0), family=family, backlog=_BACKLOG)
        port = listening.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        """`host:port`, as it stands in a URL; still known once the socket is closed."""
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_keep_alive=_KEEP_ALIVE_S)
        super().__init__(config, listening)

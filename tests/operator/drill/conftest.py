"""`server`: an HTTP server that streams completions as it is told: in full, cut, with an error, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

EVENTS = [b'data: {"choices": [{"text": "a"}]}\n\n'] * 3
DONE = b"data: [DONE]\n\n"
BROKEN = b'data: {"error": {"message": "EngineDeadError"}}\n\n'


@dataclass
class Completions:
    url: str = ""
    how: Callable[[], str] = lambda: "whole"
    """`whole`, `cut`, `broken` or `refused`, for the next request."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""


@pytest.fixture
def server() -> Iterator[Completions]:
    told = Completions()

    class Request(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.asked.append(dict(self.headers))
            self.rfile.read(int(self.headers["Content-Length"]))
            how = told.how()
            self.send_response(503 if how == "refused" else 200)
            self.end_headers()
            ends = {"whole": [DONE], "cut": [], "broken": [BROKEN, DONE], "refused": []}[how]
            for event in (*(EVENTS if how != "refused" else ()), *ends):
                self.wfile.write(event)
                self.wfile.flush()
                time.sleep(0.002)

        def log_message(self, *_: Any) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as served:
        told.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        served.shutdown()
        thread.join()

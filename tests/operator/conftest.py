from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raytide.core.spec.cluster import Gateway, Http
from raytide.operator.adapters.dashboard import Dashboard
from raytide.operator.local.ports import free_ports
from raytide.operator.site import Site

from .rehearsed_serve import RehearsedServe


@dataclass
class RecordedDashboard:
    """A real HTTP server that plays a dashboard's answers in order, the last one again and again."""

    address: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    """`(status, body)`; a text is sent as it is, anything else as JSON."""
    requests: list[tuple[str, str, str | None, Any]] = field(default_factory=list)
    """`(method, path, authorization, body)` as they came."""

    def plays(self, *applications: dict[str, Any]) -> None:
        """Answers with these states of the applications, one after the other."""
        self.answers = [(200, {"applications": states}) for states in applications]

    @property
    def puts(self) -> list[Any]:
        """The bodies that were put, in order."""
        return [body for method, _, _, body in self.requests if method == "PUT"]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Records the request, and answers it."""
        length = int(request.headers.get("Content-Length", 0))
        body = json.loads(request.rfile.read(length)) if length else None
        self.requests.append((request.command, request.path, request.headers.get("Authorization"), body))
        # A PUT takes no turn: what Serve reports next is independent of it.
        status, content = self._next() if request.command == "GET" or len(self.answers) == 1 else (200, "")
        sent = (content if isinstance(content, str) else json.dumps(content)).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(sent)))
        request.end_headers()
        request.wfile.write(sent)

    def _next(self) -> tuple[int, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def recorded() -> Iterator[RecordedDashboard]:
    """A dashboard that has nothing to say yet."""
    played = RecordedDashboard(answers=[(200, {"applications": {}})])

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.answer(self)

        def do_PUT(self) -> None:
            played.answer(self)

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as server:
        played.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield played
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_token_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def dashboard(recorded: RecordedDashboard) -> Dashboard:
    return Dashboard(recorded.address)


def rehearsed_site(home: Path) -> Site:
    """A site whose Serve keeps what is put to it, and whose ports are free."""
    http, front = free_ports(2)
    return Site(
        address="http://127.0.0.1:1",
        home=home,
        cluster=None,
        http=Http(port=http),
        gateway=Gateway(port=front),
        serve=RehearsedServe(),
    )


@pytest.fixture
def where(recorded: RecordedDashboard, tmp_path: Path) -> Site:
    """The recorded dashboard's cluster, whose ports are free."""
    http, gateway = free_ports(2)
    return Site(
        address=recorded.address, home=tmp_path, cluster=None, http=Http(port=http), gateway=Gateway(port=gateway)
    )


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        return folder

    return make

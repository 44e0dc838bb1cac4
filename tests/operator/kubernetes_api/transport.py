"""The way of a real `kubernetes` client to the server: over HTTP on the loopback address, or without a socket."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import urllib3

from .server import Answer, Request, Server

Answering = Callable[[Request], Answer | None]
"""None drops the connection."""


def request_of(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Request:
    parts = urlsplit(url)
    return Request(
        method=method,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        content_type=headers.get("Content-Type", "application/json"),
        body=json.loads(body) if body else None,
        agent="",
    )


class InMemory:
    """In the place of the client's pool of connections."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering

    def request(self, method: str, url: str, **options: Any) -> urllib3.HTTPResponse:
        if options.get("fields"):
            url += "?" + "&".join(f"{key}={value}" for key, value in options["fields"])
        body = options.get("body")
        asked = request_of(method, url, options["headers"], body.encode() if body else None)
        answer = self.answering(asked)
        if answer is None:
            raise urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
        content = b"".join(answer.lines) if answer.lines else json.dumps(answer.body).encode()
        return urllib3.HTTPResponse(
            body=io.BytesIO(content), status=answer.status, headers=dict(answer.headers), preload_content=False
        )


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away."""


@contextmanager
def served(server: Server, answering: Answering | None = None) -> Iterator[str]:
    """The address of a server over HTTP."""
    answer_of = answering or server.answer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # one packet an answer, or each waits 40 ms for an acknowledgement

        def _do(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            answer = answer_of(request_of(self.command, self.path, dict(self.headers), self.rfile.read(size) or None))
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Type", "application/json")
            if answer.lines is not None:
                self._stream(answer.lines)
                return
            content = json.dumps(answer.body).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815

        def _stream(self, lines: Iterator[bytes]) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in lines:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    http = _Http(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        server.close()
        http.shutdown()
        http.server_close()
        thread.join()

"""A gateway before engines of our own, all of them real HTTP servers in one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from raytide.autoscaling.live.routes import Routes, Upstream
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.pools.wanted import PoolUse
from raytide.autoscaling.terms import Objective
from raytide.core.spec.access import Access, TokenPrices
from raytide.services.feedback.recorder import Recorder
from raytide.services.feedback.store import Store
from raytide.services.gateway.app import Gateway
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.exchange import Desk
from raytide.services.gateway.held import Held
from raytide.services.gateway.http_client import HttpClient
from raytide.services.gateway.keeper import Keeper
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.relay import Relay
from raytide.services.gateway.server import Port
from raytide.services.gateway.tracing import Untraced
from raytide.services.ledger.clerk import Clerk
from raytide.services.ledger.database import connect, ledger_url
from raytide.services.ledger.keyring import Keyring
from raytide.services.ledger.store import Ledger

T = TypeVar("T")
FAST = Engine(
    iteration=Iteration(base_s=0.01, per_sequence_s=1e-4, per_kv_token_s=0.0, per_prefill_token_s=1e-5),
    kv_capacity_tokens=4096,
    max_num_seqs=8,
)
PAID = Access.model_construct(
    api_keys="required",
    requests_per_minute=None,
    tokens_per_minute=None,
    prices=TokenPrices.model_construct(input=1.0, output=2.0),
    max_wait=30.0,
)


@dataclass
class Replica:
    """An engine that answers with as many words as it is asked for; a request can ask it to misbehave."""

    name: str = "a"
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    num_cut: int = 0
    """Requests whose connection was closed before the end of the answer."""
    fault: str = ""
    """`refuse`: 503; `stranger`: 401; `drop`: a status and no more; `drop-late`: the stream breaks off after its second
    word; `silent`: nothing comes before `goes_on`."""
    padding: str = ""
    """Of each word."""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, or a stream stands still after its first word."""

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/v1/models":
            card = {"id": "chat", "max_model_len": 1000}
            await _json(send, 200, {"data": [card, {"id": "chat:poet", "max_model_len": 1000}]})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked = json.loads(body)
        self.asked.append(asked | {"path": scope["path"]})
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        if self.fault == "drop":
            kind = b"text/event-stream" if asked.get("stream") else b"application/json"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            raise RuntimeError("the engine has died")
        if self.fault == "silent":
            await self.goes_on.wait()
        if self.fault in ("refuse", "stranger"):
            await _json(send, 503 if self.fault == "refuse" else 401, {"error": {"message": "draining"}})
        elif asked.get("prompt") == "refuse me":
            await _json(send, 400, {"error": {"message": "no such thing", "type": "BadRequestError"}})
        else:
            await self._answer(asked, receive, send)

    async def _answer(self, asked: dict[str, Any], receive: Receive, send: Send) -> None:
        num = asked.get("max_tokens") or 3
        usage = {"prompt_tokens": 7, "completion_tokens": num, "total_tokens": 7 + num}
        if not asked.get("stream"):
            await self.goes_on.wait()
            await _json(send, 200, {"choices": [{"text": "word " * num}], "usage": usage, "by": self.name})
            return
        left = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number in range(num):
            await _event(send, {"choices": [{"text": f"{number} {self.padding}"}], "by": self.name})
            if self.fault == "drop-late" and number == 1:
                raise RuntimeError("the engine has died")
            await asyncio.wait([left, asyncio.ensure_future(self.goes_on.wait())], return_when="FIRST_COMPLETED")
            if left.done():
                self.num_cut += 1
                return
        if (asked.get("stream_options") or {}).get("include_usage"):
            await _event(send, {"choices": [], "usage": usage})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        left.cancel()


async def _event(send: Send, data: Any) -> None:
    event = f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
    await send({"type": "http.response.body", "body": event, "more_body": True})


async def _json(send: Send, status: int, data: Any) -> None:
    body = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class World:
    """The gateway's address, a client of it, and everything behind it."""

    url: str
    port: int
    client: httpx.AsyncClient
    directory: Directory
    metrics: Metrics
    held: Held
    replicas: list[Replica]
    ports: dict[str, Port]
    keyring: Keyring
    ledger: Ledger
    routes: Routes

    async def complete(self, key: str | None = None, **body: Any) -> httpx.Response:
        """One completion, read to its end."""
        headers = body.pop("headers", {}) | ({"authorization": f"Bearer {key}"} if key else {})
        asked = {"model": "chat", "prompt": "hello", "max_tokens": 3} | body
        return await self.client.post("/v1/completions", json=asked, headers=headers)

    def serve(self, **changes: Any) -> None:
        """The brain says otherwise."""
        self.directory.see("chat", replace(self.routes, **changes), "/")

    def serve_only(self, replica: Replica, report: int = 1) -> None:
        """The brain names this one alone; its server starts if it does not answer yet."""
        if replica.name not in self.ports:
            self.ports[replica.name] = Port(replica, "127.0.0.1", 0)
            self.ports[replica.name].start()
        named = routes_of({replica.name: f"127.0.0.1:{self.ports[replica.name].port}"}).upstreams
        self.serve(upstreams=tuple(replace(each, report=report) for each in named))

    async def kill(self, name: str) -> None:
        """The replica's process ends: its port is closed, and so is every connection."""
        server = self.ports[name]._server
        await self.until(lambda: server.started)
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once it holds."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 (anything may make it hold)
                await asyncio.sleep(0.005)

    async def settled(self) -> list[tuple[int, int]]:
        """What keys have spent and reserved, once nothing is open."""
        await self.until(lambda: not self.ledger.reservations())
        return [(each.account.spent_nano_usd, each.account.reserved_nano_usd) for each in self.keyring.list()]


def routes_of(addresses: dict[str, str], access: Access | None = None) -> Routes:
    """Idle replicas at these addresses."""
    upstreams = [
        Upstream(
            replica=name,
            variant="v",
            address=address,
            report=1,
            running=0,
            waiting=0,
            waiting_prompt_tokens=0,
            kv_tokens=0,
            engine=FAST,
        )
        for name, address in addresses.items()
    ]
    return Routes(
        service="chat",
        revision="r1",
        at_s=0.0,
        upstreams=tuple(upstreams),
        predicted_wait_s=Missing(reason="idle"),
        access=None if access is None else access.model_dump(),
        objective=Objective(ttft_s=1.0, tpot_s=0.1, attainment=0.99),
        waking=False,
    )


@asynccontextmanager
async def world(home: Path, *replicas: Replica, access: Access | None = None, **settings: Any) -> AsyncIterator[World]:
    """A gateway before these replicas."""
    engine, metrics, directory = connect(ledger_url(home)), Metrics(), Directory()
    ledger = Ledger(engine, gateway="g")
    clerk = Clerk(ledger)
    ports = {replica.name: Port(replica, "127.0.0.1", 0) for replica in replicas}
    routes = routes_of({name: f"127.0.0.1:{port.port}" for name, port in ports.items()}, access)
    directory.see("chat", routes, "/")
    recorder = Recorder(Store(engine), lambda service, why: metrics.unkept.labels(service, why).inc())
    async with HttpClient() as upstream:
        desk = Desk(
            directory=directory,
            relay=Relay(upstream, metrics),
            held=settings.get("held", Held()),
            keeper=Keeper(clerk, metrics),
            metrics=metrics,
            most_body_bytes=settings.get("most_body_bytes", 10_000_000),
            recorder=recorder,
            traces=settings.get("traces", Untraced()),
        )
        front = Port(Gateway(desk, _brain, settings.get("use", _unused)), "127.0.0.1", 0)
        for port in (*ports.values(), front):
            port.start()
        url = f"http://127.0.0.1:{front.port}"
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            yield World(
                url,
                front.port,
                client,
                directory,
                metrics,
                desk.held,
                list(replicas),
                ports,
                Keyring(engine),
                ledger,
                routes,
            )
        for replica in replicas:
            replica.goes_on.set()
        async with asyncio.timeout(20):
            for port in (front, *ports.values()):
                await port.drain()
    clerk.close()
    recorder.close()
    engine.dispose()


async def _brain(service: str) -> dict[str, Any]:
    if service != "chat":
        raise LookupError("there is none")
    return {"of": service}


async def _unused() -> PoolUse:
    return PoolUse(variants=())


def run(body: Awaitable[T]) -> T:
    """To the end of an asynchronous test, on a busy machine too, in the event loop that Ray uses."""

    async def bounded() -> T:
        async with asyncio.timeout(90):
            return await body

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path

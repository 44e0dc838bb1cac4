from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import HELD_HEADER
from raytide.services.engines.arrived import arrived_s
from raytide.services.engines.edge import Edge
from raytide.services.engines.meter import ReplicaMeter

KEY = "k" * 43
LET_IN = {"authorization": f"Bearer {KEY}"}


async def _complete(request: Request) -> Response:
    asked = await request.json()
    if asked.get("break"):
        raise ValueError("the engine has died")
    return JSONResponse({"text": "ok"}, status_code=asked.get("status", 200))


async def _models(_request: Request) -> Response:
    return JSONResponse({"data": ["chat"]})


ROUTES = [
    Route("/v1/completions", _complete, methods=["POST"]),
    Route("/v1/chat/completions", _complete, methods=["POST"]),
    Route("/v1/models", _models),
]


@pytest.fixture(params=["", "/chat"], ids=["at the root", "below a prefix"])
def root_path(request: pytest.FixtureRequest) -> str:
    prefix: str = request.param
    return prefix


@pytest.fixture
def edge(meter: ReplicaMeter, root_path: str) -> Edge:
    return Edge(Starlette(routes=ROUTES), meter, KEY)


def _ask(
    edge: Edge, root_path: str, *requests: tuple[str, str, Any], headers: dict[str, str] = LET_IN
) -> list[httpx.Response]:
    """The answers, with the path and `root_path` as Serve passes them on: the path includes the prefix."""
    transport = httpx.ASGITransport(app=edge, root_path=root_path, raise_app_exceptions=False)

    async def ask() -> list[httpx.Response]:
        url = "http://edge" + root_path
        async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
            return [await client.request(method, path, json=body) for method, path, body in requests]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [({"status": 500}, 500, 1), ({"status": 503}, 503, 1), ({"break": True}, 500, 1), ({"status": 422}, 422, 0)],
)
def test_only_the_servers_own_failures_are_errors(
    edge: Edge, root_path: str, reported: Callable[[float], ReplicaReport], body: Any, status: int, errors: int
) -> None:
    (answer,) = _ask(edge, root_path, ("POST", "/v1/completions", body))
    assert answer.status_code == status
    assert reported(101.0).errors == errors


def test_only_what_generates_can_fail_a_service(
    edge: Edge, root_path: str, reported: Callable[[float], ReplicaReport]
) -> None:
    answers = _ask(edge, root_path, ("GET", "/v1/models", None), ("GET", "/nothing", None))
    assert [answer.status_code for answer in answers] == [200, 404]
    assert reported(101.0).errors == 0


@pytest.mark.parametrize("said", [None, "Bearer", "Bearer ", f"Bearer {KEY[1:]}", f"Basic {KEY}", f"bearer {KEY}", "k"])
def test_who_has_not_its_key_is_answered_nothing(
    edge: Edge, root_path: str, reported: Callable[[float], ReplicaReport], said: str | None
) -> None:
    asked = (("POST", "/v1/completions", {"status": 500}), ("GET", "/v1/models", None), ("GET", "/health", None))
    answers = _ask(edge, root_path, *asked, headers={} if said is None else {"authorization": said})
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(KEY not in f"{answer.headers} {answer.text}" for answer in answers)
    assert reported(101.0).errors == 0


@pytest.mark.parametrize(
    ("said", "held_s"),
    [("30.5", 30.5), (None, 0.0), ("soon", 0.0), ("-1", 0.0), ("nan", 0.0), ("inf", 0.0), ("1e9", 0.0), ("\xb2", 0.0)],
)
def test_a_request_came_as_much_earlier_as_a_gateway_says_that_it_was_held(
    meter: ReplicaMeter, said: str | None, held_s: float
) -> None:
    seen: list[float] = []

    async def routes(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(time.time() - arrived_s())

    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    headers += [] if said is None else [(HELD_HEADER.encode(), said.encode("latin-1"))]
    scope = {"type": "http", "path": "/v1/completions", "headers": headers}

    async def nothing(*_: Any) -> Any:
        return {}

    asyncio.run(Edge(routes, meter, KEY)(scope, nothing, nothing))
    assert seen == [pytest.approx(held_s, abs=1.0)]


def test_an_answer_passes_unchanged(edge: Edge, root_path: str) -> None:
    (answer,) = _ask(edge, root_path, ("GET", "/v1/models", None))
    assert answer.json() == {"data": ["chat"]}


def test_lifespan_events_reach_the_engines_application(meter: ReplicaMeter) -> None:
    seen: list[str] = []

    async def routes(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    asyncio.run(Edge(routes, meter, KEY)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]


def test_a_mounted_application_counts_by_the_same_paths(
    meter: ReplicaMeter, reported: Callable[[float], ReplicaReport]
) -> None:
    mounted = Starlette(routes=[Mount("/chat", app=Edge(Starlette(routes=ROUTES), meter, KEY))])
    transport = httpx.ASGITransport(app=mounted)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://edge", headers=LET_IN) as client:
            return await client.post("/chat/v1/completions", json={"status": 500})

    assert asyncio.run(ask()).status_code == 500
    assert reported(101.0).errors == 1

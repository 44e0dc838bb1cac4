from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.spec import Cluster, Service
from raytide.core.spec.cluster import Gateway, Http
from raytide.operator import apply as operator
from raytide.operator.model import resolve
from raytide.operator.plan.diff import Verb
from raytide.operator.plan.gateway import GATEWAY_APP
from raytide.operator.site import Site
from raytide.operator.status import base_url, services
from raytide.services.rollout.revisions import IMPORT_PATH

RAY_TRACEBACK = """\
The deployment failed to start 3 times in a row. Error:
\x1b[36mray::ServeReplica:chat:vllm-cpu.initialize_and_get_metadata()\x1b[39m (pid=1, ip=127.0.0.1)
  File "/x/raytide/services/engines/vllm/engine.py", line 108, in _require_known
    raise RaytideError("no")
raytide.core.errors.RaytideError: spec.engine.args.max_num_seq: vLLM has no such engine argument
"""
OTHER_TRACEBACK = """\
Traceback (most recent call last):
  File "/x/vllm/engine.py", line 1, in start
ModuleNotFoundError: No module named 'vllm'
  The deployment is retried.
"""
CHAT = {"name": "chat", "import_path": IMPORT_PATH, "args": {"service": "chat"}}


@pytest.fixture(autouse=True)
def _poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "POLL_S", 0.001)


@pytest.fixture
def chat(tmp_path: Path) -> Callable[..., Service]:
    def declare(folder: Path, **spec: Any) -> Service:
        bound = {"p95": "500ms"}
        declared = {
            "model": {"source": str(folder)},
            "hardware": [{"accelerator": "CPU"}],
            "objectives": {"ttft": bound, "tpot": bound},
        }
        metadata = {"name": "chat"}
        return Service.model_validate(
            {"apiVersion": "raytide/v1", "kind": "Service", "metadata": metadata, "spec": declared | spec}
        )

    return declare


@pytest.fixture
def service(chat: Callable[..., Service], model_folder: Callable[[], Path]) -> Service:
    return chat(model_folder())


def _state(status: str, at_s: float, **more: Any) -> dict[str, Any]:
    """Of the service, behind a gateway that runs."""
    return {"chat": {"status": status, "last_deployed_time_s": at_s, **more}, GATEWAY_APP: {"status": "RUNNING"}}


def _applied(service: Service, where: Site, *, timeout_s: float = 5.0) -> list[str]:
    said: list[str] = []
    operator.apply(operator.prepare(service, where), where, watch=said.append, timeout_s=timeout_s)
    return said


def _plays(recorded: Any, *states: dict[str, Any], before: dict[str, Any] | None = None) -> None:
    """`before` for what apply asks before it puts: the plan, the port, the time of the last deployment."""
    recorded.plays(*[before or {}] * 3, *states)


def test_apply_returns_once_the_service_runs_and_says_what_it_waits_for(
    service: Service, where: Site, recorded: Any
) -> None:
    starting = {"vllm-cpu": {"replicas": [{"state": "STARTING"}, {"state": "RUNNING"}]}}
    _plays(recorded, {}, _state("DEPLOYING", 2.0, deployments=starting), _state("RUNNING", 2.0))
    assert _applied(service, where) == ["vllm-cpu: starting, vllm-cpu: running"]
    (put,) = recorded.puts
    assert put["http_options"] == {"host": "127.0.0.1", "port": where.http.port}
    assert [application["name"] for application in put["applications"]] == [GATEWAY_APP, "chat"]
    assert put["applications"][0] == operator.gateway(where)


def test_a_second_apply_puts_nothing(service: Service, where: Site, recorded: Any) -> None:
    declared = dict(operator.desired(service, where))
    front = {GATEWAY_APP: {"status": "RUNNING", "deployed_app_config": operator.gateway(where)}}
    recorded.plays(_state("RUNNING", 1.0, deployed_app_config=declared) | front)
    assert operator.prepare(service, where).verb is Verb.NOTHING
    assert _applied(service, where) == []
    assert recorded.puts == []


def test_a_service_that_runs_gets_the_gateway_that_it_lacks(service: Service, where: Site, recorded: Any) -> None:
    declared = dict(operator.desired(service, where))
    recorded.plays(_state("RUNNING", 1.0, deployed_app_config=declared))
    assert _applied(service, where) == []
    assert [application["name"] for application in recorded.puts[0]["applications"]] == [GATEWAY_APP, "chat"]


def test_a_taken_port_of_the_gateway_is_said_before_anything_starts(service: Service, where: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        there = replace(where, gateway=Gateway(port=port))
        with pytest.raises(RaytideError, match=rf"port {port} on 127.0.0.1 is in use: .* spec.gateway.port"):
            operator.apply(operator.prepare(service, there), there, watch=print, timeout_s=1)


def test_a_failed_deployment_is_made_anew(service: Service, where: Site, recorded: Any) -> None:
    declared = dict(operator.desired(service, where))
    recorded.plays(_state("DEPLOY_FAILED", 1.0, deployed_app_config=declared))
    assert operator.prepare(service, where).verb is Verb.CREATE


def test_the_state_of_an_earlier_deployment_does_not_count(service: Service, where: Site, recorded: Any) -> None:
    stale = _state("DEPLOY_FAILED", 1.0, message="an old failure")
    _plays(recorded, stale, stale, _state("DEPLOYING", 2.0), _state("RUNNING", 2.0), before=stale)
    assert _applied(service, where) == ["deploying"]


def test_our_own_sentence_is_said_as_soon_as_a_replica_fails(service: Service, where: Site, recorded: Any) -> None:
    retrying = {"vllm-cpu": {"message": RAY_TRACEBACK}}
    _plays(recorded, _state("DEPLOYING", 2.0, deployments=retrying))
    with pytest.raises(RunFailed) as raised:
        _applied(service, where)
    assert str(raised.value) == ("chat did not start: spec.engine.args.max_num_seq: vLLM has no such engine argument")


@pytest.mark.parametrize(
    ("live", "says"),
    [
        ({"message": OTHER_TRACEBACK}, "ModuleNotFoundError: No module named 'vllm'"),
        ({"message": "no replica fits\n"}, "no replica fits"),
        ({}, "Serve gives no reason; see its page on the dashboard"),
        (
            {"message": "see below", "deployments": {"v": {"message": OTHER_TRACEBACK}}},
            "ModuleNotFoundError: No module named 'vllm'",
        ),
    ],
)
def test_another_failure_is_said_once_serve_gives_up(live: dict[str, Any], says: str) -> None:
    assert operator._failure({"status": "DEPLOYING", **live}) == ""
    assert operator._failure({"status": "DEPLOY_FAILED", **live}) == says


def test_a_service_that_does_not_come_up_in_time_is_said(service: Service, where: Site, recorded: Any) -> None:
    pending = {"vllm-cpu": {"replicas": [{"state": "STARTING"}]}}
    _plays(recorded, _state("DEPLOYING", 2.0, deployments=pending))
    with pytest.raises(RunFailed, match=r"chat is not running after 0.1 s \(vllm-cpu: starting\): the cluster may"):
        _applied(service, where, timeout_s=0.1)


def test_a_port_in_use_is_refused_before_anything_is_put(service: Service, where: Site, recorded: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(RaytideError, match=f"port {port} on 127.0.0.1 is in use: stop what listens there"):
            _applied(service, replace(where, http=Http(port=port)))
    assert recorded.puts == []


def test_serves_own_port_may_be_in_use(service: Service, where: Site, recorded: Any) -> None:
    proxies = {"node": {"status": "HEALTHY"}}
    states = [{}, {}, {}, _state("RUNNING", 2.0)]
    recorded.answers = [(200, {"applications": state, "proxies": proxies}) for state in states]
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert _applied(service, replace(where, http=Http(port=server.getsockname()[1]))) == []


def test_a_service_is_deleted_once_serve_no_longer_lists_it(where: Site, recorded: Any) -> None:
    live = _state("RUNNING", 1.0, deployed_app_config=CHAT)
    recorded.plays(live, live, _state("DELETING", 1.0), {})
    assert operator.delete("chat", where, timeout_s=5)
    assert recorded.puts == [{"applications": []}]


def test_what_does_not_run_is_not_deleted(where: Site, recorded: Any) -> None:
    assert not operator.delete("chat", where, timeout_s=5)
    assert recorded.puts == []


def test_a_service_that_keeps_draining_is_said(where: Site, recorded: Any) -> None:
    recorded.plays(_state("DELETING", 1.0, deployed_app_config=CHAT))
    with pytest.raises(RunFailed, match=r"chat is still draining after 0.05 s: see `raytide status`"):
        operator.delete("chat", where, timeout_s=0.05)


def test_a_folder_without_a_model_is_refused_before_the_cluster_is_asked(
    chat: Callable[..., Service], where: Site, recorded: Any, tmp_path: Path
) -> None:
    with pytest.raises(RaytideError, match=r"spec.model.source: .* holds no model \(no config.json\): train one"):
        operator.prepare(chat(tmp_path / "nothing"), where)
    assert recorded.requests == []


def test_a_folder_of_another_machine_is_taken_as_it_is(where: Site) -> None:
    elsewhere = replace(where, address="http://head:8265")
    assert resolve("/models/chat", elsewhere).path == "/models/chat"


def test_a_hugging_face_id_stays_one(where: Site) -> None:
    model = resolve("hf://org/name", where)
    assert (model.path, model.label) == ("org/name", "hf://org/name")


def test_a_budget_needs_a_price(
    chat: Callable[..., Service], model_folder: Callable[[], Path], where: Site, repository: Path
) -> None:
    from raytide.core.spec import read_as

    service = chat(model_folder(), budget={"max_usd_per_hour": 1})
    with pytest.raises(RaytideError, match=r"^spec.budget: no declared pool has a price for spec.hardware\[0\]"):
        operator.desired(service, where)
    priced = replace(where, cluster=read_as(Cluster, repository / "platform" / "cluster.yaml"))
    assert operator.prepare(service, priced).usd_per_hour == pytest.approx((0.05, 0.05))


@pytest.mark.parametrize(
    ("details", "route", "url"),
    [
        ({}, "/", "http://127.0.0.1:8000"),
        ({"http_options": {"host": "0.0.0.0", "port": 9000}}, "/chat", "http://127.0.0.1:9000/chat"),
        ({"http_options": {"host": "10.0.0.1", "port": 80}}, None, "http://10.0.0.1:80"),
        (
            {
                "http_options": {"host": "10.0.0.1", "port": 80},
                "applications": {GATEWAY_APP: {"deployed_app_config": {"args": {"host": "10.0.0.2", "port": 8080}}}},
            },
            "/chat",
            "http://10.0.0.2:8080/chat",
        ),
    ],
)
def test_a_services_url_is_the_gateways_or_where_serve_listens(
    details: dict[str, Any], route: str | None, url: str
) -> None:
    assert base_url(details, route, "http://127.0.0.1:8265") == url


def test_adapters_are_folders_that_are_there(chat: Callable[..., Service], model_folder: Any, where: Site) -> None:
    folder = model_folder()
    adapted = {"source": str(folder), "adapters": {"chat-sql": str(folder / "sql")}}
    with pytest.raises(RaytideError, match=r"^spec.model.adapters: .*sql holds no LoRA adapter"):
        operator.desired(chat(folder, model=adapted), where)
    (folder / "sql").mkdir()
    (folder / "sql" / "adapter_config.json").write_text("{}")
    (variant,) = operator.desired(chat(folder, model=adapted), where)["args"]["variants"]
    assert variant["engine"]["adapters"] == {"chat-sql": str(folder / "sql")}


def test_an_emulated_engine_needs_no_model(chat: Callable[..., Service], where: Site) -> None:
    speed = {"iteration": {"base": "5ms", "per_prefill_token": "1ms"}, "kv_capacity_tokens": 900}
    hardware = [{"accelerator": "L4", "performance": speed}]
    service = chat(Path("nowhere"), engine={"kind": "emulated"}, hardware=hardware)
    (variant,) = operator.desired(service, where)["args"]["variants"]
    assert (variant["name"], variant["engine"]["model_path"]) == ("emulated-l4", "nowhere")


def _running(service: Service, where: Site, **more: Any) -> dict[str, Any]:
    replicas = [{"state": "RUNNING"}, {"state": "RUNNING"}, {"state": "STARTING"}]
    return {
        "name": "chat",
        "status": "RUNNING",
        "route_prefix": "/",
        "deployed_app_config": dict(operator.desired(service, where)),
        "deployments": {"vllm-cpu": {"target_num_replicas": 3, "replicas": replicas}},
        **more,
    }


def test_a_status_joins_serves_account_with_the_brains(service: Service, where: Site, recorded: Any) -> None:
    port = int(where.address.rsplit(":", 1)[1])
    http = {"host": "127.0.0.1", "port": port}
    foreign = {"name": "x", "status": "RUNNING", "deployed_app_config": {"import_path": "a:b"}}
    applications = {"chat": _running(service, where), "x": foreign, "y": {"deployed_app_config": None}}
    recorded.answers = [(200, {"http_options": http, "applications": applications}), (200, {"usd": 0.5})]
    (found,) = services(where.dashboard)
    assert recorded.requests[-1][1] == "/raytide/status?service=chat"
    assert found["revision"] == operator.desired(service, where)["args"]["revision"]
    assert (found["state"], found["target_replicas"]) == ("RUNNING", 3)
    assert [one["name"] for one in found["variants"]] == ["vllm-cpu"]
    assert found["replicas"] == {"RUNNING": 2, "STARTING": 1}
    assert found["autoscaler"] == {"usd": 0.5}


def test_the_brain_of_a_service_that_sleeps_is_asked_why(service: Service, where: Site, recorded: Any) -> None:
    http = {"host": "127.0.0.1", "port": int(where.address.rsplit(":", 1)[1])}
    asleep = _running(service, where, deployments={})
    recorded.answers = [(200, {"http_options": http, "applications": {"chat": asleep}}), (200, '{"usd": 0.5}')]
    (found,) = services(where.dashboard)
    assert (found["autoscaler"], found["replicas"]) == ({"usd": 0.5}, {})


@pytest.mark.parametrize(
    ("answer", "says"), [((503, "busy"), "(HTTPStatusError)"), ((200, "<html>"), "(JSONDecodeError)")]
)
def test_a_brain_that_does_not_answer_is_missing(
    service: Service, where: Site, recorded: Any, answer: tuple[int, str], says: str
) -> None:
    http = {"host": "127.0.0.1", "port": int(where.address.rsplit(":", 1)[1])}
    recorded.answers = [(200, {"http_options": http, "applications": {"chat": _running(service, where)}}), answer]
    (found,) = services(where.dashboard)
    assert found["autoscaler"] == {"missing": f"{where.address} did not answer {says}"}


def test_while_a_first_replica_starts_the_brain_is_not_asked(service: Service, where: Site, recorded: Any) -> None:
    recorded.plays({"chat": {**_running(service, where, deployments={}), "status": "DEPLOYING"}})
    (found,) = services(where.dashboard)
    assert (found["autoscaler"], found["replicas"]) == ({"missing": "no replica runs"}, {})
    assert len(recorded.requests) == 1

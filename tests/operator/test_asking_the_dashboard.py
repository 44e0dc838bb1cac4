from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raytide.core.errors import ClusterRefused, ClusterUnreachable, RaytideError
from raytide.operator.adapters.dashboard import Dashboard
from raytide.operator.local.ports import free_ports

CHAT = {"name": "chat", "import_path": "raytide.services.app:build", "args": {}}
OTHER = {"name": "other", "import_path": "a:b"}
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: route / is taken\n\n'


def test_nothing_that_listens_is_unreachable_with_a_next_step() -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ClusterUnreachable) as raised:
        Dashboard(address).serve_details()
    assert str(raised.value) == (
        f"no Ray dashboard answers at {address} (ConnectError): start one with `raytide local up` or "
        "`ray start --head`, or give its address with --address"
    )
    assert not isinstance(raised.value, ClusterRefused)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_wanted_is_said(dashboard: Dashboard, recorded: Any, status: int) -> None:
    recorded.answers = [(status, "Unauthorized")]
    with pytest.raises(ClusterRefused, match=r"wants a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"):
        dashboard.serve_details()


def test_a_traceback_is_told_by_its_last_line(dashboard: Dashboard, recorded: Any) -> None:
    recorded.answers = [(500, TRACEBACK)]
    with pytest.raises(RaytideError) as raised:
        dashboard.serve_details()
    assert str(raised.value) == (
        f"GET {recorded.address}/api/serve/applications/ failed with 500: ValueError: route / is taken"
    )


def test_a_refused_deployment_says_why(dashboard: Dashboard, recorded: Any) -> None:
    recorded.answers = [(400, TRACEBACK)]
    with pytest.raises(RaytideError, match=r"PUT .* failed with 400: ValueError: route / is taken"):
        dashboard._put([CHAT], {})


@pytest.mark.parametrize("page", ["<html>hello</html>", '["a list"]'])
def test_another_server_is_no_dashboard(dashboard: Dashboard, recorded: Any, page: str) -> None:
    recorded.answers = [(200, page)]
    with pytest.raises(ClusterUnreachable, match="is no Ray dashboard: give the dashboard's address with --address"):
        dashboard.serve_details()


def test_a_deployment_keeps_the_other_applications(dashboard: Dashboard, recorded: Any) -> None:
    undeclared = {"deployed_app_config": None}
    recorded.plays(
        {"chat": {"deployed_app_config": CHAT | {"args": 1}}, "other": {"deployed_app_config": OTHER}, "x": undeclared}
    )
    dashboard.put_applications([CHAT], {"port": 8000})
    assert recorded.puts == [{"applications": [OTHER, CHAT], "http_options": {"port": 8000}}]


def test_a_deletion_keeps_the_other_applications(dashboard: Dashboard, recorded: Any) -> None:
    recorded.plays({"chat": {"deployed_app_config": CHAT}, "other": {"deployed_app_config": OTHER}})
    dashboard.put_applications((), {}, {"chat"})
    assert recorded.puts == [{"applications": [OTHER]}]


def test_what_is_being_deleted_is_not_deployed_again(dashboard: Dashboard, recorded: Any) -> None:
    recorded.plays({"chat": {"deployed_app_config": CHAT, "status": "DELETING"}})
    dashboard.put_applications([OTHER], {})
    assert recorded.puts == [{"applications": [OTHER]}]


def _authorization(recorded: Any) -> str | None:
    Dashboard(recorded.address).serve_details()
    header: str | None = recorded.requests[-1][2]
    return header


@pytest.mark.parametrize("token", ["tökèn", "two\nlines"])
def test_what_no_header_may_hold_is_no_token(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(RaytideError, match="holds what no token does"):
        Dashboard("http://127.0.0.1:1")


def test_a_token_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(RaytideError, match=r"token cannot be read as a token"):
        Dashboard("http://127.0.0.1:1")


def test_a_line_break_after_a_token_is_none_of_it(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "token\n")
    Dashboard(recorded.address).serve_details()
    assert recorded.requests[-1][2] == "Bearer token"


def test_without_a_token_there_is_no_header(recorded: Any) -> None:
    assert _authorization(recorded) is None


def test_a_token_comes_from_the_environment_or_from_a_file(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    users = Path.home() / ".ray" / "auth_token"
    users.parent.mkdir(parents=True)
    users.write_text("from-home\n")
    assert _authorization(recorded) == "Bearer from-home"
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert _authorization(recorded) == "Bearer from-file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-environment")
    assert _authorization(recorded) == "Bearer from-environment"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert _authorization(recorded) is None

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from raytide import cli
from raytide.operator.local.ports import free_ports

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass
class Ran:
    code: object
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, repository: Path
) -> Callable[..., Ran]:
    """The command in this process, in an empty folder with a service, without the user's clusters and tokens."""
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    text = (repository / "services" / "chat.yaml").read_text()
    (tmp_path / "chat.yaml").write_text(text.replace("registry:chat@production", "model"))

    def ran(*args: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["raytide", *args])
        with pytest.raises(SystemExit) as exited:
            cli.main()
        return Ran(exited.value.code or 0, *capsys.readouterr())

    return ran


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    "command", [("plan", "chat.yaml"), ("apply", "chat.yaml"), ("status",), ("delete", "chat")], ids=lambda c: c[0]
)
def test_no_cluster_is_one_sentence_and_exit_3(run: Callable[..., Ran], nowhere: str, command: tuple[str, ...]) -> None:
    ran = run(*command, "--address", nowhere)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"no Ray dashboard answers at {nowhere} (ConnectError): start one with")
    assert ran.err.count("\n") == 1


def test_the_installed_command_says_the_same(raytide: Raytide, nowhere: str) -> None:
    ran = raytide("status", "--address", nowhere)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)


def test_what_is_no_address_is_one_sentence_and_exit_3(run: Callable[..., Ran]) -> None:
    ran = run("status", "--address", "127.0.0.1:8265")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == ("'127.0.0.1:8265' is no address of a dashboard: write it as http://127.0.0.1:8265\n")


@pytest.mark.parametrize("command", ["plan", "apply", "render"])
def test_a_missing_model_is_one_sentence_and_exit_1(
    run: Callable[..., Ran], nowhere: str, tmp_path: Path, command: str
) -> None:
    ran = run(command, "chat.yaml", "--address", nowhere)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"spec.model.source: {tmp_path}/model holds no model (no config.json): train one with")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_a_mistake_in_the_file_comes_before_the_cluster(run: Callable[..., Ran], nowhere: str) -> None:
    ran = run("plan", "chat.yaml", "--address", nowhere, "--set", "spec.scaling.interval=0s")
    assert ran.code == 2
    assert ran.err.endswith("wrong value; found '0s', expected a value above zero\n")


@pytest.mark.usefixtures("model")
def test_a_service_is_rendered_without_a_cluster(run: Callable[..., Ran]) -> None:
    from ruamel.yaml import YAML

    ran = run("render", "chat.yaml")
    assert (ran.code, ran.err) == (0, "")
    config = YAML(typ="safe").load(ran.out)
    assert [application["name"] for application in config["applications"]] == ["raytide-gateway", "chat"]


def test_a_model_that_is_not_registered_is_one_sentence_and_exit_1(run: Callable[..., Ran]) -> None:
    for command in ("list", "promote"):
        ran = run("models", command, "nothing")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.lower().startswith("the registry has no ")
        assert ran.err.count("\n") == 1


def test_without_a_local_cluster_there_is_nothing_to_end(run: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run("local", "down")
    assert (ran.code, ran.out) == (0, f"no local cluster is remembered in {tmp_path}/home\n")

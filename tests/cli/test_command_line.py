from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from raytide import cli
from raytide.core.errors import ClusterUnreachable

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]


def test_every_command_exists_and_is_in_the_help(raytide: Raytide) -> None:
    listed = raytide("--help").stdout
    for name, (_, line) in cli.COMMANDS.items():
        assert name in listed
        assert line.split(";")[0][:40] in listed
        cli.app_for([name])


def test_check_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys, raytide.cli\n"
        f"sys.argv = ['raytide', 'check', {str(repository / 'services/chat.yaml')!r}]\n"
        "try: raytide.cli.main()\n"
        "finally: print(sorted({'ray', 'torch', 'vllm', 'mlflow', 'transformers', 'httpx', 'numpy', 'rich'}"
        " & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_help_imports_no_command(repository: Path) -> None:
    code = (
        "import sys, raytide.cli\n"
        "sys.argv = ['raytide', '--help']\n"
        "try: raytide.cli.main()\n"
        "finally: print('raytide.core.spec' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"


def test_an_unknown_command_is_a_usage_error_with_a_hint(raytide: Raytide) -> None:
    ran = raytide("chek")
    assert ran.returncode == 2
    assert "'check'" in ran.stderr


def test_a_user_error_is_its_sentence_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable() -> None:
        raise ClusterUnreachable("No Ray answers at 127.0.0.1:8265; start one with `ray start --head`.")

    assert _exit_code_of(unreachable, monkeypatch) == 3
    said = "No Ray answers at 127.0.0.1:8265; start one with `ray start --head`.\n"
    assert capsys.readouterr() == ("", said)


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert _exit_code_of(interrupted, monkeypatch) == 130
    assert capsys.readouterr() == ("", "")


def test_a_group_is_found_as_a_command_is(monkeypatch: pytest.MonkeyPatch) -> None:
    group = typer.Typer()
    group.command("list")(lambda: None)
    group.command("show")(lambda: None)
    monkeypatch.setitem(sys.modules, "a_group", type(sys)("a_group"))
    sys.modules["a_group"].app = group  # type: ignore[attr-defined]
    monkeypatch.setitem(cli.COMMANDS, "things", ("a_group:app", "Things."))
    cli.app_for(["things"])(["things", "list"], standalone_mode=False)


def test_a_schema_is_printed_for_a_kind_in_any_case_and_for_all(raytide: Raytide) -> None:
    assert json.loads(raytide("schema", "service").stdout)["title"] == "Service"
    assert len(json.loads(raytide("schema").stdout)["oneOf"]) == 4


def test_a_schema_of_no_kind_is_a_usage_error_with_a_hint(raytide: Raytide) -> None:
    ran = raytide("schema", "servic")
    assert ran.returncode == 2
    assert "did you mean Service?" in ran.stderr


def _exit_code_of(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(cli, "_imported", lambda target: command)
    monkeypatch.setattr(sys, "argv", ["raytide", "check"])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    return exited.value.code

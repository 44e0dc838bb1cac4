import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(task: str, *arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"raytide.jobs.{task}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "RAYTIDE_HOME": str(home), **env},
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("task", "file", "problem", "code"),
    [
        ("train", "train.yaml", "run a preprocess job", 1),
        ("evaluate", "evaluate.yaml", "run a preprocess job", 1),
        ("train", "evaluate.yaml", "python -m raytide.jobs.evaluate", 1),
        ("train", "absent.yaml", "absent.yaml", 2),
    ],
)
def test_what_a_user_can_get_wrong_is_one_sentence_and_an_exit_code(
    task: str, file: str, problem: str, code: int, tmp_path: Path
) -> None:
    done = run(task, str(ROOT / "jobs" / file), home=tmp_path)
    assert done.returncode == code
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "content", "problem"),
    [
        ("spec.data=other", '{"name": "a web application"}', "run a preprocess job"),
        ("spec.data=other", '{"data_hash":', "manifest.json is damaged"),
        ("spec.data=other/manifest.json", "{}", "run a preprocess job"),
        ("spec.report=reports/chat.html", "{}", "a report that ends in .json"),
        ("spec.tasks=[{name: a, kind: generation, file: a}, {name: a, kind: generation, file: b}]", "{}", "different"),
    ],
)
def test_data_that_are_none_are_one_sentence(setting: str, content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text(content)
    done = run("evaluate", str(ROOT / "jobs" / "evaluate.yaml"), "--set", setting, home=tmp_path)
    assert done.returncode in {1, 2}
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data" / "stdlib").mkdir(parents=True)
    done = run("preprocess", str(ROOT / "jobs" / "preprocess.yaml"), home=tmp_path)
    assert done.returncode == 1
    assert "is no output of a preprocess job; choose another spec.output" in done.stderr


def test_a_cluster_that_does_not_answer_is_said_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    done = run("preprocess", str(ROOT / "jobs/preprocess.yaml"), home=tmp_path, RAY_ADDRESS=f"127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "ray start --head" in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".stdlib.lock"]


def test_a_host_that_could_have_no_name_is_no_cluster_either(tmp_path: Path) -> None:
    done = run("preprocess", str(ROOT / "jobs/preprocess.yaml"), home=tmp_path, RAY_ADDRESS="head..node:6379")
    assert done.returncode == 3
    assert "No Ray cluster answers at head..node:6379" in done.stderr


def test_a_dashboard_address_is_told_apart_from_a_cluster_address(tmp_path: Path) -> None:
    done = run("preprocess", str(ROOT / "jobs/preprocess.yaml"), home=tmp_path, RAY_ADDRESS="http://127.0.0.1:8265")
    assert done.returncode == 3
    assert "ray job submit" in done.stderr


def test_a_full_disk_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from raytide.core.spec.preprocess import PreprocessSpec
    from raytide.jobs.entry import main

    def fill(spec: PreprocessSpec) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    monkeypatch.setattr(sys, "argv", ["preprocess", str(ROOT / "jobs/preprocess.yaml")])
    assert main(PreprocessSpec, fill) == 1
    assert capsys.readouterr().err == "The disk is full (writing); free some, and submit the job again.\n"

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


def test_a_cluster_that_does_not_answer_is_said_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    done = run("preprocess", str(ROOT / "jobs/preprocess.yaml"), home=tmp_path, RAY_ADDRESS=f"127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "ray start --head" in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".stdlib.lock"]


def test_a_dashboard_address_is_told_apart_from_a_cluster_address(tmp_path: Path) -> None:
    done = run("preprocess", str(ROOT / "jobs/preprocess.yaml"), home=tmp_path, RAY_ADDRESS="http://127.0.0.1:8265")
    assert done.returncode == 3
    assert "ray job submit" in done.stderr

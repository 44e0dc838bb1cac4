from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raytide.jobs import code_hash as room
from raytide.jobs.code_hash import code_hash

HERE = Path(room.__file__).parent


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "jobs"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(room, "_FOLDER", folder)
    return folder


def hashes() -> dict[str, str]:
    code_hash.cache_clear()
    return {task: code_hash(f"raytide.jobs.{task}.run") for task in ("preprocess", "train", "evaluate")}


@pytest.mark.parametrize(
    ("changed", "tasks"),
    [
        ("train/learner.py", {"train"}),  # imported where it is needed, not at the top
        ("preprocess/clean.py", {"preprocess"}),
        ("artefact.py", {"preprocess", "train", "evaluate"}),
        ("pipeline/run.py", set()),
    ],
)
def test_a_change_counts_for_the_jobs_that_run_it(copy: Path, changed: str, tasks: set[str]) -> None:
    before = hashes()
    assert len(set(before.values())) == 3
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    assert {task for task, digest in hashes().items() if digest != before[task]} == tasks

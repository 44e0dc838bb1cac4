from pathlib import Path
from typing import Any

import pytest
import torch

from raytide.jobs.train.checkpoints import Checkpoints


def state(value: float) -> dict[str, Any]:
    return {"learner": {"weights": torch.full((64,), value)}, "progress": {"step": int(value)}}


def saved(folder: Path, steps: tuple[int, ...], keep: int = 2) -> Checkpoints:
    checkpoints = Checkpoints(folder, keep)
    for step in steps:
        checkpoints.save(step, state(step))
    checkpoints.wait()
    return checkpoints


def newest_step(checkpoints: Checkpoints) -> int | None:
    found = checkpoints.newest().state
    return None if found is None else torch.load(found, weights_only=True)["progress"]["step"]


def test_the_newest_of_those_that_are_kept_is_found(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, (10, 20, 30))
    assert newest_step(checkpoints) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000030"]


def test_a_run_without_checkpoints_starts_from_nothing(tmp_path: Path) -> None:
    assert newest_step(Checkpoints(tmp_path / "none", 2)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x7f"),
        lambda file: file.write_bytes(bytes(file.stat().st_size)),
        lambda file: file.unlink(),
        lambda file: (file.parent / "complete.json").unlink(),
        lambda file: (file.parent / "complete.json").write_text("{"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_sentence_and_written_again(tmp_path: Path, damage: Any) -> None:
    checkpoints = saved(tmp_path, (10, 20))
    damage(tmp_path / "step-00000020" / "state.pt")
    found = checkpoints.newest()
    assert found.state == tmp_path / "step-00000010" / "state.pt"
    (sentence,) = found.damaged
    assert "checkpoint of step 20 is damaged" in sentence
    checkpoints.save(20, state(20))
    checkpoints.wait()
    assert newest_step(checkpoints) == 20


@pytest.mark.parametrize("keep", [1, 2])
def test_what_is_written_after_damaged_ones_is_kept_beside_them(tmp_path: Path, keep: int) -> None:
    checkpoints = saved(tmp_path, (10, 20, 30), keep=3)
    for step in (20, 30):
        (tmp_path / f"step-{step:08d}" / "state.pt").write_bytes(b"")
    assert newest_step(checkpoints) == 10
    assert newest_step(saved(tmp_path, (12, 14), keep=keep)) == 14
    older = {f"step-{step:08d}" for step in (10, 12, 14)[-keep:]}
    assert {path.name for path in tmp_path.iterdir()} == {*older, "step-00000020", "step-00000030"}


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    saved(tmp_path, (10,))
    partial = tmp_path / ".new-step-00000020.partial"
    partial.mkdir()
    (partial / "state.pt").write_bytes(b"half")
    assert newest_step(Checkpoints(tmp_path, 2)) == 10


def test_a_full_disk_is_a_sentence_and_the_checkpoint_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = saved(tmp_path, (10,), keep=1)

    class Full:
        """A device without room: `/dev/full` answers every write with ENOSPC."""

        def __call__(self, content: Any, file: Any) -> None:
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")

    monkeypatch.setattr(torch, "save", Full())
    checkpoints.save(20, state(20))
    checkpoints.wait()
    assert checkpoints.failure == (
        "The checkpoint of step 20 could not be written (No space left on device); that of step 10 is kept."
    )
    assert newest_step(checkpoints) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010"]

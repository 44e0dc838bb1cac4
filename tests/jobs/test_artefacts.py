import subprocess
import sys
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError, RunFailed
from raytide.jobs.artefact import exclusive, new_folder, resumed_folder, write_json, write_text
from raytide.jobs.differences import differences


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with new_folder(target) as folder:
        (folder / "part").write_text("x")
        assert not target.exists()
    assert (target / "part").read_text() == "x"


def _stopped_while_writing(target: Path) -> None:
    with new_folder(target) as folder:
        (folder / "part").write_text("x")
        raise SystemExit(143)


def test_a_stop_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        _stopped_while_writing(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / ".data.partial").mkdir()
    (tmp_path / ".data.partial" / "stale").write_text("x")
    with new_folder(tmp_path / "data") as folder:
        (folder / "fresh").write_text("y")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["fresh"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "report.json", "old")
    write_json(tmp_path / "report.json", {"new": True})
    assert (tmp_path / "report.json").read_text() == '{\n  "new": true\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_a_second_writer_is_told_to_wait(tmp_path: Path) -> None:
    target = tmp_path / "data"
    lines = [
        "from pathlib import Path",
        "from raytide.jobs.artefact import exclusive",
        f"exclusive(Path({str(target)!r})).__enter__()",
    ]
    with exclusive(target):
        other = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert "Another job" in other.stderr
    with exclusive(tmp_path / "data"):
        pass


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RaytideError, match="choose another folder"), exclusive(tmp_path / "file" / "data"):
        pass


def test_differences_are_named_as_in_the_file() -> None:
    before, now = {"steps": 300, "model": {"layers": 2, "heads": 4}}, {"steps": 400, "model": {"layers": 4, "heads": 4}}
    assert differences(before, now) == "steps: 300, now 400; model.layers: 2, now 4"
    assert differences(now, now) == ""


def test_a_killed_writer_goes_on_where_it_was_and_a_new_intention_starts_afresh(tmp_path: Path) -> None:
    target = tmp_path / "data"
    for error in (SystemExit(143), RunFailed("a task failed")):
        with pytest.raises(type(error)):
            _interrupted(target, "one", error)
    with resumed_folder(target, "one") as folder:
        assert (folder / "part").read_text() == "xx"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]

    with pytest.raises(SystemExit):
        _interrupted(tmp_path / "other", "one", SystemExit(143))
    with resumed_folder(tmp_path / "other", "two") as folder:
        assert list(folder.iterdir()) == []


def test_what_others_have_begun_beside_it_stays(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        _interrupted(tmp_path / "data.clean", "one", SystemExit(143))
    with resumed_folder(tmp_path / "data", "two"):
        pass
    with resumed_folder(tmp_path / "data.clean", "one") as folder:
        assert (folder / "part").read_text() == "x"


def test_a_mistake_of_the_user_leaves_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(RaytideError):
        _interrupted(tmp_path / "data", "one", RaytideError("too small"))
    assert list(tmp_path.iterdir()) == []


def _interrupted(target: Path, key: str, error: BaseException) -> None:
    with resumed_folder(target, key) as folder:
        with (folder / "part").open("a") as part:
            part.write("x")
        raise error
